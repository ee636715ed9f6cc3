namespace AuthSidecar.Risk.Factors;

/// <summary>The client's address against the operator's lists. That an address is private says nothing.</summary>
internal static class NetworkFactor
{
    public static RiskFactor Evaluate(RiskInput input)
    {
        var settings = input.Settings;
        var weight = settings.Weights.Network;
        if (input.Signals.Network is null)
            return Of("missing", 1, "the client's address is not known", trusted: false);

        if (input.ClientAddress is not { } address)
            return Of("unreadable", 1, "an address in the chain is not an IP address", trusted: false);

        var embedded = address.EmbeddedIpv4();
        if (IsListed(settings.DeniedNetworks))
        {
            var most = settings.Weights.DeniedNetwork;
            return RiskFactor.Of("network", "denied", most, 1, "the address is in a denied network", isTrusted: false);
        }

        return IsListed(settings.TorNetworks) ? Of("tor", 1, "the address is a Tor exit", trusted: false)
            : IsListed(settings.HostingNetworks) ? Of("hosting", 0.7, "the address belongs to a hosting provider", trusted: false)
            : settings.TrustedNetworks.Contains(address) ? Of("trusted", 0, "the address is in a trusted network", trusted: true)
            : Of("unlisted", 0.4, "the address is in no list", trusted: false);

        // What speaks against an IPv4 address speaks against the IPv6 addresses that stand for it.
        bool IsListed(NetworkList networks) => networks.Contains(address) || (embedded is not null && networks.Contains(embedded));

        RiskFactor Of(string value, double severity, string explanation, bool trusted) =>
            RiskFactor.Of("network", value, weight, severity, explanation, trusted);
    }
}
