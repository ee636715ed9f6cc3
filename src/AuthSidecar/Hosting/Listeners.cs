using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace AuthSidecar.Hosting;

/// <summary>The Unix socket and the loopback port, HTTP/2 without TLS.</summary>
internal static class Listeners
{
    // Kestrel's default of 100 refuses the rest; a busy PEP multiplexes more over one connection.
    private const int MaxStreamsPerConnection = 1024;
    private const UnixFileMode OwnerAndGroup = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;

    public static void AddListeners(this IWebHostBuilder host, ServeOptions options)
    {
        host.UseKestrelCore();
        host.ConfigureServices(services => services.AddSingleton<IMemoryPoolFactory<byte>, LargeBlocks>());
        host.UseSockets(sockets => sockets.CreateBoundListenSocket = CreateBoundListenSocket);
        host.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.Http2.MaxStreamsPerConnection = MaxStreamsPerConnection;
            if (options.Socket is not null)
            {
                kestrel.ListenUnixSocket(Path.GetFullPath(options.Socket), listen => listen.Protocols = HttpProtocols.Http2);
            }

            if (options.Listen is not null)
            {
                kestrel.Listen(options.Listen, listen => listen.Protocols = HttpProtocols.Http2);
            }
        });
    }

    /// <summary>Binds a Unix socket and sets its permissions before anyone can connect: Kestrel begins to listen only afterwards.</summary>
    private static Socket CreateBoundListenSocket(EndPoint endPoint)
    {
        if (endPoint is not UnixDomainSocketEndPoint unix)
        {
            return SocketTransportOptions.CreateDefaultBoundListenSocket(endPoint);
        }

        var path = unix.ToString();
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        RemoveIfAbandoned(path, unix);
        var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endPoint);
        File.SetUnixFileMode(path, OwnerAndGroup);
        return socket;
    }

    /// <summary>A sidecar that was killed leaves its socket behind; one that lives answers on it.</summary>
    private static void RemoveIfAbandoned(string path, UnixDomainSocketEndPoint endPoint)
    {
        if (!File.Exists(path))
        {
            return;
        }

        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(endPoint);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
            return;
        }

        throw new IOException($"another process is listening on `{path}`");
    }
}
