using Microsoft.AspNetCore.HttpOverrides;

namespace AuthSidecar.ControlPlane.Api;

/// <summary>Where a request comes from: the connection's other side, or, through proxies that are trusted, whoever the first of them
/// names.</summary>
internal static class ClientAddress
{
    /// <summary>Takes the client's address from proxies that are trusted: the right-most one in `X-Forwarded-For` that is none of theirs.
    /// What is left of it may be anybody's word.</summary>
    public static void UseTrustedProxies(this WebApplication app, AddressOptions options)
    {
        if (options.TrustedProxies.Count == 0)
            return;

        var forwarded = new ForwardedHeadersOptions { ForwardedHeaders = ForwardedHeaders.XForwardedFor, ForwardLimit = null };
        forwarded.KnownProxies.Clear();
        forwarded.KnownIPNetworks.Clear();
        foreach (var network in options.TrustedProxies)
            forwarded.KnownIPNetworks.Add(network);

        app.UseWhen(context => context.Listener is Listener.Network, network => network.UseForwardedHeaders(forwarded));
    }

    public static string Of(HttpContext context) => AddressOf(context).ToString();

    /// <summary>The address, and of IPv6 the network: whoever has one address there has all of them.</summary>
    public static string NetworkOf(HttpContext context) => RemoteNetwork.Of(AddressOf(context));

    private static IPAddress AddressOf(HttpContext context) => RemoteNetwork.Unmapped(context.Connection.RemoteIpAddress ?? IPAddress.None);
}
