namespace AuthSidecar.ControlPlane.Identity.Clients;

/// <summary>What is good once, and was used: an assertion, a proof. Kept until it is good no longer.</summary>
[Table("spent_tokens")]
[PrimaryKey(nameof(KeySha256))]
[Index(nameof(ExpiresAtMs))]
internal sealed class SpentTokenRow
{
    public required string KeySha256 { get; set; }
    public required long ExpiresAtMs { get; set; }
}

internal static class SpentTokenTable
{
    extension(StoreContext store)
    {
        public DbSet<SpentTokenRow> SpentTokens => store.Set<SpentTokenRow>();
    }
}
