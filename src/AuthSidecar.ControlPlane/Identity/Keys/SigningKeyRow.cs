namespace AuthSidecar.ControlPlane.Identity.Keys;

/// <summary>A key that tokens are signed with, or were, or will be.</summary>
[Table("signing_keys")]
[PrimaryKey(nameof(KeyId))]
internal sealed class SigningKeyRow : IScheduledKey
{
    public required string KeyId { get; set; }

    /// <summary>The private key, PKCS #8, under a data key.</summary>
    public required byte[] Sealed { get; set; }

    /// <summary>From when on tokens are signed with it; it is announced before.</summary>
    public required long SignsFromMs { get; set; }
}

internal static class SigningKeyTable
{
    extension(StoreContext store)
    {
        public DbSet<SigningKeyRow> SigningKeys => store.Set<SigningKeyRow>();
    }
}
