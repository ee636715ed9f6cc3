using System.Globalization;
using System.Runtime.InteropServices;
using Grpc.Core;
using Microsoft.AspNetCore.Connections.Features;

namespace AuthSidecar.ControlPlane.Administration;

/// <summary>Who administers: whoever may open the socket, by the number that the kernel knows them by.</summary>
internal static class Caller
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;

    /// <summary>Such as <c>uid:1000</c>.</summary>
    public static string Of(ServerCallContext context)
    {
        var socket = context.GetHttpContext().Features.Get<IConnectionSocketFeature>()?.Socket;
        // struct ucred { pid_t pid; uid_t uid; gid_t gid; }, unix(7)
        Span<byte> credentials = stackalloc byte[3 * sizeof(int)];
        return socket is not null && socket.GetRawSocketOption(SolSocket, SoPeerCred, credentials) == credentials.Length
            ? string.Create(CultureInfo.InvariantCulture, $"uid:{MemoryMarshal.Read<uint>(credentials[sizeof(int)..])}")
            : throw Failures.Internal();
    }
}
