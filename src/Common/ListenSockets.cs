using System.Net;
using System.Net.Sockets;

namespace AuthSidecar.Common;

/// <summary>
/// What is listened on, reserved before anything is begun that would have to be ended again: an address in use, or a folder of another user, is one line, and not a host that fails to
/// start. Nobody is answered before Kestrel takes it, and no Unix socket is to be seen.
/// </summary>
/// <param name="access">Who may use Unix sockets.</param>
internal sealed class ListenSockets(SocketAccess access) : IDisposable
{
    private readonly List<(EndPoint EndPoint, Socket? Socket, FileLock? Starting)> _reserved = [];

    /// <exception cref="IOException">Something cannot be listened on, and why.</exception>
    public void Reserve(IEnumerable<EndPoint> endPoints)
    {
        foreach (var endPoint in endPoints)
        {
            _reserved.Add(Explain(endPoint, () => Reserve(endPoint)));
        }
    }

    /// <summary>For <c>SocketTransportOptions.CreateBoundListenSocket</c>.</summary>
    /// <exception cref="IOException">It cannot be listened on, and why.</exception>
    public Socket Take(EndPoint endPoint)
    {
        var at = _reserved.FindIndex(r => r.EndPoint.Equals(endPoint));
        var (_, socket, starting) = at < 0 ? Explain(endPoint, () => Reserve(endPoint)) : _reserved[at];
        if (at >= 0)
        {
            _reserved.RemoveAt(at);
        }

        using (starting)
        {
            return Explain(endPoint, () =>
            {
                socket ??= UnixSockets.Bind((UnixDomainSocketEndPoint)endPoint, access);
                try
                {
                    // From here on it answers; Kestrel listens once more, with the backlog that it likes.
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
        {
            return (endPoint, UnixSockets.BindDefault(endPoint), null);
        }

        var starting = UnixSockets.Lock(unix);
        try
        {
            // Bound once to see that it can be, and again when it is taken: what is there looks as if it answered.
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
            // The framework's word for a path that is denied is that of another file beside it.
            var why = e is SocketException ? e.Message : "Permission denied";
            throw new IOException(endPoint is UnixDomainSocketEndPoint ? $"failed to create the socket `{endPoint}`: {why}" : $"failed to listen on {endPoint}: {why}", e);
        }
    }
}
