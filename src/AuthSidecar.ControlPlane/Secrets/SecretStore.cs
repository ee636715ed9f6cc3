namespace AuthSidecar.ControlPlane.Secrets;

/// <summary>Secrets at rest: each under a data key, and the data keys under the vault's master key. All nodes of a control plane have the
/// same ones, in the store. Data keys are unwrapped once, at the start: without the vault nothing starts, and what runs goes on.</summary>
internal sealed class SecretStore(ControlStore store, KeyVault vault)
{
    /// <summary>Wraps the secrets of second factors. Sidecars have it as well: they verify them.</summary>
    private const string FactorsKey = "factors";

    /// <summary>Wraps everything that sidecars never see.</summary>
    private const string SecretsKey = "secrets";

    private const string TokenEncryption = "token-encryption";
    private const string RefreshTokens = "refresh-tokens";
    private const string PepperPrefix = "password-pepper-";
    private const string System = "system";

    private readonly Lock _readingPeppers = new();
    private byte[] _secretsKey = [];

    /// <summary>What the secrets of second factors are wrapped with.</summary>
    public byte[] FactorWrappingKey { get; private set; } = [];

    /// <summary>The key of tokens that nobody but ourselves reads.</summary>
    public byte[] TokenEncryptionKey { get; private set; } = [];

    /// <summary>What refresh tokens are made with: who has it and the database could make them.</summary>
    public byte[] RefreshTokenKey { get; private set; } = [];

    /// <summary>What passwords are hashed with, beside their salts.</summary>
    public Peppers Peppers { get; private set; } = new([]);

    /// <summary>Encrypts a secret that is kept elsewhere in the store.</summary>
    /// <param name="purpose">What it is for: it opens for nothing else.</param>
    public byte[] Seal(ReadOnlySpan<byte> content, string purpose) => AesGcmEnvelope.Seal(
        _secretsKey, content, Encoding.UTF8.GetBytes(purpose));

    /// <exception cref="KeyVaultException">It was altered, or is for something else.</exception>
    public byte[] Open(byte[] content, string purpose) =>
        AesGcmEnvelope.TryOpen(_secretsKey, content, Encoding.UTF8.GetBytes(purpose))
            ?? throw new KeyVaultException($"the secret `{purpose}` was altered");

    /// <summary>Unwraps what there is, and makes what there is not yet.</summary>
    /// <exception cref="KeyVaultException">The vault does not unwrap it.</exception>
    public async Task OpenAsync(CancellationToken cancellation)
    {
        FactorWrappingKey = await OpenDataKeyAsync(FactorsKey, cancellation);
        _secretsKey = await OpenDataKeyAsync(SecretsKey, cancellation);
        TokenEncryptionKey = await OpenSecretAsync(TokenEncryption, NewKey, cancellation);
        RefreshTokenKey = await OpenSecretAsync(RefreshTokens, NewKey, cancellation);
        await OpenSecretAsync($"{PepperPrefix}{Peppers.FirstId}", NewKey, cancellation);
        await ReadPeppersAsync(cancellation);
    }

    /// <summary>Reads the peppers again: another node may have made one.</summary>
    public async Task ReadPeppersAsync(CancellationToken cancellation)
    {
        var rows = await store.ReadAsync(
            (context, _) => context.Secrets.Where(s => s.Name.StartsWith(PepperPrefix)).ToListAsync(cancellation), cancellation);
        lock (_readingPeppers)
        {
            // None is ever taken away: whoever has read fewer has read before.
            if (rows.Count > Peppers.Count)
                Peppers = new Peppers(rows.Select(r => KeyValuePair.Create(r.Name[PepperPrefix.Length..], Open(r.Sealed, r.Name))));
        }
    }

    /// <summary>Hashes passwords with a new pepper from now on. Those before it verify what they have hashed, until its owner comes and it
    /// is hashed anew.</summary>
    public async Task<WriteResult> AddPepperAsync(string actor, CancellationToken cancellation)
    {
        var result = await store.WriteAsync(
            actor,
            async transaction =>
            {
                var names = await transaction.Context.Secrets.Where(s => s.Name.StartsWith(PepperPrefix)).Select(s => s.Name)
                    .ToListAsync(cancellation);
                var name = $"{PepperPrefix}{Peppers.NextId(names.Select(n => n[PepperPrefix.Length..]))}";
                transaction.Context.Secrets.Add(new SecretRow { Name = name, Sealed = Seal(NewKey(), name) });
                transaction.Audit("secret.create", name, Placement.ControlPlane, before: null, after: null);
                return null;
            },
            cancellation);
        await ReadPeppersAsync(cancellation);
        return result;
    }

