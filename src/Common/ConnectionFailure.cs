using System.Net.Sockets;

namespace AuthSidecar.Common;

/// <summary>Says why a connection failed: what is wrong, not the layers that it went through.</summary>
internal static class ConnectionFailure
{
    public static string Describe(Exception failure) => Innermost(failure) switch
    {
        RpcException { Status.Detail: { Length: > 0 } detail } => detail,
        RpcException rpc => $"the server answered {rpc.StatusCode}",
        { Message.Length: > 0 } cause => cause.Message,
        var cause => cause.GetType().Name,
    };

    /// <summary>The kind of the cause, of a small fixed set.</summary>
    public static string KindOf(Exception failure) => Innermost(failure) switch
    {
        RpcException rpc => rpc.StatusCode.ToString(),
        SocketException socket => socket.SocketErrorCode.ToString(),
        var cause => cause.GetType().Name,
    };

    private static Exception Innermost(Exception failure)
    {
        // What the client library says of its own layers helps nobody; what the server said does.
        var cause = failure is RpcException { Status.DebugException: { } debug } ? debug : failure;
        while (cause.InnerException is { } inner)
            cause = inner;

        return cause;
    }
}
