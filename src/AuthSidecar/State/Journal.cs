using Microsoft.Win32.SafeHandles;

namespace AuthSidecar.State;

/// <summary>An append-only file of lines: what is appended is on disk when the call returns.</summary>
/// <remarks>
/// One process at a time owns the file, by a lock on another that is never replaced. Each line begins with a digest of itself and of the
/// line before. A torn last line is what a crash leaves of an append that did not return, and is dropped; damage anywhere else, a line lost
/// included, is an error.
/// <para/>
/// Not safe to share between threads.
/// </remarks>
internal sealed class Journal : IDisposable
{
    private const long CompactAboveBytes = 4 * 1024 * 1024;
    private const int DigestBytes = 8;

    private readonly string _path;
    private readonly SafeFileHandle _ownership;
    private SafeFileHandle _file;
    private long _length;
    private byte[] _lastDigest = [];
    private long _compactAboveBytes = CompactAboveBytes;

    private Journal(string path, SafeFileHandle ownership, SafeFileHandle file) => (_path, _ownership, _file) = (path, ownership, file);

    /// <summary>Takes a line of a journal that is opened; false: it is invalid.</summary>
    public delegate bool Replay(ReadOnlySpan<byte> line);

    /// <summary>Whether it has grown so long that it should be compacted.</summary>
    public bool IsLong => _length > _compactAboveBytes;

    /// <summary>Opens a journal and replays its lines, or creates an empty one.</summary>
    /// <param name="replay">Takes each line, in order.</param>
    /// <param name="remedy">What to do about a damaged one, for people.</param>
    /// <exception cref="IOException">Another process has it, or the disk fails.</exception>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public static Journal Open(string path, Replay replay, string remedy)
    {
        var journal = new Journal(path, OpenFile(path + ".lock", FileShare.None), OpenFile(path, FileShare.Read));
        try
        {
            journal.Load(replay, remedy);
            return journal;
        }
        catch
        {
            journal.Dispose();
            throw;
        }
    }

    /// <summary>Appends lines, all of them or none.</summary>
    /// <exception cref="IOException">The disk fails.</exception>
    public void Append(IEnumerable<byte[]> lines)
    {
        var (bytes, digest) = Encode(lines, _lastDigest);
        try
        {
            RandomAccess.Write(_file, bytes.Span, _length);
            RandomAccess.FlushToDisk(_file);
            (_length, _lastDigest) = (_length + bytes.Length, digest);
        }
        catch (IOException)
        {
            // Whatever part was written must not stand in front of the next line.
            RandomAccess.SetLength(_file, _length);
            throw;
        }
    }

    /// <summary>Writes other lines beside the journal, and puts them in its place in one step. Where that fails the journal stays as it is,
    /// and is long again when it has doubled.</summary>
    public void Compact(IEnumerable<byte[]> lines)
    {
        var temporary = _path + ".new";
        SafeFileHandle? compacted = null;
        try
        {
            var (bytes, digest) = Encode(lines, []);
            File.Delete(temporary);
            compacted = OpenFile(temporary, FileShare.Read);
            RandomAccess.Write(compacted, bytes.Span, 0);
            RandomAccess.FlushToDisk(compacted);
            File.Move(temporary, _path, overwrite: true);
            _file.Dispose();
            (_file, _length, _lastDigest) = (compacted, bytes.Length, digest);
            _compactAboveBytes = Math.Max(CompactAboveBytes, 2 * _length);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            compacted?.Dispose();
            DeleteIfPossible(temporary);
            _compactAboveBytes = 2 * _length;
        }
    }

    public void Dispose()
    {
        _file.Dispose();
        _ownership.Dispose();
    }

    private void Load(Replay replay, string remedy)
    {
        var text = ReadWhole(_file);
        var whole = text.AsSpan().LastIndexOf((byte)'\n') + 1;
        var number = 0;
        for (var rest = text.AsSpan(0, whole); !rest.IsEmpty; number++)
        {
            var end = rest.IndexOf((byte)'\n');
            if (!TryReplay(rest[..end], replay))
                throw new InvalidDataException($"`{_path}` is damaged in line {number + 1}: {remedy}");

            rest = rest[(end + 1)..];
        }

        _length = whole;
        RandomAccess.SetLength(_file, whole);
    }

    private bool TryReplay(ReadOnlySpan<byte> line, Replay replay)
    {
        const int HexDigits = 2 * DigestBytes;
        if (line.Length <= HexDigits + 1 || line[HexDigits] != (byte)' ')
            return false;

        var content = line[(HexDigits + 1)..];
        _lastDigest = DigestOf(_lastDigest, content);
        return line[..HexDigits].SequenceEqual(Encoding.ASCII.GetBytes(Convert.ToHexString(_lastDigest))) && replay(content);
    }

    /// <summary>Each line after a digest of the line before and of itself; and the digest of the last.</summary>
    private static (ReadOnlyMemory<byte> Bytes, byte[] Digest) Encode(IEnumerable<byte[]> lines, byte[] digest)
    {
        var bytes = new MemoryStream();
        foreach (var line in lines)
        {
            digest = DigestOf(digest, line);
            bytes.Write(Encoding.ASCII.GetBytes(Convert.ToHexString(digest)));
            bytes.WriteByte((byte)' ');
            bytes.Write(line);
            bytes.WriteByte((byte)'\n');
        }

        return (bytes.GetBuffer().AsMemory(0, (int)bytes.Length), digest);
    }

    private static byte[] DigestOf(ReadOnlySpan<byte> previous, ReadOnlySpan<byte> line) =>
        SHA256.HashData([.. previous, .. line])[..DigestBytes];

    private static byte[] ReadWhole(SafeFileHandle file)
    {
        var bytes = new byte[RandomAccess.GetLength(file)];
        for (var read = 0; read < bytes.Length;)
        {
            var count = RandomAccess.Read(file, bytes.AsSpan(read), read);
            read += count > 0 ? count : throw new EndOfStreamException();
        }

        return bytes;
    }

    private static SafeFileHandle OpenFile(string path, FileShare share)
    {
        if (!File.Exists(path))
        {
            // Nobody else's business; the handle itself cannot be opened with permissions.
            using var created = new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.ReadWrite,
                Share = FileShare.ReadWrite,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
        }

        return File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, share);
    }

    private static void DeleteIfPossible(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The disk is in trouble already, and the journal is whole.
        }
    }
}
