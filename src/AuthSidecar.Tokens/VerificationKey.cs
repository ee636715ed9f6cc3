using System.Security.Cryptography;
using System.Text;
using Microsoft.IdentityModel.Tokens;

namespace AuthSidecar.Tokens;

/// <summary>A public key and the one algorithm it is for. Immutable; safe to share between threads.</summary>
internal sealed class VerificationKey : IDisposable
{
    public const string EdDsa = "EdDSA";

    /// <summary>The curve, and since RFC 9864 the algorithm, which `EdDSA` leaves open.</summary>
    public const string Ed25519 = "Ed25519";

    // Our own, without its cache: a provider lives as long as its key, and the key as long as its snapshot.
    private static readonly CryptoProviderFactory Providers = new() { CacheSignatureProviders = false };

    private readonly SignatureProvider? _provider;
    private readonly Ed25519Key? _ed25519;
    private readonly int? _signatureBytes;

    /// <param name="name">What its JWK calls it.</param>
    /// <param name="checkedKey">An RSA or EC key.</param>
    /// <param name="algorithm">The algorithm that it is for.</param>
    public VerificationKey(KeyName name, JsonWebKey checkedKey, string algorithm)
    {
        (Name, Algorithm) = (name, algorithm);
        Thumbprint = Base64UrlEncoder.Encode(checkedKey.ComputeJwkThumbprint());
        _signatureBytes = algorithm switch { "ES256" => 64, "ES384" => 96, "ES512" => 132, _ => null };
        _provider = Providers.CreateForVerifying(checkedKey, algorithm);
    }

    /// <param name="name">What its JWK calls it.</param>
    /// <param name="key">The key.</param>
    /// <param name="x">The same, in base64url.</param>
    public VerificationKey(KeyName name, Ed25519Key key, string x)
    {
        (Name, Algorithm, _ed25519) = (name, EdDsa, key);
        // RFC 8037, section 2: the members in this order.
        Thumbprint = Base64UrlEncoder.Encode(SHA256.HashData(
            Encoding.ASCII.GetBytes($$"""{"crv":"Ed25519","kty":"OKP","x":"{{x}}"}""")));
    }

    /// <summary><c>kid</c>; the thumbprint when the key has none.</summary>
    public string KeyId => Name.KeyId ?? Thumbprint;

    /// <summary>What its JWK calls it.</summary>
    public KeyName Name { get; }

    /// <summary>The JWS algorithm (RFC 7518, section 3.1) this key is bound to.</summary>
    public string Algorithm { get; }

    /// <summary>RFC 7638, base64url.</summary>
    public string Thumbprint { get; }

    public bool Verify(CompactJws jws) => Verify(jws.SigningInput, jws.Signature);

    /// <remarks>An ECDSA signature (r, s) has a twin (r, n - s) that anybody can make of it. Both are accepted: RFC 7518 does not rule one
    /// out, and signers make either. So nothing may tell tokens apart by their text: revocation goes by <c>jti</c>, session and subject,
    /// and a used proof is remembered by its <c>jti</c>.</remarks>
    public bool Verify(byte[] content, byte[] signature)
    {
        // An ECDSA signature is two numbers of the curve's size, side by side (RFC 7518, section 3.4); DER is something else.
        if (_signatureBytes is { } expected && signature.Length != expected)
            return false;

        return _ed25519?.Verify(content, signature) ?? _provider!.Verify(content, 0, content.Length, signature, 0, signature.Length);
    }

    /// <summary>Whether it verifies tokens of an algorithm.</summary>
    public bool Accepts(string algorithm) =>
        string.Equals(algorithm, Algorithm, StringComparison.Ordinal) || (Algorithm == EdDsa && algorithm == Ed25519);

    /// <summary>Whether it speaks for an issuer that shares its key set with others. A key with a placeholder for the tenant speaks for all
    /// of them.</summary>
    public bool IsOf(Issuer issuer) => Name.Issuer is null || issuer.Tenant is null || Name.Issuer.Contains('{', StringComparison.Ordinal)
        || Name.Issuer.Split('/').Contains(issuer.Tenant, StringComparer.Ordinal);

    /// <summary>The public half of a P-256 key of our own, for ES256.</summary>
    public static VerificationKey OfPublicKey(ECDsa key, string keyId)
    {
        var point = key.ExportParameters(includePrivateParameters: false).Q;
        return new VerificationKey(
            new KeyName(keyId),
            new JsonWebKey { Kty = "EC", Crv = "P-256", X = Base64UrlEncoder.Encode(point.X), Y = Base64UrlEncoder.Encode(point.Y) },
            "ES256");
    }

    /// <summary>The public half of an RSA key of our own, for RS256.</summary>
    public static VerificationKey OfPublicKey(RSA key, string keyId)
    {
        var parameters = key.ExportParameters(includePrivateParameters: false);
        return new VerificationKey(
            new KeyName(keyId),
            new JsonWebKey
            {
                Kty = "RSA",
                N = Base64UrlEncoder.Encode(parameters.Modulus),
                E = Base64UrlEncoder.Encode(parameters.Exponent),
            },
            "RS256");
    }

    public void Dispose() => _provider?.Dispose();
}

/// <summary>What a JWK calls its key.</summary>
/// <param name="KeyId"><c>kid</c>; null: it has none.</param>
/// <param name="Issuer">The issuer that it names where several share a key set, as Microsoft Entra ID does for its tenants; null:
/// none.</param>
internal sealed record KeyName(string? KeyId, string? Issuer = null);
