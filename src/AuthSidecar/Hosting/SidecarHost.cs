using AuthSidecar.Common;
using AuthSidecar.Decisions;
using AuthSidecar.Mfa;
using AuthSidecar.Risk;
using AuthSidecar.Services;
using AuthSidecar.Snapshots;
using AuthSidecar.Sync.Folder;
using AuthSidecar.Sync.Stream;
using AuthSidecar.Tokens;
using Grpc.Health.V1;
using Grpc.HealthCheck;
using Grpc.Reflection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace AuthSidecar.Hosting;

/// <summary>The composition of a sidecar: what it is made of, from the listeners down to the bundle.</summary>
internal static class SidecarHost
{
    /// <param name="options">Valid options.</param>
    /// <param name="configure">For tests: services registered here go first.</param>
    public static WebApplication Build(ServeOptions options, Action<IServiceCollection>? configure = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions
        {
            EnvironmentName = options.IsDevelopment ? Environments.Development : Environments.Production,
        });
        configure?.Invoke(builder.Services);
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton(options);
        builder.Services.AddSingleton(new Startup("authsidecar", options.DescribeSource(), options.State, options.Drain)).AddHostedService<LifetimeLog>();
        builder.AddLogs(options);
        builder.WebHost.AddListeners(options);
        builder.Services.AddRouting();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.Drain);
        builder.Services
            .AddState(options)
            .AddTokens(options)
            .AddMfa(options)
            .AddDecisions(options)
            .AddCalls(options)
            .AddReadiness()
            .AddSource(options);

        var app = builder.Build();
        // What cannot be made, such as a store that another process has, is to be found out now and not by the first call.
        app.Services.GetRequiredService<FileLock>();
        var calls = app.Services.GetRequiredService<UnaryCalls>();
        calls.Use(app);
        app.UseRouting();
        calls.UseOthers(app);
        app.MapGrpcService<HealthServiceImpl>();
        if (options.IsDevelopment)
        {
            app.MapGrpcService<ReflectionServiceImpl>();
        }

        return app;
    }

    private static void AddLogs(this WebApplicationBuilder builder, ServeOptions options)
    {
        builder.Logging
            .SetMinimumLevel(options.LogLevel)
            .AddFilter("Microsoft.AspNetCore", LogLevel.Warning)
            // It warns of a heartbeat of its own, on a loaded machine, which is none of ours.
            .AddFilter("Microsoft.AspNetCore.Server.Kestrel", LogLevel.Error)
            .AddFilter("Microsoft.Hosting", LogLevel.Warning)
            // The framework logs a client's mistakes as errors of its own; ours are logged where they are answered.
            .AddFilter("Grpc.AspNetCore.Server", LogLevel.Critical);
        switch (options.Log)
        {
            case LogFormat.Json: builder.Logging.AddJsonConsole(console => (console.TimestampFormat, console.UseUtcTimestamp) = (LogTimestamps.Format, true)); break;
            case LogFormat.Text: builder.Logging.AddSimpleConsole(console => (console.SingleLine, console.TimestampFormat, console.UseUtcTimestamp) = (true, $"{LogTimestamps.Format} ", true)); break;
            case LogFormat.None: break;
        }
    }

    private static IServiceCollection AddState(this IServiceCollection services, ServeOptions options) => services
        .AddSingleton(new StateFolder(options.State))
        .AddSingleton(s => s.GetRequiredService<StateFolder>().TakeAlone())
        .AddSingleton<SourceHealth>()
        .AddSingleton(s => new SnapshotCache(s.GetRequiredService<TimeProvider>(), s.GetRequiredService<RemoteKeySets>()));

    private static IServiceCollection AddTokens(this IServiceCollection services, ServeOptions options) => services
        .AddSingleton(_ => new VerifiedTokenCache(options.TokenCacheSize))
        .AddSingleton(options.Issuers)
        .AddSingleton<IssuerHttp>()
        .AddSingleton(new RemoteKeySetOptions())
        .AddSingleton<KeySetClient>()
        .AddSingleton<RemoteKeySets>()
        .AddHostedService(s => s.GetRequiredService<RemoteKeySets>())
        .AddSingleton(s => IntrospectionClients.Watch(options.IntrospectionClients, s.GetRequiredService<ILogger<IntrospectionClients>>()))
        .AddSingleton<IntrospectionClient>()
        .AddSingleton<OpaqueTokens>()
        .AddSingleton<DpopVerifier>()
        .AddSingleton(s => new TokenValidator(s.GetRequiredService<VerifiedTokenCache>(), s.GetRequiredService<DpopVerifier>(), s.GetRequiredService<OpaqueTokens>().Find));

    private static IServiceCollection AddMfa(this IServiceCollection services, ServeOptions options) => services
        .AddSingleton(s => ClaimStore.Open(s.GetRequiredService<StateFolder>().ClaimStore, new AttemptLimits()))
        .AddSingleton(s => new MfaProofs(s.GetRequiredService<StateFolder>().MfaProofKey(), s.GetRequiredService<TokenValidator>(), options.MfaProofLifetime))
        .AddSingleton(s => new MfaVerifier(s.GetRequiredService<ClaimStore>(), s.GetRequiredService<MfaProofs>()));

    private static IServiceCollection AddDecisions(this IServiceCollection services, ServeOptions options) => services
        .AddSingleton<DecisionCounter>()
        .AddSingleton(s => new ActivityTracker(s.GetRequiredService<TimeProvider>()))
        .AddSingleton<MismatchLog>()
        .AddSingleton(s => new DecisionPoint(
            s.GetRequiredService<TokenValidator>(), s.GetRequiredService<MfaProofs>(), s.GetRequiredService<ActivityTracker>(), s.GetRequiredService<ClaimStore>(), options.RequestValidation));

    private static IServiceCollection AddCalls(this IServiceCollection services, ServeOptions options)
    {
        services.AddGrpc(grpc => grpc.MaxReceiveMessageSize = UnaryCalls.MaxHealthBytes);
        services.AddSingleton(options.MaxStaleness);
        services.AddSingleton<AuthSidecarService>();
        services.AddSingleton<RequestReader>();
        services.AddSingleton<UnaryCalls>();
        if (options.IsDevelopment)
        {
            services.AddSingleton(new ReflectionServiceImpl(V1.AuthSidecarService.Descriptor, Health.Descriptor));
        }

        return services;
    }

    private static IServiceCollection AddReadiness(this IServiceCollection services) => services
        .AddSingleton<HealthServiceImpl>()
        .AddHostedService<Readiness>()
        .AddHostedService<MemoryTrim>();

    private static IServiceCollection AddSource(this IServiceCollection services, ServeOptions options) =>
        options.ControlPlane is { } controlPlane ? services.AddControlPlane(controlPlane) : services.AddBundle(options.Bundle!, options.Seals);

    private static IServiceCollection AddControlPlane(this IServiceCollection services, ControlPlaneOptions options) => services
        .AddSingleton(options)
        .AddSingleton(new PinnedKeys(options.PinnedKeys))
        .AddSingleton<Enrolment>()
        .AddSingleton<TrustApplier>()
        .AddSingleton(s =>
        {
            var state = s.GetRequiredService<StateFolder>();
            return new LastKnownGood(state.LastKnownGood, state.LastKnownGoodKey(), s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<LastKnownGood>>());
        })
        .AddSingleton(s => new BundleApplier(
            s.GetRequiredService<PinnedKeys>(), options.Scope, s.GetRequiredService<SnapshotCache>(), s.GetRequiredService<LastKnownGood>(), s.GetRequiredService<TimeProvider>()))
        .AddHostedService<StreamSource>();

    private static IServiceCollection AddBundle(this IServiceCollection services, string folder, SealOptions seals) => services
        .AddSingleton(s => new BundleBuilder(s.GetRequiredService<StateFolder>().MfaWrappingKey()))
        .AddHostedService(s => new FolderSource(
            folder,
            seals,
            s.GetRequiredService<BundleBuilder>(),
            s.GetRequiredService<SnapshotCache>(),
            s.GetRequiredService<SourceHealth>(),
            s.GetRequiredService<TimeProvider>(),
            s.GetRequiredService<ILogger<FolderSource>>()));
}
