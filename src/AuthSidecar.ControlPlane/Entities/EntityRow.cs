namespace AuthSidecar.ControlPlane.Entities;

/// <summary>An entity, for an application and a tenant. One that was removed, or went to others, stays as a tombstone, for those who have
/// yet to hear of it.</summary>
[Table("entities")]
[PrimaryKey(nameof(Type), nameof(Id), nameof(Application), nameof(Tenant))]
[Index(nameof(Revision))]
internal sealed class EntityRow
{
    public required string Type { get; set; }
    public required string Id { get; set; }

    /// <summary>The application whose sidecars have it; empty: those of all.</summary>
    public required string Application { get; set; }

    /// <summary>The tenant whose sidecars have it; empty: those of all.</summary>
    public required string Tenant { get; set; }

    public required long Revision { get; set; }
    public required bool IsRemoved { get; set; }

    /// <summary>In Cedar's JSON format of entities; empty in a tombstone.</summary>
    public required string Json { get; set; }
}

internal static class EntityTable
{
    extension(StoreContext store)
    {
        public DbSet<EntityRow> Entities => store.Set<EntityRow>();
    }
}
