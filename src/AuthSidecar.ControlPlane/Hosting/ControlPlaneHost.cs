using AuthSidecar.ControlPlane.Administrators;
using AuthSidecar.ControlPlane.Administrators.Access;
using AuthSidecar.ControlPlane.Audit;
using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.Factors;
using AuthSidecar.ControlPlane.Identity.Keys;
using AuthSidecar.ControlPlane.Identity.Management;
using AuthSidecar.ControlPlane.Identity.Pages;
using AuthSidecar.ControlPlane.Identity.Passwords;
using AuthSidecar.ControlPlane.Identity.Server;
using AuthSidecar.ControlPlane.Import;
using AuthSidecar.ControlPlane.Issuers;
using AuthSidecar.ControlPlane.Keys;
using AuthSidecar.ControlPlane.Policies;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.Revocations;
using AuthSidecar.ControlPlane.Risk;
using AuthSidecar.ControlPlane.Sidecars.Enrolment;
using AuthSidecar.ControlPlane.Sidecars.Enrolment.Kubernetes;
using AuthSidecar.ControlPlane.Sidecars.Management;
using AuthSidecar.ControlPlane.Sidecars.Sync;
using AuthSidecar.ControlPlane.Sidecars.Trust;
using AuthSidecar.ControlPlane.State;
using AuthSidecar.ControlPlane.Telemetry;
using Google.Protobuf.Reflection;
using Google.Rpc;
using Grpc.HealthCheck;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace AuthSidecar.ControlPlane.Hosting;

/// <summary>The composition of a control plane.</summary>
internal static partial class ControlPlaneHost
{
    /// <summary>How long calls under way may take to end when the control plane is told to stop.</summary>
    private static readonly TimeSpan Drain = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan RetryDatabaseEvery = TimeSpan.FromSeconds(1);

