using AuthSidecar.Cedar;

namespace AuthSidecar.ControlPlane.Administration;

/// <summary>Fields of administrators' requests, held against what they may be.</summary>
internal static class RequestChecks
{
    private const int MaxNameLength = 128;
    private const int MaxMessageLength = 1_000;

    /// <summary>A name of an application or a tenant: it becomes a part of a certificate's URI.</summary>
    public static string Name(string value, string field) =>
        value.Length is > 0 and <= MaxNameLength && value.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.')
            ? value
            : throw Failures.InvalidField(field, $"a name has 1 to {MaxNameLength} letters, digits, `-`, `_` or `.`");

    public static string NameOrEmpty(string value, string field) => value.Length == 0 ? value : Name(value, field);

    public static string Message(string value) => value.Length <= MaxMessageLength ? value : throw Failures.InvalidField("message", $"a message has at most {MaxMessageLength} characters");

    public static long Revision(ulong value, string field) => value <= long.MaxValue ? (long)value : throw Failures.InvalidField(field, "there is no such revision");

    public static EntityUid Uid(string value, string field) =>
        EntityUid.TryParse(value, out var uid, out var fault) ? uid : throw Failures.InvalidField(field, $"`{value}`: {fault.Message}");

    public static IReadOnlyList<EntityUid> Uids(IReadOnlyList<string> values, string field) => [.. values.Select((v, i) => Uid(v, $"{field}[{i}]"))];
}
