using System.Buffers;

namespace AuthSidecar.Tokens;

/// <summary>Reads the claims we rely on (RFC 7519, section 4.1; RFC 9068), each of one form and no other.</summary>
internal ref struct ClaimReader(JsonElement claims)
{
    private const int MaxAudiences = 16;
    private const int MaxListItems = 128;

    // 9999-12-31T23:59:59Z: beyond it, and the arithmetic with skews could overflow or wrap.
    private const long LastSecond = 253_402_300_799;

    private static readonly SearchValues<char> ListSeparators = SearchValues.Create(" \t\r\n,;");

    private readonly JsonElement _claims = claims;

    /// <summary>The first claim that was missing or malformed.</summary>
    public TokenRejection Error { get; private set; } = TokenRejection.None;

    public string? FaultyClaim { get; private set; }
    public string RequiredString(string name) => OptionalString(name) ?? Fail(TokenRejection.ClaimMissing, name, "");

    public string? OptionalString(string name)
    {
        if (!_claims.TryGetProperty(name, out var claim))
            return null;

        return claim.ValueKind == JsonValueKind.String && claim.GetString() is { Length: > 0 } text
            ? text
            : Fail(TokenRejection.ClaimMalformed, name, "");
    }

    public long RequiredTime(string name) => OptionalTime(name) ?? Fail(TokenRejection.ClaimMissing, name, 0L);

    /// <summary>NumericDate (RFC 7519, section 2): here a whole number, not a string, no exponent, no fraction.</summary>
    public long? OptionalTime(string name)
    {
        if (!_claims.TryGetProperty(name, out var claim))
            return null;

        return claim.ValueKind == JsonValueKind.Number && claim.TryGetInt64(out var seconds) && seconds is >= 0 and <= LastSecond
            ? seconds
            : Fail(TokenRejection.ClaimMalformed, name, 0L);
    }

    /// <summary><c>aud</c>: a string, or an array of strings.</summary>
    public string[] RequiredAudiences()
    {
        if (!_claims.TryGetProperty("aud", out var claim))
            return Fail<string[]>(TokenRejection.ClaimMissing, "aud", []);

        return claim.ValueKind == JsonValueKind.String ? [RequiredString("aud")] : Strings("aud", claim, MaxAudiences);
    }

    public string[] OptionalStrings(string name) => _claims.TryGetProperty(name, out var claim) ? Strings(name, claim, MaxListItems) : [];

    /// <summary><c>scope</c>: words with single spaces between them (RFC 8693, section 4.2); some issuers send an array, as <c>scp</c>
    /// too.</summary>
    public string[] OptionalScopes()
    {
        var name = _claims.TryGetProperty("scope", out _) ? "scope" : "scp";
        return !_claims.TryGetProperty(name, out var claim) ? []
            : claim.ValueKind == JsonValueKind.Array ? Strings(name, claim, MaxListItems)
            : claim.ValueKind == JsonValueKind.String ? claim.GetString()!.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            : Fail<string[]>(TokenRejection.ClaimMalformed, name, []);
    }

    /// <summary><c>cnf</c> (RFC 7800). A confirmation that we do not know leaves the token bound, and so not acceptable.</summary>
    public (bool IsBound, bool HasUnknown, string? KeyThumbprint, string? CertificateThumbprint) OptionalConfirmation()
    {
        if (!_claims.TryGetProperty("cnf", out var cnf))
            return default;

        if (cnf.ValueKind != JsonValueKind.Object)
            return Fail(TokenRejection.ClaimMalformed, "cnf", (true, true, (string?)null, (string?)null));

        var hasUnknown = cnf.EnumerateObject().Any(c => c.Name is not ("jkt" or "x5t#S256"));
        return (true, hasUnknown, Thumbprint(cnf, "jkt"), Thumbprint(cnf, "x5t#S256"));
    }

    /// <summary>The claims that become attributes and parents of the principal. One that cannot is a fault of the token: passed over, it
    /// would take with it whatever policies forbid by it.</summary>
    public void CheckMapped(PrincipalMapping mapping)
    {
        foreach (var claim in mapping.Required)
        {
            if (!_claims.TryGetProperty(claim, out _))
                Fail(TokenRejection.ClaimMissing, claim, 0);
        }

        foreach (var (_, claim) in mapping.Attributes)
            CheckMapped(claim, IsValue);

        foreach (var (claim, _) in mapping.Parents)
            CheckMapped(claim, IsIds);
    }

    private void CheckMapped(string claim, Func<JsonElement, bool> fits)
    {
        if (_claims.TryGetProperty(claim, out var element) ? !fits(element) : IsElsewhere(claim))
            Fail(TokenRejection.ClaimMalformed, claim, 0);
    }

    /// <summary>Whether the issuer leaves out a claim that there is: a distributed claim (OpenID Connect Core 1.0, section 5.6.2), as
    /// Microsoft Entra ID sends for members of many groups, or in its place `hasgroups`.</summary>
    private bool IsElsewhere(string claim) =>
        (_claims.TryGetProperty("_claim_names", out var names)
            && (names.ValueKind != JsonValueKind.Object || names.TryGetProperty(claim, out _)))
        || (claim == "groups" && _claims.TryGetProperty("hasgroups", out var has) && has.ValueKind != JsonValueKind.False);

    /// <summary>What Cedar has a value for: a string, a Boolean, a whole number of 64 bits, or a set of such.</summary>
    private static bool IsValue(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String or JsonValueKind.True or JsonValueKind.False => true,
        JsonValueKind.Number => element.TryGetInt64(out _),
        JsonValueKind.Array => element.EnumerateArray().All(IsValue),
        _ => false,
    };

    /// <summary>One id, or an array of them. A string that could be a list of several is not one id to be sure of.</summary>
    private static bool IsIds(JsonElement element) => element.ValueKind == JsonValueKind.Array
        ? element.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String)
        : element.ValueKind == JsonValueKind.String && element.GetString()!.AsSpan().IndexOfAny(ListSeparators) < 0;

    private string? Thumbprint(JsonElement cnf, string name)
    {
        if (!cnf.TryGetProperty(name, out var member))
            return null;

        return member.ValueKind == JsonValueKind.String && CompactJws.TryDecode(member.GetString(), out var bytes) && bytes.Length == 32
            ? member.GetString()
            : Fail(TokenRejection.ClaimMalformed, "cnf", "");
    }

    private string[] Strings(string name, JsonElement claim, int most)
    {
        if (claim.ValueKind != JsonValueKind.Array || claim.GetArrayLength() > most)
            return Fail<string[]>(TokenRejection.ClaimMalformed, name, []);

        var strings = new List<string>();
        foreach (var item in claim.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.String)
                return Fail<string[]>(TokenRejection.ClaimMalformed, name, []);

            strings.Add(item.GetString()!);
        }

        return [.. strings];
    }

    private T Fail<T>(TokenRejection error, string name, T standIn)
    {
        if (Error == TokenRejection.None)
            (Error, FaultyClaim) = (error, name);

        return standIn;
    }
}
