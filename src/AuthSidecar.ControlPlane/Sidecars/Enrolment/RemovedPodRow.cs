namespace AuthSidecar.ControlPlane.Sidecars.Enrolment;

/// <summary>A pod whose sidecar was removed: it is not let in again, by whatever name.</summary>
[Table("removed_pods")]
[PrimaryKey(nameof(Uid))]
internal sealed class RemovedPodRow
{
    public required string Uid { get; set; }

    /// <summary>When it was removed, or last asked.</summary>
    public required long SeenAtMs { get; set; }
}

internal static class RemovedPodTable
{
    extension(StoreContext store)
    {
        public DbSet<RemovedPodRow> RemovedPods => store.Set<RemovedPodRow>();
    }
}
