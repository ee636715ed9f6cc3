namespace AuthSidecar.ControlPlane.Identity.Providers;

/// <summary>A provider elsewhere that people may sign in with.</summary>
[Table("identity_providers")]
[PrimaryKey(nameof(Id))]
internal sealed class ProviderRow
{
    public required string Id { get; set; }

    /// <summary>The provider, as the administration API has it.</summary>
    public required string Json { get; set; }

    /// <summary>What we authenticate with there, under a data key.</summary>
    public required byte[] Sealed { get; set; }

    /// <summary>At which it last changed.</summary>
    public required long Revision { get; set; }
}

internal static class ProviderTable
{
    extension(StoreContext store)
    {
        public DbSet<ProviderRow> Providers => store.Set<ProviderRow>();
    }
}
