namespace AuthSidecar.Common;

/// <summary>Names of applications, tenants, sidecars and administrators: they become parts of certificates' URIs.</summary>
internal static class Names
{
    private const int MaxLength = 128;

    /// <summary>What <see cref="Are"/> expects.</summary>
    public static readonly string Form = $"1 to {MaxLength} letters, digits, `-`, `_` or `.`";

    public static bool Are(string text) =>
        text.Length is > 0 and <= MaxLength && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.');

    /// <summary>Whether it is a host name or an IP address, and nothing around it.</summary>
    public static bool IsHost(string text) =>
        Uri.CheckHostName(text) is UriHostNameType.Dns or UriHostNameType.IPv4 or UriHostNameType.IPv6;
}
