using System.Collections.Frozen;
using AuthSidecar.Cedar;

namespace AuthSidecar.Tokens;

/// <summary>Reads a JWK Set (RFC 7517, section 5), strictly: every key id once, public signing keys only.</summary>
internal static class KeySetReader
{
    private const int MaxKeys = 64;

    private static readonly JsonDocumentOptions StrictJson = new() { AllowDuplicateProperties = false, MaxDepth = 8 };

    /// <summary>Reads one that is given to us, and to nobody else: what cannot be used in it is a mistake.</summary>
    public static FrozenDictionary<string, VerificationKey> Read(string name, byte[] utf8, List<Fault> faults)
    {
        var keys = new Dictionary<string, VerificationKey>(StringComparer.Ordinal);
        Read(name, utf8, faults, (at, jwk) =>
        {
            var key = VerificationKey.TryRead(jwk, algorithm: null, out var fault);
            if (fault is not null)
            {
                faults.Add(at with { Message = $"{at.Message}: {fault}" });
            }
            else if (key is null)
            {
                // A key for something else than verifying, such as encryption.
            }
            else if (!CompactJws.IsKeyId(key.KeyId))
            {
                faults.Add(at with { Message = $"{at.Message}: invalid `kid`: expected 1 to 128 printable ASCII characters" });
            }
            else if (!keys.TryAdd(key.KeyId, key))
            {
                faults.Add(at with { Message = $"{at.Message}: the `kid` `{key.KeyId}` occurs twice" });
            }
        });
        if (keys.Count == 0 && faults.Count == 0)
            faults.Add(new Fault(name, 0, 0, "no signature verification key in the key set"));

        return keys.ToFrozenDictionary(StringComparer.Ordinal);
    }

    /// <summary>Reads one that is published for everybody (RFC 7517, section 5): keys that cannot be used are passed over, and what remains
    /// is what the issuer has. So a key that is not in it any more is gone, whatever else is in it.</summary>
    /// <param name="name">Where it is from.</param>
    /// <param name="utf8">The key set.</param>
    /// <param name="faults">Why it is no key set; then it says nothing.</param>
    /// <param name="passedOver">The keys that were passed over, and why.</param>
    public static FrozenDictionary<string, VerificationKey> ReadPublished(
        string name, byte[] utf8, List<Fault> faults, List<Fault> passedOver)
    {
        var keys = new Dictionary<string, VerificationKey>(StringComparer.Ordinal);
        var ambiguous = new HashSet<string>(StringComparer.Ordinal);
        Read(name, utf8, faults, (at, jwk) =>
        {
            var key = VerificationKey.TryRead(jwk, algorithm: null, out var fault);
            if (fault is not null)
            {
                passedOver.Add(at with { Message = $"{at.Message}: {fault}" });
            }
            else if (key is null)
            {
                // A key for something else than verifying, such as encryption.
            }
            else if (!CompactJws.IsKeyId(key.KeyId))
            {
                passedOver.Add(at with { Message = $"{at.Message}: invalid `kid`: expected 1 to 128 printable ASCII characters" });
            }
            else if (!keys.TryAdd(key.KeyId, key)
                && (keys[key.KeyId].Thumbprint, keys[key.KeyId].Algorithm) != (key.Thumbprint, key.Algorithm))
            {
                // Either could be meant, and so neither counts. The same key again is the same key.
                ambiguous.Add(key.KeyId);
                passedOver.Add(at with { Message = $"{at.Message}: duplicate `kid` `{key.KeyId}`: neither key is used" });
            }
        });
        return keys.Where(k => !ambiguous.Contains(k.Key)).ToFrozenDictionary(StringComparer.Ordinal);
    }

    private static void Read(string name, byte[] utf8, List<Fault> faults, Action<Fault, JsonElement> addKey)
    {
        try
        {
            using var document = JsonDocument.Parse(utf8, StrictJson);
            if (document.RootElement.ValueKind != JsonValueKind.Object
                || !document.RootElement.TryGetProperty("keys", out var array)
                || array.ValueKind != JsonValueKind.Array
                || array.GetArrayLength() > MaxKeys)
            {
                faults.Add(new Fault(name, 0, 0, $"invalid key set: expected an object with an array `keys` of at most {MaxKeys}"));
                return;
            }

            foreach (var (index, jwk) in array.EnumerateArray().Index())
                addKey(new Fault(name, 0, 0, $"key {index}"), jwk);
        }
        catch (InvalidOperationException)
        {
            faults.Add(new Fault(name, 0, 0, "invalid Unicode in a name or string"));
        }
        catch (JsonException e)
        {
            faults.Add(
                new Fault(name, (int)(e.LineNumber ?? 0) + 1, (int)(e.BytePositionInLine ?? 0) + 1, "invalid JSON, or a duplicate member"));
        }
    }
}
