namespace AuthSidecar.ControlPlane.Administrators;

/// <summary>A code with which somebody becomes the first administrator, known by its hash.</summary>
[Table("bootstrap_codes")]
[PrimaryKey(nameof(CodeSha256))]
internal sealed class BootstrapCodeRow
{
    public required string CodeSha256 { get; set; }
    public required long ExpiresAtMs { get; set; }
}

internal static class BootstrapCodeTable
{
    extension(StoreContext store)
    {
        public DbSet<BootstrapCodeRow> BootstrapCodes => store.Set<BootstrapCodeRow>();
    }
}
