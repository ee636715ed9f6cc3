using System.Security.Cryptography;
using System.Text;
using Microsoft.IdentityModel.Tokens;

namespace AuthSidecar.Tokens;

/// <summary>A public key and the one algorithm it is for. Immutable; safe to share between threads.</summary>
internal sealed record VerificationKey : IDisposable
{
    private const int SmallestRsaBits = 2048;
    private const int LargestRsaBits = 8192;
    private const string EdDsa = "EdDSA";

    // Its name since RFC 9864, which does not leave the curve open.
    private const string Ed25519 = "Ed25519";

    private static readonly string[] PrivateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

    // Our own, without its cache: a provider lives as long as its key, and the key as long as its snapshot.
    private static readonly CryptoProviderFactory Providers = new() { CacheSignatureProviders = false };

    private readonly SignatureProvider? _provider;
    private readonly Ed25519Key? _ed25519;
    private readonly int? _signatureBytes;

    private VerificationKey(string keyId, Ed25519Key key, string x)
    {
        KeyId = keyId;
        Algorithm = EdDsa;
        // RFC 8037, section 2: the members in this order.
        Thumbprint = Base64UrlEncoder.Encode(SHA256.HashData(
            Encoding.ASCII.GetBytes($$"""{"crv":"Ed25519","kty":"OKP","x":"{{x}}"}""")));
        _ed25519 = key;
    }

    private VerificationKey(string keyId, JsonWebKey checkedKey, string algorithm)
    {
        KeyId = keyId;
        Algorithm = algorithm;
        Thumbprint = Base64UrlEncoder.Encode(checkedKey.ComputeJwkThumbprint());
        _signatureBytes = algorithm switch { "ES256" => 64, "ES384" => 96, "ES512" => 132, _ => null };
        _provider = Providers.CreateForVerifying(checkedKey, algorithm);
    }

    /// <summary><c>kid</c>; the thumbprint when the key has none.</summary>
    public string KeyId { get; private init; }

    /// <summary>Whether the key has a <c>kid</c>.</summary>
    public bool HasKeyId { get; private init; } = true;

    /// <summary>The issuer that a key names of a key set that several share, as Microsoft Entra ID does for its tenants; null:
    /// none.</summary>
    public string? IssuerName { get; private init; }

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
    public bool IsOf(Issuer issuer) => IssuerName is null || issuer.Tenant is null || IssuerName.Contains('{', StringComparison.Ordinal)
        || IssuerName.Split('/').Contains(issuer.Tenant, StringComparer.Ordinal);

    /// <summary>The public half of a P-256 key of our own, for ES256.</summary>
    public static VerificationKey OfPublicKey(ECDsa key, string keyId)
    {
        var point = key.ExportParameters(includePrivateParameters: false).Q;
        return new VerificationKey(
            keyId,
            new JsonWebKey { Kty = "EC", Crv = "P-256", X = Base64UrlEncoder.Encode(point.X), Y = Base64UrlEncoder.Encode(point.Y) },
            "ES256");
    }

    /// <summary>The public half of an RSA key of our own, for RS256.</summary>
    public static VerificationKey OfPublicKey(RSA key, string keyId)
    {
        var parameters = key.ExportParameters(includePrivateParameters: false);
        return new VerificationKey(
            keyId,
            new JsonWebKey
            {
                Kty = "RSA",
                N = Base64UrlEncoder.Encode(parameters.Modulus),
                E = Base64UrlEncoder.Encode(parameters.Exponent),
            },
            "RS256");
    }

    /// <summary>Reads a public JWK (RFC 7517).</summary>
    /// <remarks>Member by member, each checked. The library that verifies is given a key made of these and of nothing else: a JWK may say
    /// more (<c>x5c</c>, or <c>N</c> beside <c>n</c>), and what is checked must be what is used.</remarks>
    /// <param name="rules">Which keys count.</param>
    /// <param name="fault">What is wrong with it.</param>
    /// <returns>Null with a fault; null without one for a key that is not for verifying signatures, and is to be passed over.</returns>
    public static VerificationKey? TryRead(JsonElement json, KeySetRules rules, out string? fault) =>
        TryRead(
            json, json.ValueKind == JsonValueKind.Object && TextOf(json, "kty") is "RSA" ? rules.Algorithm : null, rules.Use, out fault);

    /// <summary>Reads a public JWK for signatures.</summary>
    /// <param name="algorithm">The algorithm of a key that names none; null: RS256 for RSA, and the curve's for others.</param>
    /// <param name="fault">What is wrong with it.</param>
    /// <returns>Null with a fault; null without one for a key that is not for verifying signatures.</returns>
    public static VerificationKey? TryRead(JsonElement json, string? algorithm, out string? fault) =>
        TryRead(json, algorithm, use: null, out fault);

