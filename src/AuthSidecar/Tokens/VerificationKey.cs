using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.IdentityModel.Tokens;

namespace AuthSidecar.Tokens;

/// <summary>A public key and the one algorithm it is for. Immutable; safe to share between threads.</summary>
internal sealed class VerificationKey
{
    private const int SmallestRsaBits = 2048;
    private const int LargestRsaBits = 8192;

    // Our own, without its cache: a provider lives as long as its key, and the key as long as its snapshot.
    private static readonly CryptoProviderFactory Providers = new() { CacheSignatureProviders = false };

    private readonly SignatureProvider _provider;
    private readonly int? _signatureBytes;

    private VerificationKey(JsonWebKey jwk, string algorithm, int? signatureBytes)
    {
        KeyId = jwk.Kid ?? "";
        Algorithm = algorithm;
        Thumbprint = Base64UrlEncoder.Encode(jwk.ComputeJwkThumbprint());
        _signatureBytes = signatureBytes;
        _provider = Providers.CreateForVerifying(jwk, algorithm);
    }

    public string KeyId { get; }

    /// <summary>The JWS algorithm (RFC 7518, section 3.1) this key is bound to.</summary>
    public string Algorithm { get; }

    /// <summary>RFC 7638, base64url.</summary>
    public string Thumbprint { get; }

    public bool Verify(CompactJws jws)
    {
        // An ECDSA signature is two numbers of the curve's size, side by side (RFC 7518, section 3.4); DER is something else.
        if (_signatureBytes is { } expected && jws.Signature.Length != expected)
        {
            return false;
        }

        return _provider.Verify(jws.SigningInput, 0, jws.SigningInput.Length, jws.Signature, 0, jws.Signature.Length);
    }

    /// <summary>The public half of a P-256 key of our own, for ES256.</summary>
    public static VerificationKey OfPublicKey(ECDsa key, string keyId)
    {
        var point = key.ExportParameters(includePrivateParameters: false).Q;
        var jwk = new JsonWebKey
        {
            Kty = "EC",
            Crv = "P-256",
            Alg = "ES256",
            Kid = keyId,
            X = Base64UrlEncoder.Encode(point.X),
            Y = Base64UrlEncoder.Encode(point.Y),
        };
        return new VerificationKey(jwk, "ES256", 64);
    }

    /// <summary>Reads a public JWK (RFC 7517).</summary>
    /// <param name="json">The key.</param>
    /// <param name="fault">What is wrong with it.</param>
    /// <returns>Null with a fault; null without one for a key that is not for verifying signatures, and is to be passed over.</returns>
    public static VerificationKey? TryRead(JsonElement json, out string? fault)
    {
        fault = null;
        if (json.ValueKind != JsonValueKind.Object)
        {
            fault = "a key is an object";
            return null;
        }

        JsonWebKey jwk;
        try
        {
            jwk = new JsonWebKey(json.GetRawText());
        }
        catch (ArgumentException)
        {
            fault = "this is no JWK";
            return null;
        }

        if (jwk.Use is "enc" || (jwk.KeyOps.Count > 0 && !jwk.KeyOps.Contains("verify")))
        {
            return null;
        }

        fault = FaultOf(jwk);
        if (fault is not null)
        {
            return null;
        }

        var (algorithm, signatureBytes) = AlgorithmOf(jwk);
        if (algorithm is null)
        {
            fault = $"`alg` {jwk.Alg ?? "(none)"} does not fit a key of type {jwk.Kty}{(jwk.Crv is null ? "" : $" on {jwk.Crv}")}";
            return null;
        }

        try
        {
            ImportForItsChecks(jwk);
            return new VerificationKey(jwk, algorithm, signatureBytes);
        }
        catch (Exception e) when (e is CryptographicException or InvalidOperationException or NotSupportedException or ArgumentException or FormatException)
        {
            // A point off its curve, a modulus that is none: the platform's words may quote the key, so they are not passed on.
            fault = "the platform refuses this key";
            return null;
        }
    }

    /// <summary>A key that the platform refuses, such as a point off its curve, is to be found out when it is read and not when it is used.</summary>
    private static void ImportForItsChecks(JsonWebKey jwk)
    {
        if (jwk.Kty == "EC")
        {
            var curve = jwk.Crv switch { "P-256" => ECCurve.NamedCurves.nistP256, "P-384" => ECCurve.NamedCurves.nistP384, _ => ECCurve.NamedCurves.nistP521 };
            using var ec = ECDsa.Create(new ECParameters { Curve = curve, Q = new ECPoint { X = Base64UrlEncoder.DecodeBytes(jwk.X), Y = Base64UrlEncoder.DecodeBytes(jwk.Y) } });
        }
        else
        {
            using var rsa = RSA.Create(new RSAParameters { Modulus = Base64UrlEncoder.DecodeBytes(jwk.N), Exponent = Base64UrlEncoder.DecodeBytes(jwk.E) });
        }
    }

    private static string? FaultOf(JsonWebKey jwk)
    {
        if (jwk.Kty is "oct")
        {
            return "symmetric keys are not accepted: whoever can verify could also sign";
        }

        if (jwk.D is not null || jwk.P is not null || jwk.Q is not null || jwk.DP is not null || jwk.DQ is not null || jwk.QI is not null)
        {
            return "this is a private key: a key set holds public keys only";
        }

        if (jwk.Use is not (null or "" or "sig"))
        {
            return $"`use` is `{jwk.Use}`, not `sig`";
        }

        return jwk.Kty switch
        {
            "RSA" => FaultOfRsa(jwk),
            "EC" => CompactJws.TryDecode(jwk.X, out _) && CompactJws.TryDecode(jwk.Y, out _) ? null : "`x` and `y` are required, as canonical base64url",
            _ => $"keys of type `{jwk.Kty}` are not supported",
        };
    }

    private static string? FaultOfRsa(JsonWebKey jwk)
    {
        if (!CompactJws.TryDecode(jwk.N, out var modulus) || !CompactJws.TryDecode(jwk.E, out var exponent))
        {
            return "`n` and `e` are required, as canonical base64url";
        }

        // A modulus of n bits has its highest bit set: a leading zero would make a shorter key look long enough.
        if (modulus[0] < 0x80 || modulus.Length * 8 is < SmallestRsaBits or > LargestRsaBits)
        {
            return $"an RSA key has {SmallestRsaBits} to {LargestRsaBits} bits";
        }

        // RFC 8017 allows 3; two decades of broken padding checks forbid it (SP 800-56B asks for 65537 at least).
        var e = exponent.Length <= 4 ? exponent.Aggregate(0L, (sum, b) => (sum << 8) | b) : long.MaxValue;
        return e is >= 65537 and < long.MaxValue && e % 2 == 1 ? null : "an RSA exponent is odd, at least 65537, and at most 32 bits";
    }

    /// <summary>The algorithm is the key's, never the token's (RFC 8725, section 3.1).</summary>
    private static (string? Algorithm, int? SignatureBytes) AlgorithmOf(JsonWebKey jwk) => (jwk.Kty, jwk.Crv, jwk.Alg) switch
    {
        ("RSA", _, null or "" or "RS256") => ("RS256", null),
        ("RSA", _, "RS384" or "RS512" or "PS256" or "PS384" or "PS512") => (jwk.Alg, null),
        ("EC", "P-256", null or "" or "ES256") => ("ES256", 64),
        ("EC", "P-384", null or "" or "ES384") => ("ES384", 96),
        ("EC", "P-521", null or "" or "ES512") => ("ES512", 132),
        _ => (null, null),
    };
}
