namespace AuthSidecar.ControlPlane.Identity.SignIn;

/// <summary>A browser in which somebody has signed in to an account.</summary>
[Table("known_browsers")]
[PrimaryKey(nameof(AccountId), nameof(SecretSha256))]
[Index(nameof(SecretSha256))]
[Index(nameof(SeenAtMs))]
internal sealed class KnownBrowserRow
{
    public required string AccountId { get; set; }

    /// <summary>Of the secret in its cookie.</summary>
    public required string SecretSha256 { get; set; }

    public required long SeenAtMs { get; set; }
}

internal static class KnownBrowserTable
{
    extension(StoreContext store)
    {
        public DbSet<KnownBrowserRow> KnownBrowsers => store.Set<KnownBrowserRow>();
    }
}
