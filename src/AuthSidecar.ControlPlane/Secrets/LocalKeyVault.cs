namespace AuthSidecar.ControlPlane.Secrets;

/// <summary>Master keys as text: one of 32 bytes in base64 on each line, the first wraps, the others still unwrap. Read anew each time, so
/// that a new key is put in front of the old one while we run.</summary>
internal sealed class LocalKeyVault(string name, Func<string> read) : KeyVault
{
    private static readonly byte[] Context = Encoding.ASCII.GetBytes("authsidecar-data-key-v1");

    public override Task<string> CurrentKeyIdAsync(CancellationToken cancellation) => Task.FromResult(IdOf(ReadKeys()[0]));

    public override Task<WrappedKey> WrapAsync(byte[] dataKey, CancellationToken cancellation)
    {
        var key = ReadKeys()[0];
        return Task.FromResult(new WrappedKey(IdOf(key), AesGcmEnvelope.Seal(key, dataKey, Context)));
    }

    public override Task<byte[]> UnwrapAsync(WrappedKey wrapped, CancellationToken cancellation)
    {
        var key = ReadKeys().Find(k => IdOf(k) == wrapped.KeyId)
            ?? throw new KeyVaultException($"{name} does not have the master key {wrapped.KeyId}, with which a data key is wrapped");
        return Task.FromResult(
            AesGcmEnvelope.TryOpen(key, wrapped.Bytes, Context) ?? throw new KeyVaultException("a data key was altered"));
    }

    /// <summary>A name for a key that tells nothing about it.</summary>
    internal static string IdOf(byte[] key) => Convert.ToHexStringLower(SHA256.HashData([.. Context, .. key]).AsSpan(0, 8));

    private List<byte[]> ReadKeys()
    {
        string text;
        try
        {
            text = read();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KeyVaultException($"failed to read the master keys in {name}: {e.Message}", e);
        }

        var keys = new List<byte[]>();
        foreach (var line in text.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var key = new byte[KeyBytes];
            if (!Convert.TryFromBase64String(line, key, out var length) || length != KeyBytes)
                throw new KeyVaultException($"invalid master key in {name}: expected {KeyBytes} bytes in base64 on each line");

            keys.Add(key);
        }

        return keys.Count > 0 ? keys : throw new KeyVaultException($"no master key in {name}");
    }
}
