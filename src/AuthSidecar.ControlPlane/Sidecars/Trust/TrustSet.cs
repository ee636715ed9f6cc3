using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Sidecars.Trust;

/// <summary>A bundle-signing key and its row.</summary>
internal sealed record BundleAnchor(TrustAnchorRow Row, BundleKey Key);

/// <summary>A CA, its row, and the cross-certificate issued by its predecessor.</summary>
internal sealed record AuthorityAnchor(TrustAnchorRow Row, CertificateAuthority Authority, X509Certificate2? Endorsement);

/// <summary>An immutable snapshot of the trust anchors: the active ones, and those that sidecars trust.</summary>
internal sealed class TrustSet
{
    private readonly IReadOnlyList<BundleAnchor> _bundle;
    private readonly IReadOnlyList<AuthorityAnchor> _authorities;

    /// <param name="bundle">The bundle-signing keys, the newest first.</param>
    /// <param name="authorities">The CAs, the newest first.</param>
    /// <param name="now">The time at which they are active.</param>
    public TrustSet(IReadOnlyList<BundleAnchor> bundle, IReadOnlyList<AuthorityAnchor> authorities, DateTimeOffset now)
    {
        (_bundle, _authorities) = (bundle, authorities);
        Signing = bundle.First(b => b.Row == ActiveOf(Rows, TrustAnchorUse.BundleSigning, now)).Key;
        Authority = authorities.First(a => a.Row == ActiveOf(Rows, TrustAnchorUse.Ca, now)).Authority;
        KeySet = $$"""{"keys":[{{string.Join(',', bundle.Where(b => !b.Row.IsRevoked).Select(b => b.Key.Jwk))}}]}""";
        // The active one first: some tools read only the first certificate of a file.
        CaPem = string.Join('\n', authorities.Where(a => !a.Row.IsRevoked).Select(a => a.Authority).OrderByDescending(a => a == Authority)
            .Select(a => a.CertificatePem)) + "\n";
    }

    /// <summary>The active bundle-signing key.</summary>
    public BundleKey Signing { get; }

    /// <summary>The active CA.</summary>
    public CertificateAuthority Authority { get; }

    /// <summary>The bundle-signing keys to pin, as a JWKS.</summary>
    public string KeySet { get; }

    /// <summary>The CAs to trust, in PEM.</summary>
    public string CaPem { get; }

    public IEnumerable<TrustAnchorRow> Rows => _bundle.Select(b => b.Row).Concat(_authorities.Select(a => a.Row));

    /// <summary>The CAs whose client certificates are accepted, revoked ones included. A sidecar's certificate also has to be identical to
    /// the registered one.</summary>
    public IEnumerable<X509Certificate2> Accepted => _authorities.Select(a => a.Authority.Certificate);

    /// <summary>The cross-certificates that a node sends with its certificate, for clients that trust only a previous CA.</summary>
    public X509Certificate2Collection Chain =>
    [
        .. _authorities.Select(a => a.Endorsement).OfType<X509Certificate2>().Where(
            e => _authorities.Any(a => a.Authority.Certificate.SubjectName.RawData.AsSpan().SequenceEqual(e.IssuerName.RawData))),
        _authorities[^1].Authority.Certificate,
    ];

    /// <summary>Whether this snapshot equals these rows at a time.</summary>
    public bool IsOf(IReadOnlyList<TrustAnchorRow> rows, DateTimeOffset now) =>
        rows.Select(r => (r.Use, r.KeyId, r.RevokedAtMs)).ToHashSet().SetEquals(Rows.Select(r => (r.Use, r.KeyId, r.RevokedAtMs)))
        && ActiveOf(rows, TrustAnchorUse.BundleSigning, now).KeyId == Signing.KeyId
        && ActiveOf(rows, TrustAnchorUse.Ca, now).KeyId == Authority.KeyId;

