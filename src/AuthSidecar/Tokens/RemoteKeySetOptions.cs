namespace AuthSidecar.Tokens;

/// <summary>What may be asked for key sets. Without a host, nobody: an address in a bundle is not enough to make a sidecar connect somewhere.</summary>
internal sealed record RemoteKeySetOptions
{
    /// <summary>Hosts whose key sets may be fetched, as they stand in addresses.</summary>
    public IReadOnlyList<string> Hosts { get; init; } = [];

    /// <summary>Those of them that may be at private addresses, such as an issuer in the same cluster.</summary>
    public IReadOnlyList<string> PrivateHosts { get; init; } = [];

    /// <summary>A CA of their certificates beside those that the machine trusts, in PEM; null: none.</summary>
    public string? Ca { get; init; }

    /// <summary>How often a key set is fetched again.</summary>
    public TimeSpan RefreshEvery { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How soon after the last time it may be fetched because of a key that is not in it.</summary>
    public TimeSpan Cooldown { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long one counts that cannot be fetched again.</summary>
    public TimeSpan GoodFor { get; init; } = TimeSpan.FromHours(24);

    public bool Allows(Uri url) => url.Scheme == Uri.UriSchemeHttps && url.UserInfo.Length == 0 && (Has(Hosts, url) || Has(PrivateHosts, url));

    public bool AllowsPrivate(string host) => PrivateHosts.Contains(host, StringComparer.OrdinalIgnoreCase);

    private static bool Has(IReadOnlyList<string> hosts, Uri url) => hosts.Contains(url.Host, StringComparer.OrdinalIgnoreCase);
}