    /// <summary>Whether a member of a JWK is one that only its owner may know (RFC 7518, section 6).</summary>
    public static bool IsPrivateMember(string name) => Array.IndexOf(PrivateMembers, name) >= 0;

    /// <summary>A text of somebody else for a message: short, and within its line.</summary>
    public static string Shown(string? text)
    {
        const int Most = 64;
        var shown = string.Concat((text ?? "").Take(Most).Select(c => char.IsLetterOrDigit(c) || c is >= ' ' and <= '~' ? c : '?'));
        return text?.Length > Most ? shown + "..." : shown;
    }

    /// <summary>Whether a JWK has what only its owner may know, which is a fault even in a key that would be passed over.</summary>
    public static string? FindSecret(JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object)
            return null;

        if (TextOf(json, "kty") is "oct")
            return "symmetric keys are not accepted: every verifier could also sign";

        return Array.Exists(PrivateMembers, name => json.TryGetProperty(name, out _))
            ? "private key: a key set holds public keys only"
            : null;
    }

    public void Dispose() => _provider?.Dispose();

    private static VerificationKey? TryRead(JsonElement json, string? algorithm, string? use, out string? fault)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            fault = "expected an object";
            return null;
        }

        fault = FindSecret(json);
        if (fault is not null || IsForSomethingElse(json, use, out fault) || fault is not null)
            return null;

        var (type, curve) = (TextOf(json, "kty"), TextOf(json, "crv"));
        var named = json.TryGetProperty("alg", out _) ? TextOf(json, "alg") ?? "" : algorithm;
        var key = type switch
        {
            "RSA" => Create(ReadRsa(json, out fault), AlgorithmOf(type, curve, named), ref fault),
            "EC" => Create(ReadEc(json, curve, out fault), AlgorithmOf(type, curve, named), ref fault),
            "OKP" when curve == Ed25519 => named is null or EdDsa or Ed25519 ? ReadEd25519(json, out fault) : null,
            _ => null,
        };
        if (key is null)
        {
            fault ??= type is "RSA" or "EC" || (type is "OKP" && curve is Ed25519)
                ? $"`alg` {Shown(named)} does not fit a key of type {type}{(curve is null ? "" : $" on {Shown(curve)}")}"
                : type is "OKP" ? $"the curve `{Shown(curve)}` is not supported" : $"keys of type `{Shown(type)}` are not supported";
            return null;
        }

        if (json.TryGetProperty("issuer", out var issuer) && issuer.ValueKind != JsonValueKind.String)
        {
            key.Dispose();
            fault = "`issuer` is not a string";
            return null;
        }

        if (json.TryGetProperty("kid", out var kid) && (kid.ValueKind != JsonValueKind.String || !TokenHeader.IsKeyId(kid.GetString()!)))
        {
            key.Dispose();
            fault = "invalid `kid`: expected a string of 1 to 512 bytes";
            return null;
        }

        return key with
        {
            KeyId = kid.ValueKind == JsonValueKind.String ? kid.GetString()! : key.Thumbprint,
            HasKeyId = kid.ValueKind == JsonValueKind.String,
            IssuerName = TextOf(json, "issuer"),
        };
    }

    private static VerificationKey? Create(JsonWebKey? key, string? algorithm, ref string? fault)
    {
        if (key is null || algorithm is null)
            return null;

        try
        {
            ImportForItsChecks(key);
            return new VerificationKey("", key, algorithm);
        }
        catch (Exception e) when (e is CryptographicException or InvalidOperationException or NotSupportedException or ArgumentException)
        {
            // The platform's words may quote the key, so they are not passed on.
            fault = "the platform does not support this key";
            return null;
        }
    }

    /// <summary><c>use</c> and <c>key_ops</c> (RFC 7517, sections 4.2 and 4.3).</summary>
    private static bool IsForSomethingElse(JsonElement json, string? use, out string? fault)
    {
        fault = null;
        if (json.TryGetProperty("use", out var said) ? TextOf(json, "use") is var stated && stated != (use ?? "sig") : use is not null)
        {
            fault = said.ValueKind == JsonValueKind.String && TextOf(json, "use") is "enc" or "sig" or "jwt-svid" or "x509-svid" ? null
                : $"`use` is `{Shown(TextOf(json, "use"))}`, not `{use ?? "sig"}`";
            return true;
        }

        if (!json.TryGetProperty("key_ops", out var operations))
            return false;

        if (operations.ValueKind != JsonValueKind.Array || operations.EnumerateArray().Any(o => o.ValueKind != JsonValueKind.String))
        {
            fault = "`key_ops` is not an array of strings";
            return true;
        }

        return !operations.EnumerateArray().Any(o => o.ValueEquals("verify"));
    }

    private static VerificationKey? ReadEd25519(JsonElement json, out string? fault)
    {
        var x = TextOf(json, "x");
        var key = CompactJws.TryDecode(x, out var bytes) ? Ed25519Key.TryImport(bytes, out fault)
            : Ed25519Key.TryImport([], out fault);
        return key is null ? null : new VerificationKey("", key, x!);
    }

    private static JsonWebKey? ReadRsa(JsonElement json, out string? fault)
    {
        var (n, e) = (TextOf(json, "n"), TextOf(json, "e"));
        if (!CompactJws.TryDecode(n, out var modulus) || !CompactJws.TryDecode(e, out var exponent))
        {
            fault = "`n` and `e` are required, as canonical base64url";
            return null;
        }

        // Of a number that begins with a set bit some write a zero before it, as Java does (Cloud Foundry UAA). More of them would make a
        // shorter key look long enough.
        if (modulus is [0, >= 0x80, ..])
            (modulus, n) = (modulus[1..], Base64UrlEncoder.Encode(modulus[1..]));

        if (modulus[0] < 0x80 || modulus.Length * 8 is < SmallestRsaBits or > LargestRsaBits || modulus[^1] % 2 == 0)
        {
            fault = $"invalid RSA modulus: expected an odd number of {SmallestRsaBits} to {LargestRsaBits} bits";
            return null;
        }

        // RFC 8017 allows 3; two decades of broken padding checks forbid it (SP 800-56B asks for 65537 at least).
        var value = exponent.Length <= 4 && exponent[0] != 0 ? exponent.Aggregate(0L, (sum, b) => (sum << 8) | b) : 0;
        fault = value >= 65537 && value % 2 == 1 ? null : "invalid RSA exponent: expected an odd number from 65537 to 2^32-1";
        return fault is null ? new JsonWebKey { Kty = "RSA", N = n, E = e } : null;
    }

    private static JsonWebKey? ReadEc(JsonElement json, string? curve, out string? fault)
    {
        var (x, y) = (TextOf(json, "x"), TextOf(json, "y"));
        var bytes = curve switch { "P-256" => 32, "P-384" => 48, "P-521" => 66, _ => 0 };
        if (bytes == 0)
        {
            fault = $"the curve `{Shown(curve)}` is not supported";
            return null;
        }

        // RFC 7518, section 6.2.1.2: as long as the field, neither shorter nor longer.
        fault = CompactJws.TryDecode(x, out var xBytes) && CompactJws.TryDecode(y, out var yBytes) && xBytes.Length == bytes
            && yBytes.Length == bytes
            ? null
            : $"`x` and `y` are required, as canonical base64url of {bytes} bytes";
        return fault is null ? new JsonWebKey { Kty = "EC", Crv = curve, X = x, Y = y } : null;
    }

    /// <summary>A key that the platform refuses, such as a point off its curve, is to be found out when it is read and not when it is
    /// used.</summary>
    private static void ImportForItsChecks(JsonWebKey key)
    {
        if (key.Kty == "EC")
        {
            var curve = key.Crv switch
            {
                "P-256" => ECCurve.NamedCurves.nistP256,
                "P-384" => ECCurve.NamedCurves.nistP384,
                _ => ECCurve.NamedCurves.nistP521,
            };
            using var ec = ECDsa.Create(new ECParameters
            {
                Curve = curve,
                Q = new ECPoint { X = Base64UrlEncoder.DecodeBytes(key.X), Y = Base64UrlEncoder.DecodeBytes(key.Y) },
            });
        }
        else
        {
            using var rsa = RSA.Create(
                new RSAParameters { Modulus = Base64UrlEncoder.DecodeBytes(key.N), Exponent = Base64UrlEncoder.DecodeBytes(key.E) });
        }
    }

    /// <summary>The algorithm is the key's, never the token's (RFC 8725, section 3.1).</summary>
    private static string? AlgorithmOf(string type, string? curve, string? named) => (type, curve, named) switch
    {
        ("RSA", _, null) => "RS256",
        ("RSA", _, "RS256" or "RS384" or "RS512" or "PS256" or "PS384" or "PS512") => named,
        ("EC", "P-256", null or "ES256") => "ES256",
        ("EC", "P-384", null or "ES384") => "ES384",
        ("EC", "P-521", null or "ES512") => "ES512",
        _ => null,
    };

    private static string? TextOf(JsonElement json, string name) =>
        json.TryGetProperty(name, out var member) && member.ValueKind == JsonValueKind.String ? member.GetString() : null;
}
