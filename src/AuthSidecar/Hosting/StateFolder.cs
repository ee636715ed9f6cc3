using System.Security.Cryptography;
using AuthSidecar.Mfa;

namespace AuthSidecar.Hosting;

/// <summary>What a sidecar on its own keeps between runs. The folder and its files are the owner's alone.</summary>
internal sealed class StateFolder
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _path;

    /// <exception cref="IOException">The folder cannot be made.</exception>
    public StateFolder(string path)
    {
        _path = path;
        Directory.CreateDirectory(path, OwnerOnly | UnixFileMode.UserExecute);
    }

    public string ClaimStore => Path.Combine(_path, "claims.journal");

    /// <summary>The key that TOTP secrets in bundles are wrapped with: 32 bytes as base64. Made when there is none.</summary>
    /// <exception cref="InvalidDataException">The file holds something else.</exception>
    public byte[] MfaWrappingKey()
    {
        var text = ReadOrCreate("mfa-wrapping.key", () => Convert.ToBase64String(RandomNumberGenerator.GetBytes(WrappedSecret.KeyBytes)));
        var key = new byte[WrappedSecret.KeyBytes];
        return Convert.TryFromBase64String(text.Trim(), key, out var length) && length == key.Length
            ? key
            : throw new InvalidDataException($"`{Path.Combine(_path, "mfa-wrapping.key")}` is not {WrappedSecret.KeyBytes} bytes in base64");
    }

    /// <summary>The key that proofs of second factors are signed with. Made when there is none.</summary>
    /// <exception cref="InvalidDataException">The file holds something else.</exception>
    public ECDsa MfaProofKey()
    {
        const string Name = "mfa-proof.pem";
        var pem = ReadOrCreate(Name, () =>
        {
            using var created = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            return created.ExportPkcs8PrivateKeyPem();
        });
        var key = ECDsa.Create();
        try
        {
            key.ImportFromPem(pem);
            return key.KeySize == 256 ? key : throw new CryptographicException("not a P-256 key");
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            key.Dispose();
            throw new InvalidDataException($"`{Path.Combine(_path, Name)}` is not a P-256 private key in PEM", e);
        }
    }

    private string ReadOrCreate(string name, Func<string> create)
    {
        var path = Path.Combine(_path, name);
        if (!File.Exists(path))
        {
            WriteSecret(path, create());
        }

        return File.ReadAllText(path);
    }

    /// <summary>Writes a file that nobody else can read, whole or not at all.</summary>
    public static void WriteSecret(string path, string content)
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
