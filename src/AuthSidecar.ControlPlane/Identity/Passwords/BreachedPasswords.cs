using Microsoft.Win32.SafeHandles;

namespace AuthSidecar.ControlPlane.Identity.Passwords;

/// <summary>Passwords that are known from breaches, in a file of their SHA-1 hashes: a line each, `HASH` or `HASH:COUNT`, in order, as <see
/// href="https://haveibeenpwned.com/Passwords">Pwned Passwords</see> are downloaded. Whatever its size, a look reads some dozen blocks of
/// it.</summary>
internal sealed class BreachedPasswords : IDisposable
{
    private const int HashLength = 40;

    /// <summary>Of a hash, a count, and the end of the line.</summary>
    private const int MaxLine = 64;

    private const int Probes = 64;

    private readonly SafeFileHandle _file;
    private readonly long _length;

    private BreachedPasswords(SafeFileHandle file)
    {
        _file = file;
        _length = RandomAccess.GetLength(file);
    }

    /// <exception cref="InvalidDataException">The file is empty, unsorted or has another format.</exception>
    public static BreachedPasswords Open(string path)
    {
        var list = new BreachedPasswords(File.OpenHandle(path, options: FileOptions.RandomAccess));
        try
        {
            if (list._length == 0)
                throw new InvalidDataException($"`{path}` is empty");

            // As far as can be told without reading all of it: that is tens of gigabytes.
            var before = "";
            for (var i = 0; i < Probes; i++)
            {
                var (_, hash, _) = list.LineAt((list._length - 1) * i / (Probes - 1));
                before = string.CompareOrdinal(before, hash) <= 0 ? hash
                    : throw new InvalidDataException($"`{path}` is not sorted: download the file that is ordered by hash");
            }

            return list;
        }
        catch (InvalidDataException e)
        {
            list.Dispose();
            throw e.Message.StartsWith('`') ? e
                : new InvalidDataException($"`{path}` is not a sorted list of SHA-1 hashes (`HASH` or `HASH:COUNT` lines): {e.Message}");
        }
    }

    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public bool Contains(string password)
    {
#pragma warning disable CA5350 // What the lists are made of; nothing is kept secret by it.
        var sought = Convert.ToHexString(SHA1.HashData(Encoding.UTF8.GetBytes(password)));
#pragma warning restore CA5350
        var (low, high) = (0L, _length);
        while (low < high)
        {
            var (start, hash, next) = LineAt(low + ((high - low) / 2));
            switch (string.CompareOrdinal(sought, hash))
            {
                case 0: return true;
                case < 0: high = start; break;
                default: low = next; break;
            }
        }

        return false;
    }

    public void Dispose() => _file.Dispose();

    /// <summary>The line that has this byte.</summary>
    private (long Start, string Hash, long Next) LineAt(long offset)
    {
        Span<byte> window = stackalloc byte[2 * MaxLine];
        var from = Math.Max(0, offset - MaxLine);
        window = window[..RandomAccess.Read(_file, window, from)];
        var at = (int)(offset - from);
        var start = window[..at].LastIndexOf((byte)'\n') + 1;
        var line = window[start..];
        var end = line.IndexOf((byte)'\n');
        if ((start == 0 && from > 0) || (end < 0 && from + window.Length < _length) || line.Length < HashLength
            || line[..HashLength].ContainsAnyExcept("0123456789ABCDEFabcdef"u8)
            || (line.Length > HashLength && line[HashLength] is not ((byte)':' or (byte)'\r' or (byte)'\n')))
        {
            throw new InvalidDataException($"no hash at byte {from + start}");
        }

        return (from + start, Encoding.ASCII.GetString(line[..HashLength]).ToUpperInvariant(), end < 0 ? _length : from + start + end + 1);
    }
}
