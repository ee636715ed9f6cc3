using System.Net;
using System.Net.Sockets;

namespace AuthSidecar.Common;

/// <summary>
/// The sockets to listen on, bound before anything is begun that would have to be ended again: an address in use, or a folder of another user, is one line, and not a host that fails to
/// start. Nobody is answered before Kestrel takes them.
/// </summary>
/// <param name="access">Who may use Unix sockets.</param>
internal sealed class ListenSockets(SocketAccess access) : IDisposable
{
    private readonly List<(EndPoint EndPoint, Socket Socket, IDisposable? Starting)> _bound = [];

    /// <exception cref="IOException">One cannot be bound, and why.</exception>
    public void Bind(IEnumerable<EndPoint> endPoints)
    {
        foreach (var endPoint in endPoints)
        {
            _bound.Add(Bind(endPoint));
        }
    }

    /// <summary>For <c>SocketTransportOptions.CreateBoundListenSocket</c>.</summary>
    /// <exception cref="IOException">It was not bound before, and cannot be.</exception>
    public Socket Take(EndPoint endPoint)
    {
        var at = _bound.FindIndex(b => b.EndPoint.Equals(endPoint));
        var (_, socket, starting) = at < 0 ? Bind(endPoint) : _bound[at];
        if (at >= 0)
        {
            _bound.RemoveAt(at);
        }

        using (starting)
        {
            // From here on it answers; Kestrel listens once more, with the backlog that it likes.
            socket.Listen();
        }

        return socket;
    }

    public void Dispose()
    {
        foreach (var (endPoint, socket, starting) in _bound)
        {
            socket.Dispose();
            if (endPoint is UnixDomainSocketEndPoint)
            {
                File.Delete(endPoint.ToString()!);
            }

            starting?.Dispose();
        }

        _bound.Clear();
    }

    private (EndPoint EndPoint, Socket Socket, IDisposable? Starting) Bind(EndPoint endPoint)
    {
        try
        {
            var (socket, starting) = UnixSockets.Bind(endPoint, access);
            return (endPoint, socket, starting);
        }
        catch (Exception e) when (e is SocketException or UnauthorizedAccessException)
        {
            // The framework's word for a path that is denied is that of another file beside it.
            var why = e is SocketException ? e.Message : "Permission denied";
            throw new IOException(endPoint is UnixDomainSocketEndPoint ? $"failed to create the socket `{endPoint}`: {why}" : $"failed to listen on {endPoint}: {why}", e);
        }
    }
}
