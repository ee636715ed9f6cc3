using System.Runtime.InteropServices;

namespace AuthSidecar.Api.Calls;

/// <summary>Credentials of the process at the other end of a Unix socket, as of when it connected (SO_PEERCRED, unix(7)). Ids of another
/// user namespace are mapped or unknown.</summary>
/// <param name="ProcessId">The process id; 0: it is in another process namespace.</param>
/// <param name="UserId">The effective user id.</param>
/// <param name="GroupId">The effective group id.</param>
internal sealed record PeerCredentials(int ProcessId, uint UserId, uint GroupId)
{
    private const int SocketLevel = 1;
    private const int PeerCredentialsOption = 17;
    private const int Bytes = 12;

    /// <summary>Null when it is not a Unix socket.</summary>
    public static PeerCredentials? Of(Socket? socket)
    {
        Span<byte> read = stackalloc byte[Bytes];
        return socket is { AddressFamily: AddressFamily.Unix }
            && socket.GetRawSocketOption(SocketLevel, PeerCredentialsOption, read) == Bytes
            ? new PeerCredentials(MemoryMarshal.Read<int>(read), MemoryMarshal.Read<uint>(read[4..]), MemoryMarshal.Read<uint>(read[8..]))
            : null;
    }

    public override string ToString() => FormattableString.Invariant($"uid {UserId}, gid {GroupId}, pid {ProcessId}");
}
