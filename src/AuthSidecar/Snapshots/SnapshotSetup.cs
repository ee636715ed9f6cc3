using AuthSidecar.Issuers;

namespace AuthSidecar.Snapshots;

internal static class SnapshotSetup
{
    public static IServiceCollection AddSnapshots(this IServiceCollection services, MaxStaleness maxStaleness) => services
        .AddSingleton(maxStaleness)
        .AddSingleton<SourceHealth>()
        .AddSingleton(s => new SnapshotCache(s.GetRequiredService<TimeProvider>(), s.GetRequiredService<RemoteKeySets>()));
}
