namespace AuthSidecar.State;

/// <summary>What a sidecar on its own keeps between runs. The folder and its files are the owner's alone.</summary>
internal sealed class StateFolder
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly string _path;

    /// <exception cref="IOException">The folder cannot be created.</exception>
    public StateFolder(string path)
    {
        _path = File.Exists(path) ? throw new IOException($"failed to create the state folder `{path}`: it is a file") : path;
        CreateOwned(path);
    }

    /// <summary>Locks the folder for this process.</summary>
    /// <exception cref="IOException">Another process has locked it.</exception>
    public FileLock TakeAlone() => FileLock.Take(Path.Combine(_path, "lock"), $"the state folder `{_path}`");

    /// <summary>Makes a folder that is its owner's alone, unless it is there.</summary>
    public static void CreateOwned(string path) => Directory.CreateDirectory(path, OwnerOnly | UnixFileMode.UserExecute);

    public string LastKnownGood => Path.Combine(_path, "last-known-good");

    /// <summary>What issuers published when it was last fetched.</summary>
    public string KeySets => Path.Combine(_path, "key-sets");

    /// <summary>Redeemed codes and counters of wrong ones.</summary>
    public string MfaAttempts => Path.Combine(_path, "mfa-attempts.journal");

    /// <summary>The key that TOTP secrets in bundle folders are wrapped with. Made when there is none.</summary>
    /// <exception cref="InvalidDataException">The file holds something else.</exception>
    public byte[] MfaWrappingKey() => SymmetricKey("mfa-wrapping.key");

    /// <summary>The key that what is kept of a control plane's stream is encrypted with. Made when there is none.</summary>
    /// <exception cref="InvalidDataException">The file holds something else.</exception>
    public byte[] LastKnownGoodKey() => SymmetricKey("last-known-good.key");

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

    /// <summary>32 bytes as base64.</summary>
    private byte[] SymmetricKey(string name)
    {
        var text = ReadOrCreate(name, () => Convert.ToBase64String(RandomNumberGenerator.GetBytes(AesGcmEnvelope.KeyBytes)));
        var key = new byte[AesGcmEnvelope.KeyBytes];
        return Convert.TryFromBase64String(text.Trim(), key, out var length) && length == key.Length
            ? key
            : throw new InvalidDataException($"`{Path.Combine(_path, name)}` is not {AesGcmEnvelope.KeyBytes} bytes in base64");
    }

    private string ReadOrCreate(string name, Func<string> create)
    {
        var path = Path.Combine(_path, name);
        if (!File.Exists(path))
            WriteSecret(path, create());

        return File.ReadAllText(path);
    }

    /// <summary>Writes a file that nobody else can read, whole or not at all.</summary>
    public static void WriteSecret(string path, string content) => WriteSecret(path, System.Text.Encoding.UTF8.GetBytes(content));

    /// <inheritdoc cref="WriteSecret(string, string)"/>
    public static void WriteSecret(string path, ReadOnlySpan<byte> content)
    {
        var temporary = path + ".new";
        File.Delete(temporary);
        using (var stream = new FileStream(
            temporary, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly }))
        {
            stream.Write(content);
            stream.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
    }
}
