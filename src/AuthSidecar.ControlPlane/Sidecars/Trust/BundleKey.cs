using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Sidecars.Trust;

/// <summary>A key that signs bundles, heartbeats and trust anchors (ES256).</summary>
internal sealed class BundleKey : IDisposable
{
    private const string BundlePurpose = "authsidecar-bundle-v1";
    private const string HeartbeatPurpose = "authsidecar-heartbeat-v1";
    private const string TrustAnchorsPurpose = "authsidecar-trust-anchors-v1";

    private readonly ECDsa _key = ECDsa.Create();

    /// <param name="pkcs8">A P-256 key.</param>
    public BundleKey(byte[] pkcs8)
    {
        _key.ImportPkcs8PrivateKey(pkcs8, out _);
        var point = _key.ExportParameters(includePrivateParameters: false).Q;
        var (x, y) = (Base64Url.EncodeToString(point.X), Base64Url.EncodeToString(point.Y));
        KeyId = Base64Url.EncodeToString(
            SHA256.HashData(Encoding.ASCII.GetBytes($$"""{"crv":"P-256","kty":"EC","x":"{{x}}","y":"{{y}}"}""")));
        Jwk = $$"""{"kty":"EC","crv":"P-256","x":"{{x}}","y":"{{y}}","kid":"{{KeyId}}","use":"sig","alg":"ES256"}""";
    }

    /// <summary>The thumbprint of the key (RFC 7638).</summary>
    public string KeyId { get; }

    /// <summary>The public key as a JWK (RFC 7517).</summary>
    public string Jwk { get; }

    /// <summary>Generates a P-256 key, as PKCS #8.</summary>
    public static byte[] Create()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return key.ExportPkcs8PrivateKey();
    }

    public Signed Sign(Bundle bundle) => Sign(BundlePurpose, bundle);
    public Signed Sign(Heartbeat heartbeat) => Sign(HeartbeatPurpose, heartbeat);
    public Signed Sign(TrustAnchors anchors) => Sign(TrustAnchorsPurpose, anchors);

    /// <summary>Reads a heartbeat that was signed with this key; null: it was not.</summary>
    public Heartbeat? TryReadHeartbeat(Signed signed)
    {
        try
        {
            return _key.VerifyData(ToBeSigned(HeartbeatPurpose, signed.Content.Span), signed.Signature.Span, HashAlgorithmName.SHA256,
                DSASignatureFormat.IeeeP1363FixedFieldConcatenation)
                ? Heartbeat.Parser.ParseFrom(signed.Content)
                : null;
        }
        catch (InvalidProtocolBufferException)
        {
            return null;
        }
    }

    public void Dispose() => _key.Dispose();

    // The purpose goes in front, so that a heartbeat never passes for a bundle.
    private static byte[] ToBeSigned(string purpose, ReadOnlySpan<byte> content) => [.. Encoding.ASCII.GetBytes(purpose), 0, .. content];

    private Signed Sign(string purpose, IMessage message)
    {
        var content = message.ToByteArray();
        var signed = ToBeSigned(purpose, content);
        return new Signed
        {
            Content = ByteString.CopyFrom(content),
            KeyId = KeyId,
            Signature = ByteString.CopyFrom(
                _key.SignData(signed, HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation)),
        };
    }
}
