namespace AuthSidecar.Issuers;

/// <summary>Which hosts of issuers may be asked for anything. Without one, nobody: an address in a bundle is not enough to make a sidecar
/// connect somewhere.</summary>
internal sealed record IssuerHosts
{
    /// <summary>Hosts, as they stand in addresses.</summary>
    public IReadOnlyList<string> Hosts { get; init; } = [];

    /// <summary>Those of them that may be at private addresses, such as an issuer in the same cluster.</summary>
    public IReadOnlyList<string> PrivateHosts { get; init; } = [];

    /// <summary>The CA of their certificates instead of those that the machine trusts, in PEM; null: the machine's.</summary>
    public string? Ca { get; init; }

    /// <summary>The HTTP proxy by which they are reached (RFC 9110, section 9.3.6), which resolves their names; null: none.</summary>
    public Uri? Proxy { get; init; }

    /// <summary>Whether any address can have this host.</summary>
    public static bool IsHost(string text) =>
        Uri.TryCreate($"https://{text}/", UriKind.Absolute, out var url) && url.Host.Equals(text, StringComparison.OrdinalIgnoreCase);

    /// <summary>Why a text is not a proxy; null: it is one. The text is not repeated, since it may have a password in it.</summary>
    public static string? FindProxyFault(string text) =>
        !Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme != Uri.UriSchemeHttp || url.PathAndQuery != "/"
            ? "not a proxy such as `http://proxy.example:3128`"
        : url.UserInfo.Length > 0 ? "credentials on a command line can be read by every user of the machine: use a proxy without"
        : null;

    public bool Allows(Uri url) => url.Scheme == Uri.UriSchemeHttps && url.UserInfo.Length == 0
        && (Has(Hosts, url) || Has(PrivateHosts, url));

    public bool AllowsPrivate(string host) => PrivateHosts.Contains(host, StringComparer.OrdinalIgnoreCase);
    private static bool Has(IReadOnlyList<string> hosts, Uri url) => hosts.Contains(url.Host, StringComparer.OrdinalIgnoreCase);
}
