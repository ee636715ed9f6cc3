using System.Security.Cryptography;

namespace AuthSidecar.ControlPlane.Hosting;

/// <summary>What a node keeps for itself. The folder and its files are the owner's alone.</summary>
internal sealed class StateFolder
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const string BundleKeyName = "bundle-signing.pem";

    private readonly string _path;

    /// <exception cref="IOException">The folder cannot be made.</exception>
    public StateFolder(string path)
    {
        _path = path;
        System.IO.Directory.CreateDirectory(path, OwnerOnly | UnixFileMode.UserExecute);
    }

    /// <summary>The key that bundles are signed with. Made when there is none.</summary>
    /// <exception cref="InvalidDataException">The file holds something else.</exception>
    public ECDsa BundleKey()
    {
        var path = Path.Combine(_path, BundleKeyName);
        if (!File.Exists(path))
        {
            using var created = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            WriteSecret(path, created.ExportPkcs8PrivateKeyPem());
        }

        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(File.ReadAllText(path));
            return key;
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            key.Dispose();
            throw new InvalidDataException($"`{path}` is not a private key in PEM", e);
        }
    }

    /// <summary>Lays the public keys out, for sidecars to be given.</summary>
    public void WriteBundleKeys(string keySet) => File.WriteAllText(Path.Combine(_path, "bundle-keys.json"), keySet);

    /// <summary>Writes a file that nobody else can read, whole or not at all.</summary>
    private static void WriteSecret(string path, string content)
    {
        var temporary = path + ".new";
        File.Delete(temporary);
        using (var stream = new FileStream(temporary, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly }))
        {
            stream.Write(System.Text.Encoding.UTF8.GetBytes(content));
            stream.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
    }
}
