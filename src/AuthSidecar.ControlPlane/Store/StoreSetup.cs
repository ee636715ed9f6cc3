namespace AuthSidecar.ControlPlane.Store;

/// <summary>Registers the store.</summary>
internal static class StoreSetup
{
    public static IServiceCollection AddStore(this IServiceCollection services, Database database) => services
        .AddSingleton(database)
        .AddSingleton<ControlStore>()
        .AddSingleton<EntryWriter>()
        .AddSingleton<StoreWatcher>()
        .AddHostedService(s => s.GetRequiredService<StoreWatcher>());
}
