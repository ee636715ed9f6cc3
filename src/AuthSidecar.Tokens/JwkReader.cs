using System.Security.Cryptography;
using Microsoft.IdentityModel.Tokens;

namespace AuthSidecar.Tokens;

/// <summary>Reads public JWKs (RFC 7517) for verifying signatures.</summary>
/// <remarks>Member by member, each checked. The library that verifies is given a key made of these and of nothing else: a JWK may say more
/// (<c>x5c</c>, or <c>N</c> beside <c>n</c>), and what is checked must be what is used.</remarks>
internal static class JwkReader
{
    private const int SmallestRsaBits = 2048;
    private const int LargestRsaBits = 8192;

    private static readonly string[] PrivateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

    /// <summary>Reads a key of a key set.</summary>
    /// <param name="rules">Which keys count.</param>
    /// <param name="fault">What is wrong with it.</param>
    /// <returns>Null with a fault; null without one for a key that is not for verifying signatures, and is ignored.</returns>
    public static VerificationKey? TryRead(JsonElement json, KeySetRules rules, out string? fault) =>
        TryRead(
            json, json.ValueKind == JsonValueKind.Object && TextOf(json, "kty") is "RSA" ? rules.Algorithm : null, rules.Use, out fault);

    /// <summary>Reads a key by itself.</summary>
    /// <param name="algorithm">The algorithm of a key that names none; null: RS256 for RSA, and the curve's for others.</param>
    /// <param name="fault">What is wrong with it.</param>
    /// <returns>Null with a fault; null without one for a key that is not for verifying signatures.</returns>
    public static VerificationKey? TryRead(JsonElement json, string? algorithm, out string? fault) =>
        TryRead(json, algorithm, use: null, out fault);

    /// <summary>Whether a member of a JWK is one that only its owner may know (RFC 7518, section 6).</summary>
    public static bool IsPrivateMember(string name) => Array.IndexOf(PrivateMembers, name) >= 0;

    /// <summary>Whether a JWK has what only its owner may know, which is a fault even in a key that would be ignored; null: it has
    /// not.</summary>
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

    private static VerificationKey? TryRead(JsonElement json, string? algorithm, string? use, out string? fault)
    {
        if (json.ValueKind != JsonValueKind.Object)
        {
            fault = "expected an object";
            return null;
        }

        fault = FindSecret(json);
        if (fault is not null || IsForSomethingElse(json, use, out fault) || ReadName(json, out fault) is not { } name)
            return null;

        var (type, curve) = (TextOf(json, "kty"), TextOf(json, "crv"));
        var named = json.TryGetProperty("alg", out _) ? TextOf(json, "alg") ?? "" : algorithm;
        return (type, curve) switch
        {
            ("RSA", _) => Create(name, ReadRsa(json, out fault), type, curve, named, ref fault),
            ("EC", _) => Create(name, ReadEc(json, curve, out fault), type, curve, named, ref fault),
            ("OKP", VerificationKey.Ed25519) => ReadEd25519(name, json, named, out fault),
            ("OKP", _) => Refuse($"the curve `{ForeignText.Show(curve)}` is not supported", out fault),
            _ => Refuse($"keys of type `{ForeignText.Show(type)}` are not supported", out fault),
        };
    }

    private static KeyName? ReadName(JsonElement json, out string? fault)
    {
        fault = json.TryGetProperty("issuer", out var issuer) && issuer.ValueKind != JsonValueKind.String ? "`issuer` is not a string"
            : json.TryGetProperty("kid", out var kid) && (kid.ValueKind != JsonValueKind.String || !TokenHeader.IsKeyId(kid.GetString()!))
                ? "invalid `kid`: expected a string of 1 to 512 bytes"
            : null;
        return fault is null ? new KeyName(TextOf(json, "kid"), TextOf(json, "issuer")) : null;
    }

    private static VerificationKey? Create(
        KeyName name, JsonWebKey? key, string type, string? curve, string? algorithm, ref string? fault)
    {
        if (key is null)
            return null;

        if (AlgorithmOf(type, curve, algorithm) is not { } bound)
            return RefuseAlgorithm(type, curve, algorithm, out fault);

        try
        {
            ImportForItsChecks(key);
            return new VerificationKey(name, key, bound);
        }
        catch (Exception e) when (e is CryptographicException or InvalidOperationException or NotSupportedException or ArgumentException)
        {
            // The platform's words may quote the key, so they are not passed on.
            return Refuse("the platform does not support this key", out fault);
        }
    }

    /// <summary><c>use</c> and <c>key_ops</c> (RFC 7517, sections 4.2 and 4.3).</summary>
    private static bool IsForSomethingElse(JsonElement json, string? use, out string? fault)
    {
        fault = null;
        if (json.TryGetProperty("use", out var said) ? TextOf(json, "use") is var stated && stated != (use ?? "sig") : use is not null)
        {
            fault = said.ValueKind == JsonValueKind.String && TextOf(json, "use") is "enc" or "sig" or "jwt-svid" or "x509-svid" ? null
                : $"`use` is `{ForeignText.Show(TextOf(json, "use"))}`, not `{use ?? "sig"}`";
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

    private static VerificationKey? ReadEd25519(KeyName name, JsonElement json, string? algorithm, out string? fault)
    {
        if (algorithm is not (null or VerificationKey.EdDsa or VerificationKey.Ed25519))
            return RefuseAlgorithm("OKP", VerificationKey.Ed25519, algorithm, out fault);

        var x = TextOf(json, "x");
        CompactJws.TryDecode(x, out var bytes);
        return Ed25519Key.TryImport(bytes, out fault) is { } key ? new VerificationKey(name, key, x!) : null;
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
            fault = $"the curve `{ForeignText.Show(curve)}` is not supported";
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

    private static VerificationKey? RefuseAlgorithm(string type, string? curve, string? algorithm, out string? fault) => Refuse(
        $"`alg` {ForeignText.Show(algorithm)} does not fit a key of type {type}{(curve is null ? "" : $" on {ForeignText.Show(curve)}")}",
        out fault);

    private static VerificationKey? Refuse(string message, out string? fault)
    {
        fault = message;
        return null;
    }

    private static string? TextOf(JsonElement json, string name) =>
        json.TryGetProperty(name, out var member) && member.ValueKind == JsonValueKind.String ? member.GetString() : null;
}
