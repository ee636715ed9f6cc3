using System.Runtime.InteropServices;

namespace AuthSidecar.Common;

/// <summary>What kind of thing a path leads to.</summary>
internal enum FileKind
{
    /// <summary>Nothing.</summary>
    None = 0,

    Regular,
    Directory,
    Socket,
    Fifo,
    Device,
    SymbolicLink,
}

/// <summary>What the file system says of a file (statx(2)), which the platform's own classes do not tell: what it is, and whether it is
/// still the same.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Device">The file system it is on.</param>
/// <param name="Inode">Its number there: another file in its place has another.</param>
/// <param name="Length">Its length in bytes.</param>
/// <param name="ModifiedNs">When its content was last written, in nanoseconds since 1970, or whatever somebody has set.</param>
/// <param name="ChangedNs">When anything about it was last changed. Nobody can set this one back.</param>
/// <param name="Owner">The user id of its owner.</param>
internal readonly partial record struct FileStatus(
    FileKind Kind, ulong Device, ulong Inode, long Length, long ModifiedNs, long ChangedNs, uint Owner)
{
    /// <summary>Of what a path leads to, through symbolic links: those by which Kubernetes mounts volumes are exchanged while they stay
    /// what they are themselves.</summary>
    /// <exception cref="IOException">The file system failed: a file that may not be looked at is not the same as a missing one.</exception>
    public static FileStatus Of(string path) => Read(path, flags: 0);

    /// <summary>Of what is at the path itself, be it a symbolic link.</summary>
    /// <exception cref="IOException">The file system failed.</exception>
    public static FileStatus OfLink(string path) => Read(path, NoFollow);

    /// <summary>What is to be seen of some files without reading them: another whenever one of them is another than it was, or is
    /// gone.</summary>
    public static string StampOf(IEnumerable<string> paths)
    {
        var stamp = new StringBuilder();
        foreach (var path in paths)
        {
            stamp.Append(path).Append('\0');
            if (TryRead(path, flags: 0, out var status) is 0 or NotFound or NotAFolder)
            {
                status.AppendTo(stamp);
            }
            else
            {
                // Its reader gets the error.
                stamp.Append("unknown\n");
            }
        }

        return stamp.ToString();
    }

    public void AppendTo(StringBuilder stamp) =>
        stamp.Append(CultureInfo.InvariantCulture, $"{Device} {Inode} {Length} {ModifiedNs} {ChangedNs}\n");

    private const int NoFollow = 0x100;
    private const int CurrentDirectory = -100;
    private const uint BasicStats = 0x7ff;
    private const int NotFound = 2;
    private const int NotAFolder = 20;

    private static FileStatus Read(string path, int flags) => TryRead(path, flags, out var status) switch
    {
        0 or NotFound or NotAFolder => status,
        var error => throw new IOException($"failed to stat `{path}`: {Marshal.GetPInvokeErrorMessage(error)}"),
    };

    /// <returns>0, or the number of the error.</returns>
    private static int TryRead(string path, int flags, out FileStatus read)
    {
        // struct statx, which is the same on every architecture.
        Span<byte> status = stackalloc byte[256];
        int result;
        unsafe
        {
            fixed (byte* bytes = status)
            {
                result = Statx(CurrentDirectory, path, flags, BasicStats, bytes);
            }
        }

        if (result != 0)
        {
            read = default;
            return Marshal.GetLastPInvokeError();
        }

        var kind = (MemoryMarshal.Read<ushort>(status[28..]) & 0xf000) switch
        {
            0x8000 => FileKind.Regular,
            0x4000 => FileKind.Directory,
            0xc000 => FileKind.Socket,
            0x1000 => FileKind.Fifo,
            0xa000 => FileKind.SymbolicLink,
            _ => FileKind.Device,
        };
        read = new FileStatus(
            kind,
            ((ulong)MemoryMarshal.Read<uint>(status[136..]) << 32) | MemoryMarshal.Read<uint>(status[140..]),
            MemoryMarshal.Read<ulong>(status[32..]),
            MemoryMarshal.Read<long>(status[40..]),
            TimeAt(status[112..]),
            TimeAt(status[96..]),
            MemoryMarshal.Read<uint>(status[20..]));
        return 0;
    }

    private static long TimeAt(ReadOnlySpan<byte> timestamp) =>
        unchecked((MemoryMarshal.Read<long>(timestamp) * 1_000_000_000) + MemoryMarshal.Read<uint>(timestamp[8..]));

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8, SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static unsafe partial int Statx(int folder, string path, int flags, uint mask, byte* status);
}
