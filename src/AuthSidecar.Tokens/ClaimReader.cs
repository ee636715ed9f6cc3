using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace AuthSidecar.Tokens;

/// <summary>Reads the claims we rely on, each of one form and no other. A claim that is null is absent where it is optional: serializers
/// write nulls for what they have no value for.</summary>
internal ref struct ClaimReader
{
    private const int MaxAudiences = 256;
    private const int MaxListItems = 1024;

    // 9999-12-31T23:59:59Z: beyond it, and the arithmetic with skews could overflow or wrap.
    private const long LastSecond = 253_402_300_799;

    private readonly JsonElement _claims;
    private readonly KnownClaims _known;

    /// <param name="claims">An object that <see cref="StrictJson"/> has read.</param>
    public ClaimReader(JsonElement claims)
    {
        _claims = claims;
        foreach (var member in claims.EnumerateObject())
        {
            var name = JsonMarshal.GetRawUtf8PropertyName(member);
            if ((name.Contains((byte)'\\') ? ClaimNames.Find(Encoding.UTF8.GetBytes(member.Name)) : ClaimNames.Find(name)) is { } claim)
                _known[(int)claim] = member.Value;
        }
    }

    /// <summary>The first claim that was missing or malformed.</summary>
    public TokenRejection Error { get; private set; } = TokenRejection.None;

    public string? FaultyClaim { get; private set; }
    public readonly JsonElement Claims => _claims;

    /// <summary>Whether there is one that is not null.</summary>
    public readonly bool Has(Claim claim) => _known[(int)claim].ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null);

    public readonly bool IsString(Claim claim) => _known[(int)claim].ValueKind == JsonValueKind.String;
    public string RequiredString(Claim claim) => Text(claim.Name, _known[(int)claim]) ?? Fail(TokenRejection.ClaimMissing, claim.Name, "");
    public string? OptionalString(Claim claim) => Has(claim) ? OptionalText(claim.Name, _known[(int)claim]) : null;
    public long RequiredTime(Claim claim) => Time(claim.Name, _known[(int)claim]) ?? Fail(TokenRejection.ClaimMissing, claim.Name, 0L);
    public long? OptionalTime(Claim claim) => Has(claim) ? Time(claim.Name, _known[(int)claim]) : null;

    /// <summary>The same of a time from which something counts: what is left of its last second is not over yet.</summary>
    public long? OptionalStart(Claim claim) => Has(claim) ? Time(claim.Name, _known[(int)claim], isStart: true) : null;

    public string RequiredString(string name) => Text(name, Find(name)) ?? Fail(TokenRejection.ClaimMissing, name, "");
    public long RequiredTime(string name) => Time(name, Find(name)) ?? Fail(TokenRejection.ClaimMissing, name, 0L);

    /// <summary>The subject, from the claim that the issuer has it in.</summary>
    public string RequiredString(ClaimPath path) => Find(path, out var element) switch
    {
        ClaimLookup.Found => Text(path.Text, element) ?? "",
        ClaimLookup.Absent => Fail(TokenRejection.ClaimMissing, path.Text, ""),
        _ => Fail(TokenRejection.ClaimMalformed, path.Text, ""),
    };

    /// <summary>A claim that takes the place of another.</summary>
    public string? OptionalString(ClaimPath path) => Find(path, out var element) switch
    {
        ClaimLookup.Found => element.ValueKind == JsonValueKind.Null ? null : OptionalText(path.Text, element),
        ClaimLookup.Absent => null,
        _ => Fail(TokenRejection.ClaimMalformed, path.Text, ""),
    };

    /// <summary><c>aud</c>: a string, or an array of strings. Where there is none, what stands in for it.</summary>
    /// <param name="substitute">The claim that names the audience in tokens without <c>aud</c>; null: none.</param>
    public string[] RequiredAudiences(ClaimPath? substitute)
    {
        var claim = _known[(int)Claim.Audience];
        if (substitute is not null && (claim.ValueKind is JsonValueKind.Undefined or JsonValueKind.Null || IsEmptyArray(claim)))
        {
            return Find(substitute, out claim) switch
            {
                ClaimLookup.Found => Audiences(substitute.Text, claim),
                ClaimLookup.Absent => Fail<string[]>(TokenRejection.ClaimMissing, substitute.Text, []),
                _ => Fail<string[]>(TokenRejection.ClaimMalformed, substitute.Text, []),
            };
        }

        return claim.ValueKind == JsonValueKind.Undefined ? Fail<string[]>(TokenRejection.ClaimMissing, Claim.Audience.Name, [])
            : Audiences(Claim.Audience.Name, claim);
    }

    public string[] OptionalStrings(Claim claim) => Has(claim) ? Strings(claim.Name, _known[(int)claim], MaxListItems) : [];

    /// <summary><c>scope</c>: words with single spaces between them (RFC 8693, section 4.2); some issuers send an array, as <c>scp</c>
    /// too.</summary>
    public string[] OptionalScopes()
    {
        var name = Has(Claim.Scope) ? Claim.Scope : Claim.Scp;
        var claim = _known[(int)name];
        return !Has(name) ? []
            : claim.ValueKind == JsonValueKind.Array ? Strings(name.Name, claim, MaxListItems)
            : claim.ValueKind == JsonValueKind.String ? claim.GetString()!.Split(' ', StringSplitOptions.RemoveEmptyEntries)
            : Fail<string[]>(TokenRejection.ClaimMalformed, name.Name, []);
    }

    /// <summary><c>cnf</c> (RFC 7800). A confirmation that we do not know leaves the token bound, and so not acceptable; null is one of
    /// them.</summary>
    public (bool IsBound, bool HasUnknown, string? KeyThumbprint, string? CertificateThumbprint) OptionalConfirmation()
    {
        var cnf = _known[(int)Claim.Confirmation];
        if (cnf.ValueKind == JsonValueKind.Undefined)
            return default;

        if (cnf.ValueKind != JsonValueKind.Object)
            return Fail(TokenRejection.ClaimMalformed, Claim.Confirmation.Name, (true, true, (string?)null, (string?)null));

        var hasUnknown = cnf.EnumerateObject().Any(c => c.Name is not ("jkt" or "x5t#S256"));
        return (true, hasUnknown, Thumbprint(cnf, "jkt"), Thumbprint(cnf, "x5t#S256"));
    }

    /// <summary>Records that a claim is not as it must be; the first one counts.</summary>
    public void Fail(TokenRejection error, string claim) => Fail(error, claim, 0);

    private readonly JsonElement Find(string name) => _claims.TryGetProperty(name, out var claim) ? claim : default;

    private readonly ClaimLookup Find(ClaimPath path, out JsonElement element) => path.Find(_claims, out element);

    private static bool IsEmptyArray(JsonElement claim) => claim.ValueKind == JsonValueKind.Array && claim.GetArrayLength() == 0;

    private string[] Audiences(string name, JsonElement claim) =>
        claim.ValueKind == JsonValueKind.String ? [Text(name, claim) ?? ""] : Strings(name, claim, MaxAudiences);

    private string? Text(string name, JsonElement claim) => claim.ValueKind switch
    {
        JsonValueKind.Undefined => null,
        JsonValueKind.String when claim.GetString() is { Length: > 0 } text => text,
        _ => Fail(TokenRejection.ClaimMalformed, name, ""),
    };

    /// <summary>An empty string of an optional claim says as little as null.</summary>
    private string? OptionalText(string name, JsonElement claim) =>
        claim.ValueKind == JsonValueKind.String ? claim.GetString() is { Length: > 0 } text ? text : null
            : Fail(TokenRejection.ClaimMalformed, name, "");

    /// <summary>NumericDate (RFC 7519, section 2): any number of seconds, also with a fraction or an exponent. Never a string. The fraction
    /// is cut off to the strict side.</summary>
    private long? Time(string name, JsonElement claim, bool isStart = false)
    {
        if (claim.ValueKind == JsonValueKind.Undefined)
            return null;

        if (claim.ValueKind != JsonValueKind.Number)
            return Fail(TokenRejection.ClaimMalformed, name, 0L);

        if (claim.TryGetInt64(out var seconds))
            return seconds is >= 0 and <= LastSecond ? seconds : Fail(TokenRejection.ClaimMalformed, name, 0L);

        // A decimal holds every such second exactly, with more places behind the point than any clock has.
        if (!claim.TryGetDecimal(out var exact) || exact < 0 || exact > LastSecond)
            return Fail(TokenRejection.ClaimMalformed, name, 0L);

        return (long)(isStart ? decimal.Ceiling(exact) : decimal.Floor(exact));
    }

    private string? Thumbprint(JsonElement cnf, string name)
    {
        if (!cnf.TryGetProperty(name, out var member))
            return null;

        return member.ValueKind == JsonValueKind.String && CompactJws.TryDecode(member.GetString(), out var bytes) && bytes.Length == 32
            ? member.GetString()
            : Fail(TokenRejection.ClaimMalformed, Claim.Confirmation.Name, "");
    }

    private string[] Strings(string name, JsonElement claim, int most)
    {
        if (claim.ValueKind != JsonValueKind.Array || claim.GetArrayLength() is var length && length > most)
            return Fail<string[]>(TokenRejection.ClaimMalformed, name, []);

        var (strings, next) = (new string[length], 0);
        foreach (var item in claim.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.String)
                return Fail<string[]>(TokenRejection.ClaimMalformed, name, []);

            strings[next++] = item.GetString()!;
        }

        return strings;
    }

    private T Fail<T>(TokenRejection error, string name, T standIn)
    {
        if (Error == TokenRejection.None)
            (Error, FaultyClaim) = (error, name);

        return standIn;
    }

    [InlineArray(24)]
    private struct KnownClaims
    {
        private JsonElement _first;
    }
}