    /// <summary>Wraps data keys anew that another master key wraps than the one that wraps now. Whoever uses them does not
    /// notice.</summary>
    /// <returns>How many.</returns>
    public async Task<int> RewrapAsync(CancellationToken cancellation)
    {
        var current = await vault.CurrentKeyIdAsync(cancellation);
        var outdated = await store.ReadAsync(
            (context, _) => context.DataKeys.Where(k => k.MasterKeyId != current).ToListAsync(cancellation), cancellation);
        foreach (var before in outdated)
        {
            // Before the write: a vault takes its time, and nobody writes meanwhile.
            var key = await vault.UnwrapAsync(new WrappedKey(before.MasterKeyId, before.Wrapped), cancellation);
            var wrapped = await vault.WrapAsync(key, cancellation);
            CryptographicOperations.ZeroMemory(key);
            await store.WriteAsync(
                System,
                async transaction =>
                {
                    var row = await transaction.Context.DataKeys.SingleAsync(k => k.Name == before.Name, cancellation);
                    if (row.MasterKeyId != before.MasterKeyId)
                        return new Refusal.Stale(default);

                    (row.MasterKeyId, row.Wrapped) = (wrapped.KeyId, wrapped.Bytes);
                    transaction.Audit("data-key.rewrap", row.Name, Placement.ControlPlane, $"master key {before.MasterKeyId}",
                        $"master key {wrapped.KeyId}");
                    return null;
                },
                cancellation);
        }

        return outdated.Count;
    }

    private async Task<byte[]> OpenDataKeyAsync(string name, CancellationToken cancellation)
    {
        var row = await FindAsync();
        if (row is null)
        {
            var wrapped = await vault.WrapAsync(RandomNumberGenerator.GetBytes(KeyVault.KeyBytes), cancellation);
            await store.WriteAsync(
                System,
                async transaction =>
                {
                    // Another node may have been faster; then its key is the one.
                    if (!await transaction.Context.DataKeys.AnyAsync(k => k.Name == name, cancellation))
                    {
                        transaction.Context.DataKeys.Add(
                            new DataKeyRow { Name = name, MasterKeyId = wrapped.KeyId, Wrapped = wrapped.Bytes });
                        transaction.Audit("data-key.create", name, Placement.ControlPlane, before: null, $"master key {wrapped.KeyId}");
                    }

                    return null;
                },
                cancellation);
            row = await FindAsync();
        }

        return await vault.UnwrapAsync(new WrappedKey(row!.MasterKeyId, row.Wrapped), cancellation);

        Task<DataKeyRow?> FindAsync() => store.ReadAsync(
            (context, _) => context.DataKeys.SingleOrDefaultAsync(k => k.Name == name, cancellation), cancellation);
    }

    private async Task<byte[]> OpenSecretAsync(string name, Func<byte[]> create, CancellationToken cancellation)
    {
        var row = await FindAsync();
        if (row is null)
        {
            var sealedSecret = Seal(create(), name);
            await store.WriteAsync(
                System,
                async transaction =>
                {
                    if (!await transaction.Context.Secrets.AnyAsync(s => s.Name == name, cancellation))
                    {
                        transaction.Context.Secrets.Add(new SecretRow { Name = name, Sealed = sealedSecret });
                        transaction.Audit("secret.create", name, Placement.ControlPlane, before: null, after: null);
                    }

                    return null;
                },
                cancellation);
            row = await FindAsync();
        }

        return Open(row!.Sealed, name);

        Task<SecretRow?> FindAsync() => store.ReadAsync((read, _) => read.Secrets.SingleOrDefaultAsync(s => s.Name == name, cancellation),
            cancellation);
    }

    private static byte[] NewKey() => RandomNumberGenerator.GetBytes(KeyVault.KeyBytes);
}
