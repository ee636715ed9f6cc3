using AuthSidecar.ControlPlane.Hosting;
using AuthSidecar.ControlPlane.Sync;

namespace AuthSidecar.ControlPlane.Trust;

/// <summary>Reads the trust anchors again when they may have changed, and writes their public halves to the state folder, for operators and their tools.</summary>
internal sealed class TrustFollower(TrustRing trust, StateFolder folder, Feed feed, TimeProvider time, ILogger<TrustFollower> logger) : StoreFollower(feed, time, logger)
{
    private TrustSet? _written;

    protected override string What => "trust anchors";

    protected override DateTimeOffset? ChangesAt => trust.ChangesAt;

    /// <summary>Opens the anchors, and writes them to the state folder.</summary>
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
            _written = current;
        }
    }
}
