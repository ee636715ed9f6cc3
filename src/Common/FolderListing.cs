namespace AuthSidecar.Common;

/// <summary>The files below a folder, as they were when it was looked at.</summary>
/// <param name="Files">The regular files by their paths, relative and with <c>/</c>, in order.</param>
/// <param name="Stamp">What is to be seen of them; another whenever one of them is another, or comes or goes.</param>
/// <param name="NewestWriteUtc">When the newest of them was written.</param>
internal sealed record FolderListing(IReadOnlyList<KeyValuePair<string, FileStatus>> Files, string Stamp, DateTime NewestWriteUtc)
{
    public const long MaxBytes = 256 * 1024 * 1024;
    private const int MaxFiles = 100_000;
    private const int MaxDepth = 16;

    /// <summary>Looks at a folder without reading a file. Hidden files are editors' and volume mounts' business:
    /// <c>.policies.cedar.swp</c>, <c>..data</c>.</summary>
    /// <exception cref="IOException">It cannot be listed.</exception>
    /// <exception cref="InvalidDataException">The folder has something in it that is not a file, or too many files.</exception>
    public static FolderListing Of(string folder)
    {
        var files = new List<KeyValuePair<string, FileStatus>>();
        var newest = FileStatus.Of(folder).ModifiedNs;
        Walk(folder, "", depth: 1);
        files.Sort((a, b) => string.CompareOrdinal(a.Key, b.Key));
        var stamp = new StringBuilder();
        foreach (var (path, status) in files)
        {
            status.AppendTo(stamp.Append(path).Append('\0'));
            newest = Math.Max(newest, status.ModifiedNs);
        }

        return new FolderListing(files, stamp.ToString(), DateTime.UnixEpoch.AddTicks(newest / TimeSpan.NanosecondsPerTick));

        void Walk(string current, string prefix, int depth)
        {
            if (depth > MaxDepth)
            {
                throw new InvalidDataException(
                    $"`{prefix.TrimEnd('/')}` is nested more than {MaxDepth} folders deep: possible symbolic link loop");
            }

            foreach (var full in System.IO.Directory.EnumerateFileSystemEntries(current))
            {
                var name = Path.GetFileName(full);
                if (name.StartsWith('.'))
                    continue;

                if (name.Contains('\uFFFD', StringComparison.Ordinal))
                    throw new InvalidDataException($"the name of `{prefix}{name}` is not valid UTF-8: rename it");

                var status = StatusOf(full, prefix + name);
                switch (status.Kind)
                {
                    case FileKind.Directory when Path.GetExtension(name) is ".cedar" or ".cedarschema" or ".json":
                        throw new InvalidDataException($"`{prefix}{name}` is a folder, not a file: remove or rename it");
                    case FileKind.Directory: Walk(full, $"{prefix}{name}/", depth + 1); break;
                    case FileKind.Regular when files.Count < MaxFiles: files.Add(new($"{prefix}{name}", status)); break;
                    case FileKind.Regular: throw new InvalidDataException($"too many files: limit {MaxFiles}");
                    case FileKind.None when FileStatus.OfLink(full).Kind == FileKind.None:
                        // Gone in between, as files that are being replaced are.
                        break;
                    default:
                        throw new InvalidDataException($"`{prefix}{name}` is not a regular file, but {Describe(status.Kind)}: remove it");
                }
            }
        }
    }

    /// <summary>A circular link, or one to a path without permission, is a fault of the folder's content: the folder itself is
    /// readable.</summary>
    private static FileStatus StatusOf(string full, string path)
    {
        try
        {
            return FileStatus.Of(full);
        }
        catch (IOException e) when (FileStatus.OfLink(full).Kind == FileKind.SymbolicLink)
        {
            throw new InvalidDataException($"`{path}` is a symbolic link that cannot be followed: {e.Message}", e);
        }
    }

    /// <summary>Reads the files, so that what is checked is what is used.</summary>
    /// <param name="folder">The folder they are in.</param>
    /// <exception cref="IOException">A file cannot be read, or changed since the folder was listed.</exception>
    /// <exception cref="InvalidDataException">The files exceed the limit in bytes.</exception>
    public SortedDictionary<string, byte[]> Read(string folder)
    {
        if (Files.Sum(f => f.Value.Length) > MaxBytes)
            throw new InvalidDataException($"files too large: limit {MaxBytes / (1024 * 1024)} MiB in total");

        var read = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var (path, status) in Files)
            read.Add(path, ReadExactly(Path.Combine(folder, path), path, status.Length));

        return read;
    }

    private static byte[] ReadExactly(string full, string path, long length)
    {
        using var handle = File.OpenHandle(full);
        var bytes = new byte[length];
        var read = 0;
        while (read < bytes.Length && RandomAccess.Read(handle, bytes.AsSpan(read), read) is var count and > 0)
            read += count;

        Span<byte> more = stackalloc byte[1];
        return read == bytes.Length && RandomAccess.Read(handle, more, read) == 0 ? bytes
            : throw new IOException($"`{path}` changed while it was read");
    }

    private static string Describe(FileKind kind) => kind switch
    {
        FileKind.Fifo => "a FIFO",
        FileKind.Socket => "a socket",
        FileKind.Device => "a device",
        _ => "a dangling symbolic link",
    };
}
