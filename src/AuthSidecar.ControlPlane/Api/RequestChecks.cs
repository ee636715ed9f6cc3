using AuthSidecar.Tokens;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Api;

/// <summary>Fields of administrators' requests, held against what they may be.</summary>
internal static class RequestChecks
{
    private const int MaxMessageLength = 1_000;
    private const int MaxTextLength = 512;
    private const int MaxScopeLength = 100;
    private const int DefaultPageSize = 100;
    private const int MaxPageSize = 1_000;

    /// <summary>What <see cref="IsScope"/> expects.</summary>
    public static readonly string ScopeForm =
        $"expected scopes of 1 to {MaxScopeLength} printable ASCII characters, without spaces, quotation marks and backslashes";

    /// <summary>A name of an application or a tenant: it becomes a part of a certificate's URI.</summary>
    public static string Name(string value, string field) =>
        IsName(value)
            ? value
            : throw ApiErrors.InvalidField(field, $"must have {Names.Form}");

    public static bool IsName(string value) => Names.Are(value);
    public static string NameOrEmpty(string value, string field) => value.Length == 0 ? value : Name(value, field);

    public static Placement Placement(string application, string tenant) => new(
        NameOrEmpty(application, "application"), NameOrEmpty(tenant, "tenant"));

    /// <summary>Text that is somebody's name for something, such as an issuer.</summary>
    public static string Text(string value, string field) =>
        value.Length is > 0 and <= MaxTextLength && !value.EnumerateRunes().Any(IsInvisible)
            ? value
            : throw ApiErrors.InvalidField(field, $"must have 1 to {MaxTextLength} characters, without control or formatting characters");

    /// <summary>What nobody sees, and what makes others see something else: U+202E turns the rest of a line around. U+FFFD stands for what
    /// was no UTF-8.</summary>
    public static bool IsInvisible(Rune rune) => rune == Rune.ReplacementChar || Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control
        or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;

    public static string TextOr(string value, string field, string otherwise) => value.Length == 0 ? otherwise : Text(value, field);

    /// <summary>A scope (RFC 6749, section 3.3), which is not long.</summary>
    public static bool IsScope(string value) => value.Length is > 0 and <= MaxScopeLength
        && value.All(c => c is >= '!' and <= '~' and not '"' and not '\\');

    /// <summary>Whether it is an address of a page or a service over TLS, with no secret in it and no part that stays with who
    /// asks.</summary>
    public static bool IsHttps(string value) =>
        Uri.TryCreate(value, UriKind.Absolute, out var uri) && uri.Scheme == Uri.UriSchemeHttps && uri.UserInfo.Length == 0
            && uri.Fragment.Length == 0;

    /// <summary>A message that has to be there.</summary>
    public static T Required<T>(T? value, string field)
        where T : class => value ?? throw ApiErrors.InvalidField(field, "required");

    public static int PageSize(int value) => value switch
    {
        0 => DefaultPageSize,
        > 0 and <= MaxPageSize => value,
        _ => throw ApiErrors.InvalidField("page_size", $"must be 1 to {MaxPageSize}"),
    };

    /// <summary>A JWK Set (RFC 7517, section 5) that sidecars take: read by the reader that they have.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT with every fault.</exception>
    public static void KeySet(string jwks, string field)
    {
        var faults = new List<Fault>();
        foreach (var key in KeySetReader.ReadOwn(field, Encoding.UTF8.GetBytes(jwks), faults).All)
            key.Dispose();

        None(faults);
    }

    /// <exception cref="RpcException">INVALID_ARGUMENT with every fault.</exception>
    public static void None(IReadOnlyList<Fault> faults)
    {
        if (faults.Count > 0)
            throw ApiErrors.Invalid(faults);
    }

    public static string Message(string value) => value.Length <= MaxMessageLength
        && !value.EnumerateRunes().Any(r => IsInvisible(r) && r.Value is not ('\n' or '\r' or '\t')) ? value
        : throw ApiErrors.InvalidField(
            "message", $"must have at most {MaxMessageLength} characters, without control characters but line breaks and tabs");

    /// <summary>A revision that the caller has seen; the default: none.</summary>
    public static Revision Revision(string value, string field) =>
        value.Length == 0 ? default : AuthSidecar.Bundles.Revision.TryParse(value, out var revision) ? revision
            : throw ApiErrors.InvalidField(field, AuthSidecar.Bundles.Revision.Form);

    /// <summary>The number of a revision of the history that the store is in; 0: none is given.</summary>
    /// <exception cref="RpcException">FAILED_PRECONDITION: it is of another.</exception>
    public static long Number(string value, string field, ControlStore store)
    {
        var (revision, current) = (Revision(value, field), store.At(0));
        return value.Length == 0 || revision.History == current.History ? (long)revision.Number
            : throw ApiErrors.AnotherHistory(field, revision, current);
    }

    /// <summary>A moment that can be one: the years 1 to 9999 (google.protobuf.Timestamp).</summary>
    public static DateTimeOffset? Time(Timestamp? value, string field)
    {
        try
        {
            return value?.ToDateTimeOffset();
        }
        catch (Exception e) when (e is InvalidOperationException or ArgumentOutOfRangeException)
        {
            throw ApiErrors.InvalidField(field, "invalid timestamp: expected a time of the years 1 to 9999");
        }
    }

    /// <summary>A revision that the caller has seen; null: it does not say.</summary>
    public static Revision? Expected(bool isSet, string value) => isSet ? Revision(value, "expected_revision") : null;

    public static EntityUid Uid(string value, string field) =>
        !EntityUid.TryParse(value, out var uid, out var fault) ? throw ApiErrors.InvalidField(field, $"`{value}`: {fault.Message}")
        : UidRules.FaultOf(uid) is { } wrong ? throw ApiErrors.InvalidField(field, wrong)
        : uid;

    public static IReadOnlyList<EntityUid> Uids(IReadOnlyList<string> values, string field) =>
        [.. values.Select((v, i) => Uid(v, $"{field}[{i}]"))];
}
