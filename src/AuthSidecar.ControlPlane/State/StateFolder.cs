namespace AuthSidecar.ControlPlane.State;

/// <summary>What a node keeps for itself. The folder and its files are the owner's alone.</summary>
internal sealed class StateFolder
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode EveryoneReads = UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private const string CaFile = "ca.pem";

    private readonly string _path;

    /// <exception cref="IOException">The folder cannot be created.</exception>
    public StateFolder(string path)
    {
        _path = File.Exists(path) ? throw new IOException($"failed to create the state folder `{path}`: it is a file") : path;
        System.IO.Directory.CreateDirectory(path, OwnerOnly | UnixFileMode.UserExecute);
    }

    /// <summary>Locks the folder for this process.</summary>
    /// <exception cref="IOException">Another process has locked it.</exception>
    public FileLock TakeAlone() => FileLock.Take(Path.Combine(_path, "lock"), $"the state folder `{_path}`");

    /// <summary>Where the master key is unless it is said otherwise.</summary>
    public string MasterKey => Path.Combine(_path, "master.key");

    /// <summary>Makes the master key of a database that has nothing wrapped with one yet.</summary>
    public void CreateMasterKey() => WriteSecret(MasterKey, Convert.ToBase64String(RandomNumberGenerator.GetBytes(KeyVault.KeyBytes)));

    /// <summary>The file with the bootstrap code, by which one becomes the first administrator.</summary>
    public string BootstrapCode => Path.Combine(_path, "bootstrap-code");

    /// <summary>the bootstrap code; null: there is none.</summary>
    public string? ReadBootstrapCode() => File.Exists(BootstrapCode) ? File.ReadAllText(BootstrapCode).Trim() : null;

    public void WriteBootstrapCode(string code) => WriteSecret(BootstrapCode, code + "\n");
    public void RemoveBootstrapCode() => File.Delete(BootstrapCode);

    /// <summary>Writes the public bundle-signing keys, for `--pinned-keys` of sidecars.</summary>
    public void WriteBundleKeys(string keySet) => Write(Path.Combine(_path, "bundle-keys.json"), keySet, OwnerOnly | EveryoneReads);

    /// <summary>Writes the certificates of the CAs, for `--ca` of administrators' tools.</summary>
    public void WriteCa(string pem) => Write(Path.Combine(_path, CaFile), pem, OwnerOnly | EveryoneReads);

    /// <exception cref="IOException">There is no CA certificate.</exception>
    public static string ReadCa(string path) => Path.Combine(path, CaFile) is var file && File.Exists(file)
        ? File.ReadAllText(file)
        : throw new IOException($"CA certificate not found: `{file}`; the control plane creates it when it starts");

    private static void WriteSecret(string path, string content) => Write(path, content, OwnerOnly);

    /// <summary>Writes a file, whole or not at all.</summary>
    private static void Write(string path, string content, UnixFileMode mode)
    {
        var temporary = path + ".new";
        File.Delete(temporary);
        using (var stream = new FileStream(
            temporary, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = mode }))
        {
            stream.Write(System.Text.Encoding.UTF8.GetBytes(content));
            stream.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
    }
}
