using System.Net.Sockets;
using AuthSidecar.V1;
using Grpc.Core;
using Grpc.Net.Client;

namespace Documents;

/// <summary>A connection to the sidecar of this pod.</summary>
internal sealed class Sidecar : IDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(1);

    private readonly GrpcChannel _channel;
    private readonly AuthSidecarService.AuthSidecarServiceClient _client;

    private Sidecar(GrpcChannel channel) => (_channel, _client) = (channel, new AuthSidecarService.AuthSidecarServiceClient(channel));

    /// <param name="address"><c>unix:/path</c>, or <c>http://127.0.0.1:PORT</c>.</param>
    public static Sidecar Connect(string address)
    {
        if (!address.StartsWith("unix:", StringComparison.Ordinal))
        {
            return new Sidecar(GrpcChannel.ForAddress(address));
        }

        var endPoint = new UnixDomainSocketEndPoint(address["unix:".Length..]);
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) =>
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
            },
        };
        return new Sidecar(GrpcChannel.ForAddress("http://localhost", new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true }));
    }

    /// <summary>Asks whether the bearer of the request's token may do this. No answer is a denial.</summary>
    public async Task<CheckPermissionResponse> CheckAsync(HttpContext http, string action, Entity resource)
    {
        var authorization = http.Request.Headers.Authorization.ToString();
        var request = new CheckPermissionRequest
        {
            Token = authorization.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? authorization["Bearer ".Length..] : "",
            MfaProof = http.Request.Headers["X-Mfa-Proof"].ToString(),
            Action = new EntityUid { Id = action },
            Resource = resource,
        };
        if (request.Token.Length == 0)
        {
            return new CheckPermissionResponse { Decision = Decision.Deny, TokenRejection = TokenRejection.Missing };
        }

        try
        {
#pragma warning disable RS0030 // A deadline is a moment of the machine's clock.
            return await _client.CheckPermissionAsync(request, deadline: DateTime.UtcNow + Timeout, cancellationToken: http.RequestAborted);
#pragma warning restore RS0030
        }
        catch (RpcException e)
        {
            http.RequestServices.GetRequiredService<ILogger<Sidecar>>().LogError(e, "no decision of the sidecar: {Status}", e.StatusCode);
            return new CheckPermissionResponse { Decision = Decision.Deny };
        }
    }

    public void Dispose() => _channel.Dispose();
}
