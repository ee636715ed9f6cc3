namespace AuthSidecar.Common;

/// <summary>Says why a connection failed: what is wrong, not the layers that it went through.</summary>
internal static class ConnectionFailure
{
    private const string NotGrpc = "Bad gRPC response. HTTP status code: ";

    public static string Describe(Exception failure) => Innermost(failure) switch
    {
        RpcException { Status.Detail: { Length: > 0 } detail } => DescribeDetail(detail),
        RpcException rpc => $"the server answered {rpc.StatusCode}",
        { Message.Length: > 0 } cause => cause.Message,
        var cause => cause.GetType().Name,
    };

    /// <summary>What a status says that the client library made by itself.</summary>
    public static string DescribeDetail(string detail) => detail.StartsWith(NotGrpc, StringComparison.Ordinal)
        ? $"the server answered with HTTP status {detail[NotGrpc.Length..]}, not with gRPC: check the port" : detail;

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
