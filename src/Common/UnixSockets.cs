using System.Runtime.InteropServices;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace AuthSidecar.Common;

/// <summary>Who may use a Unix socket.</summary>
/// <param name="Mode">Its permissions.</param>
/// <param name="GroupId">The group that owns it; null: that of the process.</param>
internal sealed record SocketAccess(UnixFileMode Mode, uint? GroupId = null)
{
    public const UnixFileMode OwnerAndGroup = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead
        | UnixFileMode.GroupWrite;

    /// <summary>The owner and the group of the process: 0660.</summary>
    public static readonly SocketAccess Default = new(OwnerAndGroup);
}

/// <summary>Connects to Unix sockets, and binds them: with their permissions before anyone can connect, in place of one that a killed
/// process left behind, and of nothing else.</summary>
internal static partial class UnixSockets
{
    /// <summary>Locks the path of a socket. A socket that is bound and not yet listening refuses connections, and without the lock another
    /// process would remove it as stale.</summary>
    /// <exception cref="IOException">Another process holds the lock.</exception>
    public static FileLock Lock(UnixDomainSocketEndPoint endPoint)
    {
        var path = endPoint.ToString();
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        }
        catch (IOException e)
        {
            throw new IOException($"failed to create the folder of the socket `{path}`: {e.Message}", e);
        }

        return FileLock.Take($"{path}.lock", $"the socket `{path}`");
    }

    public static Socket BindDefault(EndPoint endPoint) => SocketTransportOptions.CreateDefaultBoundListenSocket(endPoint);

    /// <summary>Binds a socket whose path is locked, and removes a stale one.</summary>
    /// <exception cref="IOException">The path is not a socket, belongs to another user, or another process is listening on it.</exception>
    public static Socket Bind(UnixDomainSocketEndPoint endPoint, SocketAccess access)
    {
        var path = endPoint.ToString();
        RemoveIfAbandoned(path);
        var socket = BindDefault(endPoint);
        try
        {
            if (access.GroupId is { } group && ChangeOwner(path, uint.MaxValue, group) != 0)
                throw new IOException($"failed to change the group of `{path}` to {group}: {Marshal.GetLastPInvokeErrorMessage()}");

            File.SetUnixFileMode(path, access.Mode);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Why no socket can be at a path as it stands; null: one can.</summary>
    public static string? FindFault(string path)
    {
        try
        {
            if (!path.Contains('\0', StringComparison.Ordinal))
            {
                _ = new UnixDomainSocketEndPoint(path);
                return null;
            }
        }
        catch (ArgumentException)
        {
            // Empty, or too long.
        }

        return $"`{path}` is not a path for a Unix socket: 1 to 107 bytes, without a null character";
    }

    /// <summary>Connects to the socket at a path as often as it is asked to.</summary>
    /// <exception cref="IOException">No socket can be there.</exception>
    public static SocketsHttpHandler CreateHandler(string path)
    {
        var endPoint = FindFault(path) is { } fault ? throw new IOException(fault) : new UnixDomainSocketEndPoint(path);
        return new SocketsHttpHandler { ConnectCallback = (_, cancellation) => ConnectAsync(endPoint, cancellation) };
    }

    /// <summary>Whether a connection failed because permission to open the socket was denied.</summary>
    public static bool IsDenied(Exception? e) => e is SocketException { SocketErrorCode: SocketError.AccessDenied }
        || (e?.InnerException is { } inner && IsDenied(inner));

    private static async ValueTask<Stream> ConnectAsync(EndPoint endPoint, CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(endPoint, cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressNotAvailable)
        {
            // ENOENT, which the framework words as for an IP address.
            socket.Dispose();
            throw new IOException("the socket does not exist");
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Why none can be listened on there: what is bound is the absolute path.</summary>
    public static string? FindListenFault(string path) => FindFault(path) ?? FindFault(Path.GetFullPath(path));

    /// <summary>The id of a group by its name or number; null: there is none of this name.</summary>
    public static uint? FindGroup(string nameOrId)
    {
        if (uint.TryParse(nameOrId, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var id))
            return id;

        // The file, and no name service: a sidecar's image has no other.
        var line = File.Exists("/etc/group")
            ? File.ReadLines("/etc/group").FirstOrDefault(l => l.StartsWith($"{nameOrId}:", StringComparison.Ordinal)) : null;
        return line?.Split(':') is [_, _, var text, ..] && uint.TryParse(text, out id) ? id : null;
    }

    /// <summary>Removes the socket of a process that was killed. One that lives answers on it.</summary>
    private static void RemoveIfAbandoned(string path)
    {
        var status = FileStatus.OfLink(path);
        if (status.Kind == FileKind.None)
            return;

        if (status.Kind != FileKind.Socket)
            throw new IOException($"`{path}` exists and is not a socket: remove it, or specify another path");

        if (status.Owner != EffectiveUserId())
            throw new IOException($"the socket `{path}` belongs to another user: remove it, or specify another path");

        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
            return;
        }

        throw new IOException($"another process is listening on `{path}`");
    }

    [LibraryImport("libc", EntryPoint = "geteuid")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial uint EffectiveUserId();

    [LibraryImport("libc", EntryPoint = "lchown", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int ChangeOwner(string path, uint owner, uint group);
}