    /// <param name="options">Valid options.</param>
    /// <param name="configure">For tests: services registered here go first.</param>
    public static WebApplication Build(ServeOptions options, Action<IServiceCollection>? configure = null)
    {
        var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { EnvironmentName = Environments.Production });
        // Options come from the command line alone: no `appsettings.json` that happens to lie there, and no watcher of it.
        builder.Configuration.Sources.Clear();
        configure?.Invoke(builder.Services);
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Logging
            .ClearProviders()
            .SetMinimumLevel(options.LogLevel)
            .AddConsoleLog(options.Log)
            .AddFilter("Microsoft", LogLevel.Warning)
            // What was rejected by ourselves is answered, not logged as a fault of the framework's.
            .AddFilter("Grpc", LogLevel.Critical)
            // It tells of every request to a provider elsewhere, and of each twice.
            .AddFilter("System.Net.Http", LogLevel.Warning)
            // It misses an encryptor: what keeps its keys encrypts them.
            .AddFilter("Microsoft.AspNetCore.DataProtection", LogLevel.Error)
            // It warns of a heartbeat of its own, on a loaded machine, which is none of ours.
            .AddFilter("Microsoft.AspNetCore.Server.Kestrel", LogLevel.Error)
            // It tells whole requests and responses.
            .AddFilter("OpenIddict", LogLevel.Warning);
        builder.WebHost.AddListeners(options);
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = Drain);
        var folder = new StateFolder(options.State);
        builder.Services
            .AddHosting(options)
            .AddSingleton(folder)
            .AddStore(options.Database)
            .AddSecrets(options.KeyVault ?? KeyVault.Parse($"file:{folder.MasterKey}", vaultTokenFile: null))
            .AddTelemetry()
            .AddApi(options.Addresses)
            .AddPasswords(options.Passwords)
            .AddIdentityServer(options.Identity)
            .AddPublications()
            .AddEntities()
            .AddPolicies()
            .AddSidecars(options.JoinKubernetes)
            .AddAdministrators()
            .AddImport()
            .AddCalls();

        var app = builder.Build();
        app.UseTrustedProxies(options.Addresses);
        app.UseSecurityHeaders();
        app.UsePageFailures();
        AddressRateLimiter.Use(app);
        app.UseForms();
        app.UseIdentityServer();
        app.UseRouting();
        app.UseListeners();
        app.UseAccess();
        app.UseStrictRequests();
        app.MapGrpcService<SyncService>().OnlyOn(Listener.Sidecars);
        app.MapGrpcService<EnrolmentService>().OnlyOn(Listener.Sidecars);
        Readiness.Map(app);
        app.MapOpenApi();
        app.MapPages();
        app.MapImport().OnlyOn(Listener.Network);
        foreach (var service in Administration(app))
            service.OnlyOn(Listener.Administration, Listener.Network);

        return app;
    }

    private static IEnumerable<IEndpointConventionBuilder> Administration(WebApplication app) =>
    [
        app.MapGrpcService<BundleService>(),
        app.MapGrpcService<PolicyService>(),
        app.MapGrpcService<EntityService>(),
        app.MapGrpcService<IssuerService>(),
        app.MapGrpcService<RevocationService>(),
        app.MapGrpcService<FactorService>(),
        app.MapGrpcService<RiskService>(),
        app.MapGrpcService<SidecarService>(),
        app.MapGrpcService<HistoryService>(),
        app.MapGrpcService<KeyService>(),
        app.MapGrpcService<AccountService>(),
        app.MapGrpcService<ClientService>(),
        app.MapGrpcService<ProviderService>(),
        app.MapGrpcService<AdministratorService>(),
        app.MapGrpcService<AuditService>(),
    ];

    /// <summary>Brings the database up to date, and opens the secrets: without them there is nothing to serve.</summary>
    /// <exception cref="KeyVaultException">The master key is not to be had.</exception>
    public static async Task PrepareAsync(this WebApplication app, CancellationToken cancellation)
    {
        var options = app.Services.GetRequiredService<ServeOptions>();
        Listeners.Reserve(app, options);
        IDisposable?[] locks = [app.Services.GetRequiredService<StateFolder>().TakeAlone(), options.Database.TakeAlone()];
        app.Lifetime.ApplicationStopped.Register(() => Array.ForEach(locks, l => l?.Dispose()));
        await app.WaitForDatabaseAsync(cancellation);
        await options.Database.MigrateAsync(cancellation);
        var store = app.Services.GetRequiredService<ControlStore>();
        await store.BeginAsync("serve", options.IsAfterRestore, cancellation);
        await app.Services.GetRequiredService<StoreWatcher>().LookAsync(cancellation);
        if (options.IsAfterRestore)
            Log.HistoryBegun(app.Logger, store.At(0).History);

        await app.EnsureMasterKeyAsync(options, store, cancellation);
        await app.Services.GetRequiredService<SecretStore>().OpenAsync(cancellation);
        await app.Services.GetRequiredService<TrustFollower>().OpenAsync(cancellation);
        await app.Services.GetRequiredService<KeyRing>().OpenAsync(cancellation);
        if ((options.Listen ?? options.ListenHttps) is not null)
            app.Services.GetRequiredService<ServerTls>().Check();

        app.Services.GetRequiredService<PodTokens>();
    }

    /// <summary>Waits for a database that is not there yet; one that does not let us in is none to wait for.</summary>
    private static async Task WaitForDatabaseAsync(this WebApplication app, CancellationToken cancellation)
    {
        var (database, patience, time) = (app.Services.GetRequiredService<Database>(),
            app.Services.GetRequiredService<ServeOptions>().WaitForDatabase, app.Services.GetRequiredService<TimeProvider>());
        var outage = new Outage(time);
        while (true)
        {
            try
            {
                await database.ConnectAsync(cancellation);
                if (outage.End(out var lasted))
                    Log.DatabaseThere(app.Logger, database, lasted.TotalSeconds);

                return;
            }
            catch (Exception e) when (Database.IsAway(e))
            {
                if (outage.Lasted >= patience)
                {
                    throw new IOException(
                        $"failed to connect to the database {database} within {patience.TotalSeconds} s: {ConnectionFailure.Describe(e)}",
                        e);
                }

                if (outage.Fail())
                    Log.WaitingForDatabase(app.Logger, database, patience.TotalSeconds, ConnectionFailure.Describe(e));
            }

            await Task.Delay(RetryDatabaseEvery, time, cancellation);
        }
    }

    /// <summary>Makes the master key of a new database, and of no other: with another key than it had, a database is worth nothing, and the
    /// next backup would save the wrong one.</summary>
    /// <exception cref="KeyVaultException">No master key found, and the database is encrypted with one.</exception>
    private static async Task EnsureMasterKeyAsync(
        this WebApplication app, ServeOptions options, ControlStore store, CancellationToken cancellation)
    {
        var folder = app.Services.GetRequiredService<StateFolder>();
        if (options.KeyVault is not null || File.Exists(folder.MasterKey))
            return;

        if (await store.ReadAsync((context, _) => context.DataKeys.Select(k => k.MasterKeyId).FirstOrDefaultAsync(cancellation),
            cancellation) is { } id)
        {
            throw new KeyVaultException(
                $"`{folder.MasterKey}` does not exist, and the database is encrypted with the master key {id}: restore the `master.key` "
                    + "that belongs to this database");
        }

        folder.CreateMasterKey();
    }

    private static IServiceCollection AddHosting(this IServiceCollection services, ServeOptions options) => services
        .AddSingleton(options)
        .AddSingleton(s => new Startup("authsidecar-control", $"database {options.Database}", options.State, Drain)
        {
            FindRevision = cancellation => s.GetRequiredService<ControlStore>().ReadAsync((_, head) => Task.FromResult(head), cancellation),
        })
        .AddHostedService<LifetimeLog>()
        .AddSingleton<ConnectionLimits>()
        .AddSingleton<ServerTls>()
        .AddSingleton<HealthServiceImpl>()
        .AddSingleton<Readiness>()
        .AddHostedService(s => s.GetRequiredService<Readiness>())
        .AddHostedService<Housekeeping>();

    private static IServiceCollection AddCalls(this IServiceCollection services)
    {
        services
            .AddGrpc(grpc =>
            {
                grpc.Interceptors.Add<ErrorInterceptor>();
                grpc.Interceptors.Add<AccessInterceptor>();
            })
            .AddServiceOptions<AdministratorService>(service => service.MaxReceiveMessageSize = AdministratorService.MaxRequestBytes)
            .AddJsonTranscoding(json => json.TypeRegistry = TypeRegistry.FromFiles(ErrorDetailsReflection.Descriptor));
        return services;
    }

    private static partial class Log
    {
        [LoggerMessage(24, LogLevel.Warning, "waiting for the database {Database}, at most {Seconds} s: {Error}",
            EventName = "WaitingForDatabase")]
        public static partial void WaitingForDatabase(ILogger logger, Database database, double seconds, string error);

        [LoggerMessage(28, LogLevel.Information, "connected to the database {Database} after {Seconds:F0} s",
            EventName = "DatabaseConnected")]
        public static partial void DatabaseThere(ILogger logger, Database database, double seconds);

        [LoggerMessage(27, LogLevel.Warning,
            "began history {History} after a restore: all sidecars resynchronize in full; remove `--after-restore` before the next start",
            EventName = "HistoryBegun")]
        public static partial void HistoryBegun(ILogger logger, History history);
    }
}
