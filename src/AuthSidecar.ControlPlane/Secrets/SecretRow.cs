namespace AuthSidecar.ControlPlane.Secrets;

/// <summary>A secret under a data key.</summary>
[Table("secrets")]
[PrimaryKey(nameof(Name))]
internal sealed class SecretRow
{
    public required string Name { get; set; }
    public required byte[] Sealed { get; set; }
}

internal static class SecretTable
{
    extension(StoreContext store)
    {
        public DbSet<SecretRow> Secrets => store.Set<SecretRow>();
    }
}
