using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text.Json;
using AuthSidecar.Cedar;

namespace AuthSidecar.ControlPlane.Resources;

/// <summary>Holds a JWK Set (RFC 7517, section 5) against what sidecars take: public keys to verify with, each with a name of its own.</summary>
internal static class KeySetChecks
{
    private const int MaxKeys = 64;
    private const int MaxKeyIdLength = 128;
    private const int MinRsaBits = 2048;

    private static readonly JsonDocumentOptions StrictJson = new() { AllowDuplicateProperties = false, MaxDepth = 8 };
    private static readonly string[] PrivateMembers = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

    private static readonly Dictionary<string, ECCurve> Curves = new(StringComparer.Ordinal)
    {
        ["P-256"] = ECCurve.NamedCurves.nistP256,
        ["P-384"] = ECCurve.NamedCurves.nistP384,
        ["P-521"] = ECCurve.NamedCurves.nistP521,
    };

    public static IReadOnlyList<Fault> Check(string jwks)
    {
        const string Name = "jwks";
        var faults = new List<Fault>();
        try
        {
            using var document = JsonDocument.Parse(jwks, StrictJson);
            if (document.RootElement.ValueKind != JsonValueKind.Object
                || !document.RootElement.TryGetProperty("keys", out var keys)
                || keys.ValueKind != JsonValueKind.Array
                || keys.GetArrayLength() is 0 or > MaxKeys)
            {
                Fail($"a key set is an object with an array `keys` of 1 to {MaxKeys}");
                return faults;
            }

            var keyIds = new HashSet<string>(StringComparer.Ordinal);
            foreach (var (index, key) in keys.EnumerateArray().Index())
            {
                if (WhyNot(key) is { } why)
                {
                    Fail($"key {index}: {why}");
                }
                else if (!keyIds.Add(key.GetProperty("kid").GetString()!))
                {
                    Fail($"key {index}: the `kid` `{key.GetProperty("kid")}` occurs twice");
                }
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            Fail("this is not JSON, or has a member twice");
        }

        return faults;

        void Fail(string message) => faults.Add(new Fault(Name, 0, 0, message));
    }

    private static string? WhyNot(JsonElement key)
    {
        if (key.ValueKind != JsonValueKind.Object)
        {
            return "a key is an object";
        }

        if (PrivateMembers.FirstOrDefault(m => key.TryGetProperty(m, out _)) is { } member)
        {
            return $"it has `{member}`, which is nobody's business but its owner's";
        }

        if (Text(key, "kid") is not { Length: > 0 and <= MaxKeyIdLength } kid || kid.Any(c => c is < '!' or > '~'))
        {
            return $"a key has a `kid` of 1 to {MaxKeyIdLength} printable ASCII characters";
        }

        if (Text(key, "use") is { } use && use != "sig")
        {
            return $"it is for `{use}`, and not for verifying";
        }

        return Text(key, "kty") switch
        {
            "RSA" => Number(key, "n") is { } n && Number(key, "e") is { Length: > 0 } && n.Length * 8 >= MinRsaBits ? null : $"an RSA key has `n`, of {MinRsaBits} bits or more, and `e`",
            "EC" => IsPoint(key) ? null : "an EC key has `crv` (P-256, P-384, P-521) and a point on it, `x` and `y`",
            var other => $"the type `{other}` is not for verifying: RSA or EC is",
        };
    }

    private static bool IsPoint(JsonElement key)
    {
        if (Text(key, "crv") is not { } name || !Curves.TryGetValue(name, out var curve) || Number(key, "x") is not { } x || Number(key, "y") is not { } y)
        {
            return false;
        }

        try
        {
            using var ecdsa = ECDsa.Create(new ECParameters { Curve = curve, Q = new ECPoint { X = x, Y = y } });
            return true;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    private static string? Text(JsonElement key, string name) => key.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static byte[]? Number(JsonElement key, string name) => Text(key, name) is { } text && Base64Url.IsValid(text) ? Base64Url.DecodeFromChars(text) : null;
}
