using AuthSidecar.Snapshots;
using AuthSidecar.State;

namespace AuthSidecar.Sync.Stream;

internal static class StreamSetup
{
    /// <summary>Registers a control plane as the source of snapshots.</summary>
    public static IServiceCollection AddControlPlane(this IServiceCollection services, ControlPlaneOptions options) => services
        .AddSingleton(options)
        .AddSingleton(new PinnedKeys(options.PinnedKeys))
        .AddSingleton<Enrolment>()
        .AddSingleton<TrustApplier>()
        .AddSingleton(s => new LastKnownGood(
            s.GetRequiredService<StateFolder>().LastKnownGood, s.GetRequiredService<StateFolder>().LastKnownGoodKey(),
            s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<LastKnownGood>>()))
        .AddSingleton(s => new BundleApplier(
            s.GetRequiredService<PinnedKeys>(), options.Placement, s.GetRequiredService<SnapshotCache>(),
            s.GetRequiredService<LastKnownGood>(), s.GetRequiredService<TimeProvider>()))
        .AddSingleton<StreamReport>()
        .AddHostedService<StreamSource>();
}
