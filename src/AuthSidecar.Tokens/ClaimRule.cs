namespace AuthSidecar.Tokens;

/// <summary>A claim that a token must have, and the values that it may have.</summary>
/// <param name="Path">The claim.</param>
/// <param name="Values">Its allowed values: strings, Booleans, whole numbers; empty: any that says something.</param>
internal sealed record ClaimRule(ClaimPath Path, IReadOnlyList<ClaimValue> Values)
{
    public TokenRejection Check(JsonElement claims)
    {
        switch (Path.Find(claims, out var claim))
        {
            case ClaimLookup.Absent: return TokenRejection.ClaimMissing;
            case ClaimLookup.Unusable: return TokenRejection.ClaimMalformed;
        }

        if (IsEmpty(claim))
            return TokenRejection.ClaimMissing;

        if (Values.Count == 0)
            return TokenRejection.None;

        var isOfType = false;
        foreach (var value in Values)
        {
            if (value.Equals(claim))
                return TokenRejection.None;

            isOfType |= value.IsOfType(claim);
        }

        return isOfType ? TokenRejection.ClaimNotAllowed : TokenRejection.ClaimMalformed;
    }

    private static bool IsEmpty(JsonElement claim) => claim.ValueKind switch
    {
        JsonValueKind.Null => true,
        JsonValueKind.String => claim.ValueEquals(""u8),
        JsonValueKind.Array => claim.GetArrayLength() == 0,
        JsonValueKind.Object => claim.GetPropertyCount() == 0,
        _ => false,
    };
}

/// <summary>A value that a claim can be held against: a string, a Boolean or a whole number. Compared exactly.</summary>
internal readonly record struct ClaimValue
{
    private readonly string? _text;
    private readonly long _number;
    private readonly JsonValueKind _kind;

    private ClaimValue(JsonValueKind kind, string? text, long number) => (_kind, _text, _number) = (kind, text, number);

    public static ClaimValue Of(string text) => new(JsonValueKind.String, text, 0);

    /// <summary>The value of a JSON element; null: nothing that can be compared.</summary>
    public static ClaimValue? TryRead(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String => Of(element.GetString()!),
        JsonValueKind.True or JsonValueKind.False => new ClaimValue(element.ValueKind, null, 0),
        JsonValueKind.Number when element.TryGetInt64(out var number) => new ClaimValue(JsonValueKind.Number, null, number),
        _ => null,
    };

    public bool IsOfType(JsonElement element) =>
        element.ValueKind == _kind || (element.ValueKind, _kind) is (JsonValueKind.True, JsonValueKind.False)
            or (JsonValueKind.False, JsonValueKind.True);

    public bool Equals(JsonElement element) => element.ValueKind == _kind && _kind switch
    {
        JsonValueKind.String => element.ValueEquals(_text),
        JsonValueKind.Number => element.TryGetInt64(out var number) && number == _number,
        _ => true,
    };

    public bool IsString => _kind == JsonValueKind.String;
    public bool IsText(string text) => _kind == JsonValueKind.String && _text == text;

    public override string ToString() =>
        _text ?? (_kind == JsonValueKind.Number ? $"{_number}" : _kind == JsonValueKind.True ? "true" : "false");
}
