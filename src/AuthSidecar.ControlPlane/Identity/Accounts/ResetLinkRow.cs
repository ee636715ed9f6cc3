namespace AuthSidecar.ControlPlane.Identity.Accounts;

/// <summary>A link by which an account gets a new password, once.</summary>
[Table("reset_links")]
[PrimaryKey(nameof(CodeSha256))]
[Index(nameof(AccountId))]
internal sealed class ResetLinkRow
{
    public required string CodeSha256 { get; set; }
    public required string AccountId { get; set; }
    public required long ExpiresAtMs { get; set; }
}

internal static class ResetLinkTable
{
    extension(StoreContext store)
    {
        public DbSet<ResetLinkRow> ResetLinks => store.Set<ResetLinkRow>();
    }
}
