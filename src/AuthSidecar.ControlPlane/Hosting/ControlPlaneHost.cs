using AuthSidecar.ControlPlane.Administration;
using AuthSidecar.ControlPlane.Directory;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Sync;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace AuthSidecar.ControlPlane.Hosting;

/// <summary>The composition of a control plane.</summary>
internal static class ControlPlaneHost
{
    /// <param name="options">Valid options.</param>
    /// <param name="configure">For tests: services registered here go first.</param>
    public static WebApplication Build(ServeOptions options, Action<IServiceCollection>? configure = null)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { EnvironmentName = Environments.Production });
        configure?.Invoke(builder.Services);
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Logging
            .ClearProviders()
            .AddJsonConsole(console => console.UseUtcTimestamp = true)
            .AddFilter("Microsoft", LogLevel.Warning)
            // What was rejected by ourselves is answered, not logged as a fault of the framework's.
            .AddFilter("Grpc.AspNetCore.Server", LogLevel.Critical);
        builder.WebHost.AddListeners(options);
        builder.Services
            .AddStore(options)
            .AddPublications()
            .AddSync(options)
            .AddAdministration();

        var app = builder.Build();
        app.Services.GetRequiredService<StateFolder>().WriteBundleKeys(app.Services.GetRequiredService<BundleSigner>().KeySet);
        app.UseRouting();
        app.UseListeners();
        app.MapGrpcService<SyncService>().OnlyOn(Listener.Sidecars);
        app.MapGrpcService<PolicyService>().OnlyOn(Listener.Administration);
        app.MapGrpcService<DirectoryService>().OnlyOn(Listener.Administration);
        app.MapGrpcService<FleetService>().OnlyOn(Listener.Administration);
        return app;
    }

    private static IServiceCollection AddStore(this IServiceCollection services, ServeOptions options) => services
        .AddSingleton(options.Database)
        .AddSingleton<ControlStore>()
        .AddSingleton<DirectoryState>()
        .AddSingleton<SchemaSource>()
        .AddSingleton<DirectoryWriter>();

    private static IServiceCollection AddPublications(this IServiceCollection services) => services.AddSingleton<PolicyPublisher>();

    private static IServiceCollection AddSync(this IServiceCollection services, ServeOptions options) => services
        .AddSingleton(new StateFolder(options.State))
        .AddSingleton(s => new BundleSigner(s.GetRequiredService<StateFolder>().BundleKey()))
        .AddSingleton<UpdateSource>()
        .AddSingleton<Fleet>()
        .AddSingleton<Feed>()
        .AddHostedService(s => s.GetRequiredService<Feed>());

    private static IServiceCollection AddAdministration(this IServiceCollection services)
    {
        services.AddGrpc(grpc => grpc.Interceptors.Add<FailureInterceptor>());
        return services.AddSingleton<FailureInterceptor>();
    }
}
