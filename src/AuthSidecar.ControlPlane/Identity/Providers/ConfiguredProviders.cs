using AuthSidecar.ControlPlane.V1;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Client;

namespace AuthSidecar.ControlPlane.Identity.Providers;

/// <summary>The providers elsewhere that people may sign in with, as this node has them: OpenIddict's client is configured with
/// them.</summary>
internal sealed partial class ConfiguredProviders(
    ControlStore store, SecretStore secrets, StoreWatcher watcher, TimeProvider time, ILogger<ConfiguredProviders> logger)
    : OptionsFromStore<OpenIddictClientOptions>(watcher, time, logger)
{
    private const int SigningKeyBytes = 64;

    private IReadOnlyList<Provider> _providers = [];

    /// <summary>Every provider, by id.</summary>
    public IReadOnlyList<IdentityProvider> All { get; private set; } = [];

    protected override string What => "identity providers";
    public IdentityProvider? Find(string id) => All.FirstOrDefault(u => u.Id == id);

    public override void Configure(OpenIddictClientOptions options)
    {
        options.Registrations.AddRange(_providers.Select(p => p.Registration));
        // What browsers carry to a provider and back is for nobody but us: two keys of our own, which all nodes have.
        options.SigningCredentials.Add(new SigningCredentials(
            new SymmetricSecurityKey(Derive("identity provider state: signing"u8, SigningKeyBytes)), SecurityAlgorithms.HmacSha256));
        options.EncryptionCredentials.Add(new EncryptingCredentials(
            new SymmetricSecurityKey(Derive("identity provider state: encryption"u8, KeyVault.KeyBytes)), SecurityAlgorithms.Aes256KW,
            SecurityAlgorithms.Aes256CbcHmacSha512));
    }

    protected override async Task LoadAsync(CancellationToken cancellation)
    {
        var rows = await store.ReadAsync((context, _) => ProviderRecords.ListAsync(context, cancellation), cancellation);
        // One that is as it was keeps what it has learned of its provider.
        var providers = rows.Select(r => _providers.FirstOrDefault(p => p.IsOf(r)) ?? TryOpen(r)).OfType<Provider>().ToList();
        if (!providers.SequenceEqual(_providers))
        {
            (_providers, All) = (providers, [.. providers.Select(p => p.IdentityProvider)]);
            await ChangedAsync();
        }
    }

    /// <summary>One that cannot be read is left out: the others, and whoever signs in here, go on.</summary>
    private Provider? TryOpen(ProviderRow row)
    {
        try
        {
            var provider = ProviderRecords.Read(row);
            return new Provider(row, provider, ProviderKinds.Register(provider, ProviderRecords.SecretOf(row, secrets)));
        }
        catch (Exception e) when (e is KeyVaultException or InvalidProtocolBufferException or InvalidJsonException or UriFormatException)
        {
            Log.Unreadable(logger, row.Id, e.Message);
            return null;
        }
    }

    private byte[] Derive(ReadOnlySpan<byte> purpose, int length)
    {
        var key = new byte[length];
        HKDF.Expand(HashAlgorithmName.SHA256, secrets.TokenEncryptionKey, key, purpose);
        return key;
    }

    private sealed record Provider(ProviderRow Row, IdentityProvider IdentityProvider, OpenIddictClientRegistration Registration)
    {
        public bool IsOf(ProviderRow row) => Row.Id == row.Id && Row.Json == row.Json && Row.Sealed.AsSpan().SequenceEqual(row.Sealed);
    }

    private static partial class Log
    {
        [LoggerMessage(42, LogLevel.Error, "failed to read the identity provider {IdentityProvider}, ignoring it: {Error}",
            EventName = "IdentityProviderUnreadable")]
        public static partial void Unreadable(ILogger logger, string identityProvider, string error);
    }
}
