using AuthSidecar.ControlPlane.Administration;
using AuthSidecar.ControlPlane.Directory;
using AuthSidecar.ControlPlane.Enrolment;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.Resources;
using AuthSidecar.ControlPlane.Secrets;
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
            .AddSecrets(options)
            .AddPublications()
            .AddEnrolment(options)
            .AddSync()
            .AddAdministration();

        var app = builder.Build();
        app.UseRouting();
        app.UseListeners();
        app.MapGrpcService<SyncService>().OnlyOn(Listener.Sidecars);
        app.MapGrpcService<EnrolmentService>().OnlyOn(Listener.Sidecars);
        app.MapGrpcService<PolicyService>().OnlyOn(Listener.Administration);
        app.MapGrpcService<DirectoryService>().OnlyOn(Listener.Administration);
        app.MapGrpcService<IssuerService>().OnlyOn(Listener.Administration);
        app.MapGrpcService<RevocationService>().OnlyOn(Listener.Administration);
        app.MapGrpcService<FactorService>().OnlyOn(Listener.Administration);
        app.MapGrpcService<RiskService>().OnlyOn(Listener.Administration);
        app.MapGrpcService<FleetService>().OnlyOn(Listener.Administration);
        return app;
    }

    /// <summary>Brings the database up to date, and opens the secrets: without them there is nothing to serve.</summary>
    /// <exception cref="KeyVaultException">The master key is not to be had.</exception>
    public static async Task PrepareAsync(this WebApplication app, CancellationToken cancellation)
    {
        await app.Services.GetRequiredService<Database>().MigrateAsync(cancellation);
        await app.Services.GetRequiredService<SecretStore>().OpenAsync(cancellation);
        if (app.Services.GetRequiredService<ServeOptions>().Listen is not null)
        {
            app.Services.GetRequiredService<MutualTls>().Check();
        }

        app.Services.GetRequiredService<StateFolder>().WriteBundleKeys(app.Services.GetRequiredService<BundleSigner>().KeySet);
    }

    private static IServiceCollection AddStore(this IServiceCollection services, ServeOptions options) => services
        .AddSingleton(options.Database)
        .AddSingleton<ControlStore>()
        .AddSingleton<DirectoryState>()
        .AddSingleton<SchemaSource>()
        .AddSingleton<DirectoryWriter>()
        .AddHostedService<Housekeeping>();

    private static IServiceCollection AddSecrets(this IServiceCollection services, ServeOptions options) => services
        .AddSingleton(new StateFolder(options.State))
        .AddSingleton(s => options.KeyVault ?? KeyVault.Parse($"file:{s.GetRequiredService<StateFolder>().MasterKey()}", null))
        .AddSingleton<SecretStore>();

    private static IServiceCollection AddPublications(this IServiceCollection services) => services
        .AddSingleton<PolicyPublisher>()
        .AddSingleton<ResourceWriter>();

    private static IServiceCollection AddEnrolment(this IServiceCollection services, ServeOptions options) => services
        .AddSingleton(options)
        .AddSingleton(s => new CertificateAuthority(s.GetRequiredService<SecretStore>().AuthorityPkcs12))
        .AddSingleton<SidecarRegistry>()
        .AddSingleton<MutualTls>();

    private static IServiceCollection AddSync(this IServiceCollection services) => services
        .AddSingleton(s => new BundleSigner(s.GetRequiredService<SecretStore>().BundleSigningPkcs8))
        .AddSingleton<ResourceDocuments>()
        .AddSingleton<DraftReader>()
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
