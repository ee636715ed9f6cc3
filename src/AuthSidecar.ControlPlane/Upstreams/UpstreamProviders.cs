using System.Security.Cryptography;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Sync;
using AuthSidecar.ControlPlane.V1;
using Microsoft.IdentityModel.Tokens;
using OpenIddict.Client;

namespace AuthSidecar.ControlPlane.Upstreams;

/// <summary>The providers elsewhere that people may sign in with, as this node has them: OpenIddict's client is configured with them.</summary>
internal sealed class UpstreamProviders(ControlStore store, SecretStore secrets, Feed feed, TimeProvider time, ILogger<UpstreamProviders> logger)
    : OptionsFromStore<OpenIddictClientOptions>(feed, time, logger)
{
    private const int SigningKeyBytes = 64;

    private IReadOnlyList<UpstreamRow> _rows = [];

    /// <summary>Every provider, by id.</summary>
    public IReadOnlyList<Upstream> All { get; private set; } = [];

    protected override string What => "upstream providers";

    public Upstream? Find(string id) => All.FirstOrDefault(u => u.Id == id);

    public Task OpenAsync(CancellationToken cancellation) => LoadAsync(cancellation);

    public override void Configure(OpenIddictClientOptions options)
    {
        options.Registrations.AddRange(_rows.Select(r => UpstreamKinds.Register(UpstreamRecords.Read(r), UpstreamRecords.SecretOf(r, secrets))));
        // What browsers carry to a provider and back is for nobody but us: two keys of our own, which all nodes have.
        options.SigningCredentials.Add(new SigningCredentials(new SymmetricSecurityKey(Derive("upstream state: signing"u8, SigningKeyBytes)), SecurityAlgorithms.HmacSha256));
        options.EncryptionCredentials.Add(new EncryptingCredentials(
            new SymmetricSecurityKey(Derive("upstream state: encryption"u8, KeyVault.KeyBytes)), SecurityAlgorithms.Aes256KW, SecurityAlgorithms.Aes256CbcHmacSha512));
    }

    protected override async Task LoadAsync(CancellationToken cancellation)
    {
        var rows = await store.ReadAsync((context, _) => UpstreamRecords.ListAsync(context, cancellation), cancellation);
        if (rows.Count == _rows.Count && rows.Zip(_rows).All(p => p.First.Json == p.Second.Json && p.First.Sealed.AsSpan().SequenceEqual(p.Second.Sealed)))
        {
            return;
        }

        (_rows, All) = (rows, [.. rows.Select(UpstreamRecords.Read)]);
        await ChangedAsync();
    }

    private byte[] Derive(ReadOnlySpan<byte> purpose, int length)
    {
        var key = new byte[length];
        HKDF.Expand(HashAlgorithmName.SHA256, secrets.TokenEncryptionKey, key, purpose);
        return key;
    }
}
