using Grpc.HealthCheck;
using static Grpc.Health.V1.HealthCheckResponse.Types;

namespace AuthSidecar.ControlPlane.Hosting;

/// <summary>Says whether this node is of use: for `grpc.health.v1` and at <c>/readyz</c>. It is while it sees the database, until it is
/// told to stop, and not while that is known to have been restored without anybody saying so: every write is refused then. <c>/livez</c>
/// says that the process answers, and nothing else.</summary>
internal sealed partial class Readiness(
    StoreWatcher watcher, HealthServiceImpl health, TimeProvider time, IHostApplicationLifetime lifetime,
    ILogger<Readiness> logger) : BackgroundService
{
    private const string ReadyPath = "/readyz";
    private const string LivePath = "/livez";

    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    private bool? _wasReady;

    /// <summary>Why this node is not ready; null: it is.</summary>
    private string? Reason =>
        lifetime.ApplicationStopping.IsCancellationRequested ? "shutting down"
        : !watcher.IsFresh ? "the database does not answer"
        : watcher.Lost is not null ? "database rollback detected: writes are refused until `authsidecar-control restore --confirm`"
        : null;

    /// <summary>For probes, which have no credentials: by HTTPS as JSON, and by gRPC to sidecars, administrators and whoever may open the
    /// socket.</summary>
    public static void Map(WebApplication app)
    {
        app.MapGet(ReadyPath, (Readiness readiness) => readiness.Reason is { } reason
            ? Results.Json(new { status = "not ready", reason }, statusCode: StatusCodes.Status503ServiceUnavailable)
            : Results.Json(new { status = "ready" })).ExcludeFromDescription().AllowAnonymous().OnlyOn(Listener.Network);
        app.MapGet(
            LivePath, () => Results.Json(new { status = "live" })).ExcludeFromDescription().AllowAnonymous().OnlyOn(Listener.Network);
        app.MapGrpcService<HealthServiceImpl>().OnlyOn(Listener.Administration, Listener.Sidecars, Listener.Network);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var registration = lifetime.ApplicationStopping.Register(Update);
        using var timer = new PeriodicTimer(LookEvery, time);
        do
        {
            Update();
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private void Update()
    {
        var reason = Reason;
        health.SetStatus("", reason is null ? ServingStatus.Serving : ServingStatus.NotServing);
        if (_wasReady == reason is null)
            return;

        if (reason is not null && !lifetime.ApplicationStopping.IsCancellationRequested)
            Log.NotReady(logger, reason);
        else if (_wasReady is false)
            Log.Ready(logger, watcher.Head);

        _wasReady = reason is null;
    }

    private static partial class Log
    {
        [LoggerMessage(96, LogLevel.Information, "ready again: serving revision {Revision}", EventName = "ReadyAgain")]
        public static partial void Ready(ILogger logger, Revision revision);

        [LoggerMessage(97, LogLevel.Warning, "not ready: {Reason}", EventName = "NotReady")]
        public static partial void NotReady(ILogger logger, string reason);
    }
}
