using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Unicode;

namespace AuthSidecar.Tokens;

/// <summary>Objects in JSON that every parser reads alike (RFC 7493), which is what headers and claims are to be.</summary>
internal static class StrictJson
{
    private const int MaxDepth = 8;

    private const int MaxCompared = 32;

    private static readonly JsonDocumentOptions Options = new()
    {
        AllowTrailingCommas = false,
        CommentHandling = JsonCommentHandling.Disallow,
        // A little deeper than we accept, and no more: the parser takes a time for deep text that grows with the square of its depth.
        MaxDepth = 2 * MaxDepth,
    };

    // Duplicate members are where parsers disagree, and an attacker chooses between two readings: RFC 7515, section 4, lets us refuse them.
    private static readonly JsonDocumentOptions WithoutDuplicates = Options with { AllowDuplicateProperties = false };

    /// <summary>Parses an object, or says what is wrong with it.</summary>
    public static TokenRejection TryParseObject(byte[] utf8, out JsonDocument? document)
    {
        document = null;
        JsonDocument? parsed = null;
        try
        {
            parsed = JsonDocument.Parse(utf8, Options);
            // Where nothing is escaped, text that is Unicode has strings that are.
            var isUnicode = !utf8.AsSpan().Contains((byte)'\\') && Utf8.IsValid(utf8);
            var mayHaveDuplicates = false;
            var error = parsed.RootElement.ValueKind == JsonValueKind.Object
                ? Check(parsed.RootElement, 1, isUnicode, ref mayHaveDuplicates) : TokenRejection.Malformed;
            if (mayHaveDuplicates)
                JsonDocument.Parse(utf8, WithoutDuplicates).Dispose();

            if (error == TokenRejection.None)
                (document, parsed) = (parsed, null);

            return error;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Not JSON, too deep, a member twice, or (the second kind) an escaped lone surrogate in a name or string.
            return IsJson(utf8, out var depth) && depth > MaxDepth ? TokenRejection.TooLarge : TokenRejection.Malformed;
        }
        finally
        {
            parsed?.Dispose();
        }
    }

    /// <summary>What the parser lets pass and a reader stumbles over: depth, strings that are not Unicode, numbers that are not finite (RFC
    /// 7493).</summary>
    private static TokenRejection Check(JsonElement element, int depth, bool isUnicode, ref bool mayHaveDuplicates)
    {
        if (depth > MaxDepth && element.ValueKind is (JsonValueKind.Array or JsonValueKind.Object))
            return TokenRejection.TooLarge;

        switch (element.ValueKind)
        {
            case JsonValueKind.String: return !isUnicode && element.GetString() is null ? TokenRejection.Malformed : TokenRejection.None;
            case JsonValueKind.Number:
                return element.TryGetDouble(out var number) && double.IsFinite(number) ? TokenRejection.None : TokenRejection.Malformed;
            case JsonValueKind.Array:
                foreach (var item in element.EnumerateArray())
                {
                    if (Check(item, depth + 1, isUnicode, ref mayHaveDuplicates) is var error and not TokenRejection.None)
                        return error;
                }

                return TokenRejection.None;
            case JsonValueKind.Object: return CheckObject(element, depth, isUnicode, ref mayHaveDuplicates);
            default: return TokenRejection.None;
        }
    }

    /// <param name="mayHaveDuplicates">Set where it has a member twice, and now and then where it has not: members are told apart by hashes
    /// of their names here, and by the names where that is not enough.</param>
    private static TokenRejection CheckObject(JsonElement element, int depth, bool isUnicode, ref bool mayHaveDuplicates)
    {
        Span<ulong> names = stackalloc ulong[MaxCompared];
        var count = 0;
        mayHaveDuplicates |= !isUnicode;
        foreach (var member in element.EnumerateObject())
        {
            var name = JsonMarshal.GetRawUtf8PropertyName(member);
            if (name.IsEmpty || (!isUnicode && member.Name.Length == 0))
                return TokenRejection.Malformed;

            if (!mayHaveDuplicates)
            {
                var hash = HashOf(name);
                mayHaveDuplicates = count == MaxCompared || names[..count].Contains(hash);
                if (!mayHaveDuplicates)
                    names[count++] = hash;
            }

            if (Check(member.Value, depth + 1, isUnicode, ref mayHaveDuplicates) is var error and not TokenRejection.None)
                return error;
        }

        return TokenRejection.None;
    }

    /// <summary>Whether a text is JSON at all, of whatever depth.</summary>
    private static bool IsJson(ReadOnlySpan<byte> utf8, out int depth)
    {
        depth = 0;
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = int.MaxValue });
        try
        {
            while (reader.Read())
                depth = Math.Max(depth, reader.CurrentDepth);

            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static ulong HashOf(ReadOnlySpan<byte> name)
    {
        var hash = (ulong)name.Length;
        for (; name.Length >= sizeof(ulong); name = name[sizeof(ulong)..])
            hash = (hash ^ BinaryPrimitives.ReadUInt64LittleEndian(name)) * 0x9e3779b97f4a7c15;

        var rest = 0ul;
        foreach (var b in name)
            rest = (rest << 8) | b;

        return (hash ^ (hash >> 32) ^ rest) * 0x9e3779b97f4a7c15;
    }
}
