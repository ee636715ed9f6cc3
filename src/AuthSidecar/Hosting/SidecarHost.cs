using AuthSidecar.Api.Calls;
using AuthSidecar.Decisions;
using AuthSidecar.Issuers;
using AuthSidecar.Mfa;
using AuthSidecar.Snapshots;
using AuthSidecar.State;
using AuthSidecar.Sync.Folder;
using AuthSidecar.Sync.Stream;
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
        builder.Services.AddSingleton(new Startup("authsidecar", options.DescribeSource(), options.State, options.Drain))
            .AddHostedService<LifetimeLog>();
        builder.AddLogs(options);
        builder.WebHost.AddListeners(options);
        builder.Services.AddRouting();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.Drain);
        builder.Services
            .AddState(options.State)
            .AddIssuers(options.Issuers, options.IntrospectionClients, options.TokenCacheSize, options.TokenLimits)
            .AddSnapshots(options.MaxStaleness)
            .AddMfa(options.MfaProofLifetime)
            .AddDecisions(options.RequestValidation)
            .AddCalls(options.IsDevelopment)
            .AddHostedService<Readiness>()
            .AddHostedService<MemoryTrim>();
        if (options.ControlPlane is { } controlPlane)
            builder.Services.AddControlPlane(controlPlane);
        else
            builder.Services.AddBundleFolder(options.Bundle!, options.Seals);

        var app = builder.Build();
        // What cannot be made, such as a store that another process has, is to be found out now and not by the first call.
        app.Services.GetRequiredService<FileLock>();
        app.Services.GetService<ListenerTls>();
        app.MapCalls();
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
            .AddFilter("Grpc.AspNetCore.Server", LogLevel.Critical)
            .AddConsoleLog(options.Log);
    }
}
