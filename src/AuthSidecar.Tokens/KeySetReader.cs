using AuthSidecar.Cedar;

namespace AuthSidecar.Tokens;

/// <summary>Reads a JWK Set (RFC 7517, section 5), by one rule for files and URLs: entries that cannot be used are ignored and reported,
/// and what remains is what the issuer has. So a key that is not in it any more is gone, whatever else is in it.</summary>
internal static class KeySetReader
{
    private const int MaxKeys = 256;
    private const int MaxKeyBytes = 64 * 1024;

    /// <summary>Reads one that an issuer publishes.</summary>
    /// <param name="name">Where it is from.</param>
    /// <param name="utf8">The key set.</param>
    /// <param name="rules">Which keys count.</param>
    /// <param name="faults">Gets why the text is not a key set; the result is then empty.</param>
    public static KeySet Read(string name, byte[] utf8, KeySetRules rules, List<Fault> faults) =>
        Read(name, utf8, rules, faults, secretFaults: null);

    /// <summary>Reads one that is copied to every sidecar: what must not be in it is a fault, and so is one without any key.</summary>
    public static KeySet ReadFile(string name, byte[] utf8, KeySetRules rules, List<Fault> faults)
    {
        var before = faults.Count;
        var keys = Read(name, utf8, rules, faults, secretFaults: faults);
        if (faults.Count == before && HasSecretMember(utf8))
            faults.Add(new Fault(name, 0, 0, "a private or symmetric key is in the file: a key set holds public keys only"));

        if (keys.Count == 0 && faults.Count == before)
        {
            faults.Add(keys.Ignored is [var first, ..] ? first with { Message = $"no usable key in the key set: {first.Message}" }
                : new Fault(name, 0, 0, rules.Use is { } use ? $"no key with `use` `{use}` in the key set"
                    : "no signature verification key in the key set"));
        }

        return keys;
    }

    /// <summary>Reads one that was made for us alone: whatever cannot be used in it is a mistake.</summary>
    public static KeySet ReadOwn(string name, byte[] utf8, List<Fault> faults)
    {
        var keys = ReadFile(name, utf8, KeySetRules.Default, faults);
        if (keys.Count > 0)
            faults.AddRange(keys.Ignored);

        foreach (var key in keys.All.Where(k => k.Name.KeyId is null))
            faults.Add(new Fault(name, 0, 0, "a key has no `kid`"));

        return keys;
    }

    private static KeySet Read(string name, byte[] utf8, KeySetRules rules, List<Fault> faults, List<Fault>? secretFaults)
    {
        var keys = new Dictionary<(string Id, string Algorithm), VerificationKey>();
        var (ambiguous, ignored) = (new HashSet<(string Id, string Algorithm)>(), new List<Fault>());
        foreach (var (index, entry) in Entries(name, utf8, faults).Index())
        {
            var at = new Fault(name, 0, 0, $"key {index}");
            if (index >= MaxKeys)
            {
                ignored.Add(at with { Message = $"key {index} and later: more than {MaxKeys} keys" });
                break;
            }

            var key = ReadKey(entry, rules, out var fault, out var isSecret);
            if (fault is not null)
            {
                (isSecret && secretFaults is not null ? secretFaults : ignored).Add(at with { Message = $"{at.Message}: {fault}" });
                continue;
            }

            // Without a fault and a key: one for something else than verifying, such as encryption.
            if (key is not null && !keys.TryAdd((key.KeyId, key.Algorithm), key)
                && keys[(key.KeyId, key.Algorithm)].Thumbprint != key.Thumbprint)
            {
                // Either could be meant, and so neither counts. The same key again is the same key.
                ambiguous.Add((key.KeyId, key.Algorithm));
                var message = $"duplicate `kid` `{ForeignText.Show(key.KeyId)}` for {key.Algorithm}: none of these keys is used";
                ignored.Add(at with { Message = $"{at.Message}: {message}" });
            }
        }

        return new KeySet(keys.Where(k => !ambiguous.Contains(k.Key)).Select(k => k.Value), ignored);
    }

    private static VerificationKey? ReadKey(byte[] entry, KeySetRules rules, out string? fault, out bool isSecret)
    {
        isSecret = false;
        if (entry.Length > MaxKeyBytes)
        {
            fault = $"larger than {MaxKeyBytes / 1024} KiB";
            return null;
        }

        var error = StrictJson.TryParseObject(entry, out var parsed);
        if (error != TokenRejection.None)
        {
            fault = error == TokenRejection.TooLarge ? "nested too deeply"
                : "expected an object, with no member twice and valid Unicode";
            return null;
        }

        using var json = parsed!;
        isSecret = JwkReader.FindSecret(json.RootElement) is not null;
        return JwkReader.TryRead(json.RootElement, rules, out fault);
    }

    /// <summary>The entries of a key set, each as it stands. By the reader, and not as a document: what is in one entry, however deep,
    /// costs no more than to read over it.</summary>
    private static List<byte[]> Entries(string name, byte[] utf8, List<Fault> faults)
    {
        var entries = new List<byte[]>();
        var isFound = false;
        try
        {
            var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = int.MaxValue });
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
                return Refuse();

            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                var isKeys = reader.ValueTextEquals("keys"u8);
                reader.Read();
                if (!isKeys)
                {
                    reader.Skip();
                    continue;
                }

                if (isFound || reader.TokenType != JsonTokenType.StartArray)
                    return Refuse();

                isFound = true;
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    var begin = (int)reader.TokenStartIndex;
                    reader.Skip();
                    if (entries.Count <= MaxKeys)
                        entries.Add(utf8[begin..(int)reader.BytesConsumed]);
                }
            }

            // What is after it must be white space.
            while (reader.Read())
            {
            }

            return isFound ? entries : Refuse();
        }
        catch (JsonException e)
        {
            faults.Add(new Fault(name, (int)(e.LineNumber ?? 0) + 1, (int)(e.BytePositionInLine ?? 0) + 1, Describe(utf8)));
            return [];
        }
        catch (InvalidOperationException)
        {
            faults.Add(new Fault(name, 0, 0, "invalid Unicode in a name"));
            return [];
        }

        List<byte[]> Refuse()
        {
            faults.Add(new Fault(name, 0, 0, "invalid key set: expected an object with an array `keys`"));
            return [];
        }
    }

    /// <summary>What is most often in the place of a key set.</summary>
    private static string Describe(ReadOnlySpan<byte> utf8) =>
        utf8.Trim(" \t\r\n"u8).IsEmpty ? "the key set is empty"
        : utf8.TrimStart(" \t\r\n"u8) is [(byte)'<', ..] ? "this is HTML or XML, not a key set"
        : utf8.IndexOf("-----BEGIN"u8) >= 0 ? "this is PEM: a key set is JSON (RFC 7517)"
        : utf8 is [0xff, 0xfe, ..] or [0xfe, 0xff, ..] ? "this is UTF-16: a key set is UTF-8"
        : "invalid JSON";

    /// <summary>Whether a file has a member of a private or symmetric key anywhere, also where no key is read.</summary>
    public static bool HasSecretMember(byte[] utf8)
    {
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = int.MaxValue });
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType == JsonTokenType.PropertyName && JwkReader.IsPrivateMember(reader.GetString()!))
                    return true;
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Reported by the reader of the keys.
        }

        return false;
    }
}
