using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace AuthSidecar.Hosting;

/// <summary>The Unix socket and the loopback port, HTTP/2 without TLS; and beyond the pod, with TLS.</summary>
internal static class Listeners
{
    // Kestrel's default of 100 refuses the rest; a busy PEP multiplexes more over one connection.
    private const int MaxStreamsPerConnection = 256;

    // What a client may send before anybody reads it.
    private const int WindowBytes = 256 * 1024;
    public static void AddListeners(this IWebHostBuilder host, ServeOptions options)
    {
        host.UseKestrelCore();
        host.ConfigureServices(services => services.AddSingleton<IMemoryPoolFactory<byte>, LargeBlockMemoryPool>());
        var bound = new ListenSockets(options.SocketAccess);
        host.ConfigureServices(services => services.AddSingleton(_ => bound));
        if (options.ListenTls is { } listener)
        {
            host.ConfigureServices(services => services.AddSingleton(s => new ListenerTls(
                listener, s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<ListenerTls>>())));
        }

        host.UseSockets(sockets => sockets.CreateBoundListenSocket = bound.Take);
        host.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.Http2.MaxStreamsPerConnection = MaxStreamsPerConnection;
            kestrel.Limits.Http2.InitialStreamWindowSize = WindowBytes;
            var connections = new ConnectionLimit(
                options.MaxConnections, kestrel.ApplicationServices.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping);
            if (options.Socket is not null)
                kestrel.ListenUnixSocket(Path.GetFullPath(options.Socket), listen => Configure(listen, connections));

            if (options.Listen is not null)
                kestrel.Listen(options.Listen, listen => Configure(listen, connections));

            if (options.ListenTls is not null)
            {
                var tls = kestrel.ApplicationServices.GetRequiredService<ListenerTls>();
                kestrel.Listen(options.ListenTls.Listen, listen =>
                {
                    Configure(listen, connections);
                    listen.UseHttps(new TlsHandshakeCallbackOptions
                    {
                        OnConnection = handshake => ValueTask.FromResult(tls.For(handshake.Connection)),
                    });
                    listen.Use(tls.RequireHttp2);
                    listen.Use(tls.CloseAtExpiry);
                });
            }
        });
    }

    /// <summary>Reserves the addresses and the path to listen on.</summary>
    /// <exception cref="IOException">An address is in use, or permission is denied.</exception>
    public static void Reserve(WebApplication app, ServeOptions options)
    {
        EndPoint?[] endPoints = [options.Socket is { } path ? new UnixDomainSocketEndPoint(Path.GetFullPath(path)) : null, options.Listen,
            options.ListenTls?.Listen];
        app.Services.GetRequiredService<ListenSockets>().Reserve(endPoints.OfType<EndPoint>());
    }

    private static void Configure(ListenOptions listen, ConnectionLimit connections)
    {
        listen.Protocols = HttpProtocols.Http2;
        listen.Use(connections.Count);
    }
}
