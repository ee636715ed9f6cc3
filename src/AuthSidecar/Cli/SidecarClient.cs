using Grpc.Net.Client;

namespace AuthSidecar.Cli;

/// <summary>Connects to a running sidecar.</summary>
internal static class SidecarClient
{
    private const string Unix = "unix:";

    /// <exception cref="UsageException">The address is invalid.</exception>
    /// <param name="address"><c>unix:/path/to/socket</c> or <c>http://127.0.0.1:7080</c>.</param>
    public static GrpcChannel Connect(string address) => address.StartsWith(Unix, StringComparison.Ordinal)
        ? GrpcChannel.ForAddress("http://localhost",
            new GrpcChannelOptions { DisposeHttpClient = true, HttpHandler = UnixSockets.CreateHandler(address[Unix.Length..]) })
        : Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
            ? GrpcChannel.ForAddress(address)
            : throw new UsageException($"--address: `{address}` is not an address such as `unix:/run/authsidecar/authsidecar.sock` or "
                + "`http://127.0.0.1:7080`");
}
