using Microsoft.AspNetCore.Connections.Features;

namespace AuthSidecar.ControlPlane.Api;

/// <summary>What may come in by a listener: an endpoint is answered on its own alone.</summary>
internal enum Listener
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The Unix socket: whoever may open it administers.</summary>
    Administration,

    /// <summary>TLS 1.3 with certificates on both sides.</summary>
    Sidecars,

    /// <summary>HTTPS for administrators and their tools: whoever has an access token.</summary>
    Network,

    /// <summary>HTTPS for those who get tokens that are bound to the certificate they connect with.</summary>
    Certificates,
}

internal static class ListenerExtensions
{
    /// <summary>Answers the endpoint on these listeners alone; on others it does not exist.</summary>
    public static TBuilder OnlyOn<TBuilder>(this TBuilder endpoint, params Listener[] listeners)
        where TBuilder : IEndpointConventionBuilder => endpoint.WithMetadata(new OnlyOnMetadata(listeners));

    extension(HttpContext context)
    {
        /// <summary>The listener that the request came in by.</summary>
        public Listener Listener =>
            context.Features.Get<IConnectionItemsFeature>()?.Items.TryGetValue(typeof(Listener), out var marked) is true
                ? (Listener)marked! : Listener.None;
    }

    /// <summary>Whether an endpoint is answered on a listener; one without any is on none.</summary>
    public static bool IsOn(this Endpoint endpoint, Listener listener) =>
        endpoint.Metadata.GetMetadata<OnlyOnMetadata>()?.Listeners.Contains(listener) is true;

    private sealed record OnlyOnMetadata(Listener[] Listeners);
}
