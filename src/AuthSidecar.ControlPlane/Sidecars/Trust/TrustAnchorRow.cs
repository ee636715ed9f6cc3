using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Sidecars.Trust;

/// <summary>A CA or bundle-signing key.</summary>
[Table("trust_anchors")]
[PrimaryKey(nameof(Use), nameof(KeyId))]
internal sealed class TrustAnchorRow : IScheduledKey
{
    public required TrustAnchorUse Use { get; set; }
    public required string KeyId { get; set; }

    /// <summary>The private key (PKCS #8), or the CA with its key (PKCS #12), encrypted with a data key.</summary>
    public required byte[] Sealed { get; set; }

    /// <summary>When it becomes active. Before, it is announced.</summary>
    public required long SignsFromMs { get; set; }

    /// <summary>When it was revoked; null: not revoked.</summary>
    public long? RevokedAtMs { get; set; }

    /// <summary>Of a CA: the cross-certificate issued by its predecessor; empty: none.</summary>
    public byte[] Endorsement { get; set; } = [];

    [NotMapped]
    public bool IsRevoked => RevokedAtMs is not null;
}

internal static class TrustAnchorTable
{
    extension(StoreContext store)
    {
        public DbSet<TrustAnchorRow> TrustAnchors => store.Set<TrustAnchorRow>();
    }
}
