using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace AuthSidecar.ControlPlane.Hosting;

/// <summary>The listeners, and the walls between them.</summary>
internal static class Listeners
{
    /// <summary>As JSON, the largest set of documents (4 MiB) in base64. Imports are streams, and bounded by themselves.</summary>
    private const long MaxRequestBytes = 8 * 1024 * 1024;

    public static void AddListeners(this IWebHostBuilder host, ServeOptions options)
    {
        var bound = new ListenSockets(SocketAccess.Default);
        host.ConfigureServices(services => services.AddSingleton(_ => bound));
        host.UseSockets(sockets => sockets.CreateBoundListenSocket = bound.Take);
        host.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MaxRequestBytes;
            // Of a connection on which nobody asks anything. Those of sidecars have streams on them.
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(60);
            kestrel.ListenUnixSocket(Path.GetFullPath(options.AdminSocket), listen => Mark(listen, Listener.Administration));
            if (options.Listen is not null)
            {
                kestrel.Listen(options.Listen, listen =>
                {
                    Mark(listen, Listener.Sidecars);
                    UseTls(listen, kestrel.ApplicationServices, tls => tls.ForSidecars());
                    listen.Use(next => connection => connection.Features.Get<ITlsConnectionFeature>()?.ClientCertificate is null
                        ? kestrel.ApplicationServices.GetRequiredService<ConnectionLimits>().LimitAsync(
                            connection, ConnectionLimits.MaxEnrollingOfAddress, () => next(connection))
                        : next(connection));
                });
            }

            foreach (var (endPoint, listener) in new[] { (options.ListenHttps, Listener.Network),
                (options.ListenCertificates, Listener.Certificates) })
            {
                if (endPoint is not null)
                {
                    kestrel.Listen(endPoint, listen =>
                    {
                        Mark(listen, listener);
                        listen.Protocols = HttpProtocols.Http1AndHttp2;
                        listen.Use(next => connection => kestrel.ApplicationServices.GetRequiredService<ConnectionLimits>()
                            .LimitAsync(connection, ConnectionLimits.MaxOfAddress, () => next(connection)));
                        UseTls(listen, kestrel.ApplicationServices,
                            tls => listener == Listener.Certificates ? tls.ForCertificates() : tls.ForEverybody());
                    });
                }
            }
        });
    }

    /// <summary>Reserves the addresses and the path to listen on.</summary>
    /// <exception cref="IOException">An address is in use, or permission is denied.</exception>
    public static void Reserve(WebApplication app, ServeOptions options)
    {
        EndPoint?[] endPoints = [new UnixDomainSocketEndPoint(Path.GetFullPath(options.AdminSocket)), options.Listen, options.ListenHttps,
            options.ListenCertificates];
        app.Services.GetRequiredService<ListenSockets>().Reserve(endPoints.OfType<EndPoint>());
    }

    /// <summary>Keeps every endpoint to its listener; one without any is on none. That a method or a media type is not supported is said by
    /// no endpoint of ours.</summary>
    public static void UseListeners(this WebApplication app) => app.Use((context, next) =>
    {
        if (context.GetEndpoint() is { } answer and not RouteEndpoint)
            return answer.RequestDelegate!(context);

        if (context.Listener is not (not Listener.None and var listener) || context.GetEndpoint()?.IsOn(listener) is not true)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return Task.CompletedTask;
        }

        return next(context);
    });

    // Asked for with each connection: where listeners are made, there is no CA yet.
    private static void UseTls(ListenOptions listen, IServiceProvider services, Func<ServerTls, SslServerAuthenticationOptions> options) =>
        listen.UseHttps(new TlsHandshakeCallbackOptions
        {
            OnConnection = _ => ValueTask.FromResult(options(services.GetRequiredService<ServerTls>())),
        });

    private static void Mark(ListenOptions listen, Listener listener)
    {
        listen.Protocols = HttpProtocols.Http2;
        listen.Use(next => connection =>
        {
            connection.Items[typeof(Listener)] = listener;
            return next(connection);
        });
    }
}
