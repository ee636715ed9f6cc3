using System.Reflection;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace AuthSidecar.Common;

/// <summary>What a process is started with.</summary>
/// <param name="Program">Its name.</param>
/// <param name="Source">Where it has from what it serves: a bundle folder, a control plane, a database.</param>
/// <param name="State">The folder that survives a restart.</param>
/// <param name="Drain">How long calls under way may take when it is told to stop.</param>
internal sealed record Startup(string Program, string Source, string State, TimeSpan Drain)
{
    /// <summary>What is served once the process listens; null: readiness is reported elsewhere.</summary>
    public Func<CancellationToken, Task<Revision>>? FindRevision { get; init; }
}

/// <summary>Logs when a process starts, listens, drains and has stopped: the first things that an operator looks for.</summary>
internal sealed partial class LifetimeLog(Startup startup, IServer server, ILogger<LifetimeLog> logger) : IHostedLifecycleService
{
    /// <summary>As `--version` prints it.</summary>
    public static string Version =>
        Assembly.GetEntryAssembly()?.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    public Task StartingAsync(CancellationToken cancellationToken)
    {
        Log.Starting(logger, startup.Program, Version, startup.Source, startup.State);
        return Task.CompletedTask;
    }

    public async Task StartedAsync(CancellationToken cancellationToken)
    {
        Log.Listening(logger, string.Join(", ", server.Features.Get<IServerAddressesFeature>()?.Addresses.Select(Shorten) ?? []));
        if (startup.FindRevision is { } find)
            Log.Ready(logger, await find(cancellationToken));
    }

    public Task StoppingAsync(CancellationToken cancellationToken)
    {
        Log.Draining(logger, startup.Drain.TotalSeconds);
        return Task.CompletedTask;
    }

    public Task StoppedAsync(CancellationToken cancellationToken)
    {
        Log.Stopped(logger);
        return Task.CompletedTask;
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Logs that the program answers from a revision.</summary>
    public static void Ready(ILogger logger, Revision revision) => Log.Ready(logger, revision);

    // Kestrel calls a Unix socket `http://unix:/run/x.sock`; clients call it `unix:/run/x.sock`.
    private static string Shorten(string address) => address.Contains("://unix:", StringComparison.Ordinal)
        ? address[(address.IndexOf("://", StringComparison.Ordinal) + 3)..] : address;

    private static partial class Log
    {
        [LoggerMessage(90, LogLevel.Information, "starting {Program} {Version}: {Source}, state {State}", EventName = "Starting")]
        public static partial void Starting(ILogger logger, string program, string version, string source, string state);

        [LoggerMessage(91, LogLevel.Information, "listening on {Addresses}", EventName = "Listening")]
        public static partial void Listening(ILogger logger, string addresses);

        [LoggerMessage(94, LogLevel.Information, "ready: serving revision {Revision}", EventName = "Ready")]
        public static partial void Ready(ILogger logger, Revision revision);

        [LoggerMessage(92, LogLevel.Information, "shutting down, draining calls for at most {Seconds} s", EventName = "Draining")]
        public static partial void Draining(ILogger logger, double seconds);

        [LoggerMessage(93, LogLevel.Information, "stopped", EventName = "Stopped")]
        public static partial void Stopped(ILogger logger);
    }
}
