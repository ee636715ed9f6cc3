namespace AuthSidecar.ControlPlane.Secrets;

/// <summary>A data key under the master key of the vault.</summary>
[Table("data_keys")]
[PrimaryKey(nameof(Name))]
internal sealed class DataKeyRow
{
    public required string Name { get; set; }
    public required string MasterKeyId { get; set; }
    public required byte[] Wrapped { get; set; }
}

internal static class DataKeyTable
{
    extension(StoreContext store)
    {
        public DbSet<DataKeyRow> DataKeys => store.Set<DataKeyRow>();
    }
}
