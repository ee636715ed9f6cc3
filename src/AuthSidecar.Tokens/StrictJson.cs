using System.Text.Unicode;

namespace AuthSidecar.Tokens;

/// <summary>Objects in JSON that every parser reads alike (RFC 7493), which is what headers and claims are to be.</summary>
internal static class StrictJson
{
    private const int MaxDepth = 8;

    // Duplicate members are where parsers disagree, and an attacker chooses between two readings: RFC 7515, section 4, lets us refuse them.
    private static readonly JsonDocumentOptions Options = new()
    {
        AllowDuplicateProperties = false,
        AllowTrailingCommas = false,
        CommentHandling = JsonCommentHandling.Disallow,
        // Deeper than we accept, so that too deep can be told from malformed; and no text that fits into a token is deeper.
        MaxDepth = TokenLimits.LargestMaxBytes,
    };

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
            var error = parsed.RootElement.ValueKind == JsonValueKind.Object ? Check(parsed.RootElement, 1, isUnicode)
                : TokenRejection.Malformed;
            if (error == TokenRejection.None)
                (document, parsed) = (parsed, null);

            return error;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Not JSON, a member twice, or (the second kind) an escaped lone surrogate in a name or string.
            return TokenRejection.Malformed;
        }
        finally
        {
            parsed?.Dispose();
        }
    }

    /// <summary>What the parser lets pass and a reader stumbles over: depth, strings that are not Unicode, numbers that are not finite (RFC
    /// 7493).</summary>
    private static TokenRejection Check(JsonElement element, int depth, bool isUnicode)
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
                    if (Check(item, depth + 1, isUnicode) is var error and not TokenRejection.None)
                        return error;
                }

                return TokenRejection.None;
            case JsonValueKind.Object:
                foreach (var member in element.EnumerateObject())
                {
                    if (isUnicode ? member.NameEquals(""u8) : member.Name.Length == 0)
                        return TokenRejection.Malformed;

                    if (Check(member.Value, depth + 1, isUnicode) is var error and not TokenRejection.None)
                        return error;
                }

                return TokenRejection.None;
            default: return TokenRejection.None;
        }
    }
}
