namespace AuthSidecar.ControlPlane.Secrets;

/// <summary>Who has the master key, which wraps data keys and nothing else: a file, an environment variable, HashiCorp Vault.</summary>
internal abstract class KeyVault
{
    public const int KeyBytes = 32;

    /// <summary>Reads <c>file:PATH</c>, <c>env:NAME</c> or <c>vault:ADDRESS/KEY</c>.</summary>
    /// <param name="vaultTokenFile">The file with the token for Vault; null: there is none.</param>
    /// <exception cref="FormatException">The text has none of these forms.</exception>
    public static KeyVault Parse(string text, string? vaultTokenFile) => text.Split(':', 2) switch
    {
        ["file", { Length: > 0 } path] => new LocalKeyVault($"`{path}`", () => File.ReadAllText(path)),
        ["env", { Length: > 0 } name] => new LocalKeyVault($"${name}", () => Environment.GetEnvironmentVariable(name) ?? ""),
        ["vault", { } address] => TransitKeyVault.At(
            address, vaultTokenFile ?? throw new FormatException("`--key-vault vault:...` requires `--vault-token`")),
        _ => throw new FormatException("invalid key vault: expected `file:PATH`, `env:NAME` or `vault:https://HOST:PORT/KEY`"),
    };

    /// <summary>The id of the master key that wraps now.</summary>
    /// <exception cref="KeyVaultException">The key vault did not answer.</exception>
    public abstract Task<string> CurrentKeyIdAsync(CancellationToken cancellation);

    /// <summary>Wraps a data key with the current master key.</summary>
    /// <exception cref="KeyVaultException">The key vault did not answer.</exception>
    public abstract Task<WrappedKey> WrapAsync(byte[] dataKey, CancellationToken cancellation);

    /// <summary>Unwraps a data key, with whatever master key wrapped it, as long as that is there.</summary>
    /// <exception cref="KeyVaultException">The master key is missing, or did not wrap the data key.</exception>
    public abstract Task<byte[]> UnwrapAsync(WrappedKey wrapped, CancellationToken cancellation);
}

/// <summary>A data key under a master key.</summary>
/// <param name="KeyId">The master key's.</param>
/// <param name="Bytes">In the vault's own format.</param>
internal sealed record WrappedKey(string KeyId, byte[] Bytes);

/// <summary>A vault did not do what it was asked for.</summary>
internal sealed class KeyVaultException(string message, Exception? inner = null) : Exception(message, inner);
