using System.Net;
using System.Net.Sockets;
using AuthSidecar.Common;
using Grpc.Net.Client;

namespace AuthSidecar.Cli;

/// <summary>Connects to a running sidecar.</summary>
internal static class SidecarClient
{
    /// <param name="address"><c>unix:/path/to/socket</c> or <c>http://127.0.0.1:7080</c>.</param>
    public static GrpcChannel Connect(string address)
    {
        const string Unix = "unix:";
        if (!address.StartsWith(Unix, StringComparison.Ordinal))
        {
            return GrpcChannel.ForAddress(address);
        }

        var path = address[Unix.Length..];
        if (UnixSockets.FindFault(path) is { } fault)
        {
            throw new UsageException(fault);
        }

        var endPoint = new UnixDomainSocketEndPoint(path);
        return GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions
        {
            DisposeHttpClient = true,
            HttpHandler = new SocketsHttpHandler { ConnectCallback = (_, cancellation) => ConnectAsync(endPoint, cancellation) },
        });
    }

    private static async ValueTask<Stream> ConnectAsync(EndPoint endPoint, CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(endPoint, cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