    /// <summary>The active anchor at a time. There always is one: a revocation adds a successor.</summary>
    public static TrustAnchorRow ActiveOf(IEnumerable<TrustAnchorRow> rows, TrustAnchorUse use, DateTimeOffset now) =>
        KeySchedule.ActiveAt([.. rows.Where(r => r.Use == use && !r.IsRevoked)], now)!;

    /// <summary>The state of an anchor at a time.</summary>
    public static TrustAnchorState StateOf(TrustAnchorRow row, IEnumerable<TrustAnchorRow> all, DateTimeOffset now) =>
        row.IsRevoked ? TrustAnchorState.Revoked
        : ActiveOf(all, row.Use, now).KeyId == row.KeyId ? TrustAnchorState.Active
        : row.SignsFromMs > now.ToUnixTimeMilliseconds() ? TrustAnchorState.Announced
        : TrustAnchorState.Retiring;

    /// <summary>For the log: the anchors with their states.</summary>
    public string Describe(DateTimeOffset now) => string.Join(
        "; ", Rows.Select(r => $"{NameOf(r.Use)} {r.KeyId} {StateOf(r, Rows, now).ToString().ToLowerInvariant()}"));

    public static string NameOf(TrustAnchorUse use) => use == TrustAnchorUse.Ca ? "CA" : "bundle-signing key";

    /// <summary>Whether a certificate was issued by a CA of the control plane.</summary>
    public bool HasIssued(X509Certificate2 certificate) => _authorities.Any(a => a.Authority.HasIssued(certificate));

    /// <summary>The trusted bundle-signing keys that are not among these.</summary>
    public IEnumerable<TrustAnchorRow> BundleKeysExcept(IReadOnlyCollection<string> pinned) =>
        _bundle.Select(b => b.Row).Where(r => !r.IsRevoked && !pinned.Contains(r.KeyId));

    /// <summary>Whether a certificate was issued by a CA of the control plane that is not revoked.</summary>
    public bool HasIssuedUnrevoked(X509Certificate2 certificate) => _authorities.Any(
        a => !a.Row.IsRevoked && a.Authority.HasIssued(certificate));

    /// <summary>Whether sidecars trust this key.</summary>
    public bool IsTrusted(string keyId) => _bundle.Any(b => b.Key.KeyId == keyId && !b.Row.IsRevoked);

    /// <summary>Whether this key exists, revoked or not. It can sign trust anchors for sidecars that trust no other.</summary>
    public bool IsKnown(string keyId) => _bundle.Any(b => b.Key.KeyId == keyId);

    /// <summary>What is wrong with a sidecar that has pinned none of the keys; null: it has pinned one.</summary>
    public string? DescribeUnknown(IReadOnlyCollection<string> pinned) => pinned.Any(IsKnown) ? null
        : $"does not trust any bundle-signing key of this database, only {string.Join(", ", pinned)}: either the database was restored "
            + "from a backup made before a key rotation, or the key was rotated while the sidecar was disconnected; replace its "
            + "`--pinned-keys` file, or delete its `identity` folder and enrol it again";

    /// <summary>Reads a heartbeat that one of the keys has signed; null: none has.</summary>
    public Heartbeat? TryReadHeartbeat(Signed signed) => _bundle.FirstOrDefault(
        b => b.Key.KeyId == signed.KeyId && !b.Row.IsRevoked)?.Key.TryReadHeartbeat(signed);

    /// <summary>The trust anchors for a sidecar, signed by a key that it has pinned; null: it has pinned none of the keys.</summary>
    /// <param name="pinned">The ids of its pinned keys.</param>
    /// <param name="now">The time of the signature.</param>
    public Signed? SignFor(IReadOnlySet<string> pinned, DateTimeOffset now) =>
        (pinned.Contains(Signing.KeyId) ? Signing : _bundle.FirstOrDefault(b => pinned.Contains(b.Key.KeyId))?.Key)?.Sign(
            new TrustAnchors
            {
                CreatedAt = Timestamp.FromDateTimeOffset(now),
                Ca = CaPem,
                BundleKeys = KeySet,
                SigningKeyId = Signing.KeyId,
            });
}
