using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace AuthSidecar.Sync.Bundles;

/// <summary>The files of a bundle, as they were at one moment. Paths are relative, with <c>/</c>.</summary>
internal sealed class BundleFiles
{
    public const long MaxBytes = 256 * 1024 * 1024;

    private readonly SortedDictionary<string, byte[]> _files;

    public BundleFiles(SortedDictionary<string, byte[]> files) => _files = files;

    public IEnumerable<string> Paths => _files.Keys;

    public bool TryRead(string path, [NotNullWhen(true)] out byte[]? bytes) => _files.TryGetValue(path, out bytes);

    /// <summary>A digest of some of the files, names included; the same exactly when nothing about them has changed.</summary>
    public string DigestOf(IEnumerable<string> paths)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var path in paths)
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{path}\0"));
            hash.AppendData(_files.TryGetValue(path, out var bytes) ? SHA256.HashData(bytes) : "-"u8);
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }

    /// <summary>Reads all files below a folder into memory, so that what is checked is what is used.</summary>
    /// <exception cref="IOException">A file cannot be read, or there is too much.</exception>
    public static BundleFiles Load(string folder)
    {
        var files = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        var total = 0L;
        foreach (var path in Enumerate(folder))
        {
            var bytes = File.ReadAllBytes(path);
            total += bytes.Length;
            if (total > MaxBytes)
            {
                throw new IOException($"the bundle is larger than {MaxBytes / (1024 * 1024)} MiB");
            }

            files.Add(Path.GetRelativePath(folder, path).Replace(Path.DirectorySeparatorChar, '/'), bytes);
        }

        return new BundleFiles(files);
    }

    /// <summary>What can be seen of the files without reading them; changes when any of them does.</summary>
    /// <exception cref="IOException">The folder cannot be listed.</exception>
    public static (string Fingerprint, DateTime NewestWriteUtc) Inspect(string folder)
    {
        var fingerprint = new StringBuilder();
        var newest = Directory.GetLastWriteTimeUtc(folder);
        foreach (var path in Enumerate(folder).Order(StringComparer.Ordinal))
        {
            var info = new FileInfo(path);
            var written = info.LastWriteTimeUtc;
            newest = written > newest ? written : newest;
            fingerprint.Append(path).Append('\0').Append(info.Length).Append('\0').Append(written.Ticks).Append('\n');
        }

        return (fingerprint.ToString(), newest);
    }

    /// <summary>Hidden files are editors' and volume mounts' business: <c>.policies.cedar.swp</c>, <c>..data</c>.</summary>
    private static IEnumerable<string> Enumerate(string folder) =>
        Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Where(path => !Path.GetRelativePath(folder, path).Split(Path.DirectorySeparatorChar).Any(part => part.StartsWith('.') || part.EndsWith('~')));
}
