namespace AuthSidecar.Common;

/// <summary>The listening sockets. Their addresses and paths are reserved before the host starts, so that an address in use or missing
/// permissions are reported in one line. Connections are accepted, and the file of a Unix socket exists, once Kestrel takes the
/// socket.</summary>
/// <param name="access">The permissions of Unix sockets.</param>
internal sealed class ListenSockets(SocketAccess access) : IDisposable
{
    private readonly List<(EndPoint EndPoint, Socket? Socket, FileLock? Starting)> _reserved = [];

    /// <exception cref="IOException">An address is in use, or permission is denied.</exception>
    public void Reserve(IEnumerable<EndPoint> endPoints)
    {
        foreach (var endPoint in endPoints)
            _reserved.Add(Explain(endPoint, () => Reserve(endPoint)));
    }

    /// <summary>For <c>SocketTransportOptions.CreateBoundListenSocket</c>.</summary>
    /// <exception cref="IOException">The address is in use, or permission is denied.</exception>
    public Socket Take(EndPoint endPoint)
    {
        var at = _reserved.FindIndex(r => r.EndPoint.Equals(endPoint));
        var (_, socket, starting) = at < 0 ? Explain(endPoint, () => Reserve(endPoint)) : _reserved[at];
        if (at >= 0)
            _reserved.RemoveAt(at);

        using (starting)
        {
            return Explain(endPoint, () =>
            {
                socket ??= UnixSockets.Bind((UnixDomainSocketEndPoint)endPoint, access);
                try
                {
                    // Kestrel calls it again with its own backlog.
                    socket.Listen();
                    return socket;
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            });
        }
    }

    public void Dispose()
    {
        foreach (var (_, socket, starting) in _reserved)
        {
            socket?.Dispose();
            starting?.Dispose();
        }

        _reserved.Clear();
    }

    private (EndPoint EndPoint, Socket? Socket, FileLock? Starting) Reserve(EndPoint endPoint)
    {
        if (endPoint is not UnixDomainSocketEndPoint unix)
            return (endPoint, UnixSockets.BindDefault(endPoint), null);

        var starting = UnixSockets.Lock(unix);
        try
        {
            // Bound now to detect errors, and again when it is taken: scripts take the file for a sign that the server accepts connections.
            UnixSockets.Bind(unix, access).Dispose();
            File.Delete(unix.ToString());
            return (endPoint, null, starting);
        }
        catch
        {
            starting.Dispose();
            throw;
        }
    }

    private static T Explain<T>(EndPoint endPoint, Func<T> act)
    {
        try
        {
            return act();
        }
        catch (Exception e) when (e is SocketException or UnauthorizedAccessException)
        {
            // The message of the framework names the lock file.
            var why = e is SocketException ? e.Message : "Permission denied";
            throw new IOException(endPoint is UnixDomainSocketEndPoint ? $"failed to create the socket `{endPoint}`: {why}"
                : $"failed to listen on {endPoint}: {why}", e);
        }
    }
}
