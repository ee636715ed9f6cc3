using System.Diagnostics.CodeAnalysis;

namespace AuthSidecar.Bundles;

/// <summary>The files of a bundle, as they were at one moment. Paths are relative, with <c>/</c>.</summary>
internal sealed class BundleFiles(SortedDictionary<string, byte[]> files)
{
    public IEnumerable<string> Paths => files.Keys;
    public bool TryRead(string path, [NotNullWhen(true)] out byte[]? bytes) => files.TryGetValue(path, out bytes);

    /// <summary>A digest of some of the files, names included; the same exactly when nothing about them has changed.</summary>
    public string DigestOf(IEnumerable<string> paths)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var path in paths)
        {
            hash.AppendData(Encoding.UTF8.GetBytes($"{path}\0"));
            hash.AppendData(files.TryGetValue(path, out var bytes) ? SHA256.HashData(bytes) : "-"u8);
        }

        return Convert.ToHexString(hash.GetHashAndReset());
    }
}
