using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Trust;

/// <summary>A bundle-signing key and its row.</summary>
internal sealed record BundleAnchor(TrustAnchorRow Row, BundleKey Key);

/// <summary>A CA, its row, and the certificate that the CA before it made for it.</summary>
internal sealed record AuthorityAnchor(TrustAnchorRow Row, CertificateAuthority Authority, X509Certificate2? Endorsement);

/// <summary>The trust anchors as of one moment: which one is active, and what sidecars are to trust.</summary>
internal sealed class TrustSet
{
    private readonly IReadOnlyList<BundleAnchor> _bundle;
    private readonly IReadOnlyList<AuthorityAnchor> _authorities;

    /// <param name="bundle">The bundle-signing keys, the newest first.</param>
    /// <param name="authorities">The CAs, the newest first.</param>
    /// <param name="now">Decides which are active.</param>
    public TrustSet(IReadOnlyList<BundleAnchor> bundle, IReadOnlyList<AuthorityAnchor> authorities, DateTimeOffset now)
    {
        (_bundle, _authorities) = (bundle, authorities);
        Signing = bundle.First(b => b.Row == ActiveOf(Rows, TrustAnchorUse.BundleSigning, now)).Key;
        Authority = authorities.First(a => a.Row == ActiveOf(Rows, TrustAnchorUse.Ca, now)).Authority;
        KeySet = $$"""{"keys":[{{string.Join(',', bundle.Where(b => !b.Row.IsRevoked).Select(b => b.Key.Jwk))}}]}""";
        // The one that issues first: of a file of several, simple tools read the first.
        CaPem = string.Join('\n', authorities.Where(a => !a.Row.IsRevoked).Select(a => a.Authority).OrderByDescending(a => a == Authority).Select(a => a.CertificatePem)) + "\n";
    }

    /// <summary>The key that signs.</summary>
    public BundleKey Signing { get; }

    /// <summary>The CA that issues certificates.</summary>
    public CertificateAuthority Authority { get; }

    /// <summary>The bundle-signing keys for sidecars to pin, as a JWKS.</summary>
    public string KeySet { get; }

    /// <summary>The CAs to trust, in PEM.</summary>
    public string CaPem { get; }

    public IEnumerable<TrustAnchorRow> Rows => _bundle.Select(b => b.Row).Concat(_authorities.Select(a => a.Row));

    /// <summary>The CAs whose certificates are accepted. A sidecar's certificate also has to be the very one that is registered: a revoked CA makes nobody another.</summary>
    public IEnumerable<X509Certificate2> Accepted => _authorities.Select(a => a.Authority.Certificate);

    /// <summary>What a node shows beside its certificate: by it, whoever trusts an earlier CA alone, which is kept still, trusts the one that issues.</summary>
    public X509Certificate2Collection Chain =>
    [
        .. _authorities.Select(a => a.Endorsement).OfType<X509Certificate2>().Where(e => _authorities.Any(a => a.Authority.Certificate.SubjectName.RawData.AsSpan().SequenceEqual(e.IssuerName.RawData))),
        _authorities[^1].Authority.Certificate,
    ];

    /// <summary>Whether this is what these rows say at a time.</summary>
    public bool IsOf(IReadOnlyList<TrustAnchorRow> rows, DateTimeOffset now) =>
        rows.Select(r => (r.Use, r.KeyId, r.RevokedAtMs)).ToHashSet().SetEquals(Rows.Select(r => (r.Use, r.KeyId, r.RevokedAtMs)))
        && ActiveOf(rows, TrustAnchorUse.BundleSigning, now).KeyId == Signing.KeyId
        && ActiveOf(rows, TrustAnchorUse.Ca, now).KeyId == Authority.KeyId;

    /// <summary>The anchor that is used at a time. There always is one: nothing is revoked without another in its place.</summary>
    public static TrustAnchorRow ActiveOf(IEnumerable<TrustAnchorRow> rows, TrustAnchorUse use, DateTimeOffset now) =>
        KeySchedule.ActiveAt([.. rows.Where(r => r.Use == use && !r.IsRevoked)], now)!;

    /// <summary>Whether a certificate that is trusted already is one of the control plane's own CAs.</summary>
    public bool HasIssued(X509Certificate2 certificate) => _authorities.Any(a => a.Authority.HasIssued(certificate));

    /// <summary>The bundle-signing keys to be trusted that are not among these.</summary>
    public IEnumerable<TrustAnchorRow> BundleKeysExcept(IReadOnlyCollection<string> pinned) => _bundle.Select(b => b.Row).Where(r => !r.IsRevoked && !pinned.Contains(r.KeyId));

    /// <summary>The same by a CA that is not revoked.</summary>
    public bool HasIssuedUnrevoked(X509Certificate2 certificate) => _authorities.Any(a => !a.Row.IsRevoked && a.Authority.HasIssued(certificate));

    /// <summary>Whether sidecars are to trust what this key has signed.</summary>
    public bool IsTrusted(string keyId) => _bundle.Any(b => b.Key.KeyId == keyId && !b.Row.IsRevoked);

    /// <summary>Whether there is this key still, revoked or not: by it, those that trust it alone are told of the others.</summary>
    public bool IsKnown(string keyId) => _bundle.Any(b => b.Key.KeyId == keyId);

    /// <summary>Reads a heartbeat that one of the keys has signed; null: none has.</summary>
    public Heartbeat? TryReadHeartbeat(Signed signed) => _bundle.FirstOrDefault(b => b.Key.KeyId == signed.KeyId && !b.Row.IsRevoked)?.Key.TryReadHeartbeat(signed);

    /// <summary>What a sidecar is to trust, signed by a key that it trusts already; null: there is none.</summary>
    /// <param name="pinned">The ids of the keys that it has pinned.</param>
    /// <param name="now">When it is signed.</param>
    public Signed? SignFor(IReadOnlySet<string> pinned, DateTimeOffset now) =>
        (pinned.Contains(Signing.KeyId) ? Signing : _bundle.FirstOrDefault(b => pinned.Contains(b.Key.KeyId))?.Key)?.Sign(
            new TrustAnchors { CreatedAt = Timestamp.FromDateTimeOffset(now), Ca = CaPem, BundleKeys = KeySet, SigningKeyId = Signing.KeyId });
}
