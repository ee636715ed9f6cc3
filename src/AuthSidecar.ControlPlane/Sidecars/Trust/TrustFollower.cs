using AuthSidecar.ControlPlane.State;

namespace AuthSidecar.ControlPlane.Sidecars.Trust;

/// <summary>Reloads the trust anchors when they change, and writes `ca.pem` and `bundle-keys.json` to the state folder.</summary>
internal sealed class TrustFollower(TrustRing trust, StateFolder folder, StoreWatcher watcher, TimeProvider time,
    ILogger<TrustFollower> logger) : StoreFollower(watcher, time, logger)
{
    private TrustSet? _written;

    protected override string What => "trust anchors";
    protected override DateTimeOffset? ChangesAt => trust.ChangesAt;

    /// <summary>Loads the trust anchors, creating the first ones, and writes the files.</summary>
    public async Task OpenAsync(CancellationToken cancellation)
    {
        await trust.OpenAsync(cancellation);
        Write();
    }

    protected override async Task LoadAsync(CancellationToken cancellation)
    {
        await trust.LoadAsync(cancellation);
        Write();
    }

    private void Write()
    {
        if (trust.Current is var current && current != _written)
        {
            folder.WriteCa(current.CaPem);
            folder.WriteBundleKeys(current.KeySet);
            if (_written is not null)
                LogChange(current.Describe(Time.GetUtcNow()));

            _written = current;
        }
    }
}
