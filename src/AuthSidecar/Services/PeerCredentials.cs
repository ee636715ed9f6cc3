using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace AuthSidecar.Services;

/// <summary>Which process is at the other end of a Unix socket, as the kernel saw it when it connected (SO_PEERCRED, unix(7)). In another container, ids may mean something else.</summary>
/// <param name="ProcessId">Its id; 0: it is in another process namespace.</param>
/// <param name="UserId">The id of its user.</param>
/// <param name="GroupId">The id of its group.</param>
internal sealed record PeerCredentials(int ProcessId, uint UserId, uint GroupId)
{
    private const int SocketLevel = 1;
    private const int PeerCredentialsOption = 17;
    private const int Bytes = 12;

    /// <summary>Null when it is no Unix socket.</summary>
    public static PeerCredentials? Of(Socket? socket)
    {
        Span<byte> read = stackalloc byte[Bytes];
        return socket is { AddressFamily: AddressFamily.Unix } && socket.GetRawSocketOption(SocketLevel, PeerCredentialsOption, read) == Bytes
            ? new PeerCredentials(MemoryMarshal.Read<int>(read), MemoryMarshal.Read<uint>(read[4..]), MemoryMarshal.Read<uint>(read[8..]))
            : null;
    }

    public override string ToString() => FormattableString.Invariant($"uid {UserId}, gid {GroupId}, pid {ProcessId}");
}
