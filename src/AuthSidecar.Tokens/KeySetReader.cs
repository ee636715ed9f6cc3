using System.Collections.Frozen;
using System.Text.Json;
using AuthSidecar.Cedar;

namespace AuthSidecar.Tokens;

/// <summary>Reads a JWK Set (RFC 7517, section 5), strictly: every key id once, public signing keys only.</summary>
internal static class KeySetReader
{
    private const int MaxKeys = 64;

    private static readonly JsonDocumentOptions StrictJson = new() { AllowDuplicateProperties = false, MaxDepth = 8 };

    /// <summary>Reads one that is given to us, and to nobody else: what cannot be used in it is a mistake.</summary>
    public static FrozenDictionary<string, VerificationKey> Read(string name, byte[] utf8, List<Fault> faults) => Read(name, utf8, skipsUnusable: false, faults);

    /// <summary>Reads one that is published for everybody, in which keys that we cannot use are nobody's mistake; but one has to be there that we can.</summary>
    public static FrozenDictionary<string, VerificationKey> ReadUsable(string name, byte[] utf8, List<Fault> faults) => Read(name, utf8, skipsUnusable: true, faults);

    private static FrozenDictionary<string, VerificationKey> Read(string name, byte[] utf8, bool skipsUnusable, List<Fault> faults)
    {
        var keys = new Dictionary<string, VerificationKey>(StringComparer.Ordinal);
        try
        {
            using var document = JsonDocument.Parse(utf8, StrictJson);
            if (document.RootElement.ValueKind != JsonValueKind.Object
                || !document.RootElement.TryGetProperty("keys", out var array)
                || array.ValueKind != JsonValueKind.Array
                || array.GetArrayLength() > MaxKeys)
            {
                Fail($"a key set is an object with an array `keys` of at most {MaxKeys}");
                return keys.ToFrozenDictionary();
            }

            foreach (var (index, jwk) in array.EnumerateArray().Index())
            {
                AddKey(index, jwk);
            }

            if (keys.Count == 0 && faults.Count == 0)
            {
                Fail("the key set has no key for verifying signatures");
            }
        }
        catch (InvalidOperationException)
        {
            Fail("a name or string is not valid Unicode");
        }
        catch (JsonException e)
        {
            faults.Add(new Fault(name, (int)(e.LineNumber ?? 0) + 1, (int)(e.BytePositionInLine ?? 0) + 1, "this is not JSON, or has a member twice"));
        }

        return keys.ToFrozenDictionary(StringComparer.Ordinal);

        void AddKey(int index, JsonElement jwk)
        {
            var key = VerificationKey.TryRead(jwk, algorithm: null, out var fault);
            if (fault is not null)
            {
                if (!skipsUnusable)
                {
                    Fail($"key {index}: {fault}");
                }
            }
            else if (key is null)
            {
                // A key for something else than verifying, such as encryption.
            }
            else if (skipsUnusable && key.KeyId.Length == 0)
            {
                // Nobody can name it.
            }
            else if (!CompactJws.IsKeyId(key.KeyId))
            {
                Fail($"key {index}: a key has a `kid` of 1 to 128 printable ASCII characters");
            }
            else if (!keys.TryAdd(key.KeyId, key))
            {
                Fail($"key {index}: the `kid` `{key.KeyId}` occurs twice");
            }
        }

        void Fail(string message) => faults.Add(new Fault(name, 0, 0, message));
    }
}
