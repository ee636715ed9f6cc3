using AuthSidecar.Snapshots;
using AuthSidecar.State;

namespace AuthSidecar.Sync.Folder;

internal static class FolderSetup
{
    /// <summary>Registers a bundle folder as the source of snapshots.</summary>
    public static IServiceCollection AddBundleFolder(this IServiceCollection services, string folder, SealOptions seals) => services
        .AddSingleton(s => new BundleReader(s.GetRequiredService<StateFolder>().MfaWrappingKey()))
        .AddHostedService(s => new FolderSource(
            folder, seals, s.GetRequiredService<BundleReader>(), s.GetRequiredService<SnapshotCache>(),
            s.GetRequiredService<SourceHealth>(),
            s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<FolderSource>>()));
}
