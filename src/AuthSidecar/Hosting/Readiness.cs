using AuthSidecar.Snapshots;
using Grpc.HealthCheck;
using Status = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace AuthSidecar.Hosting;

/// <summary>Ties <c>grpc.health.v1</c> to what there is to answer from. As a whole, and for each call, the sidecar serves while it has a
/// snapshot that is not older than it may answer from, and until it is told to stop. The service <see cref="Source"/> serves while what the
/// source has is what is served: not while a bundle is refused, nor while the source has not been reached for longer than it may.</summary>
internal sealed partial class Readiness : IHostedService, IDisposable
{
    public const string Service = "authsidecar.v1.AuthSidecarService";
    public const string Source = "authsidecar.source";

    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    /// <summary>What each has to have, to be of use.</summary>
    private static readonly (string Name, DataTypeSet Needs)[] Services =
    [
        ("", DataTypeSet.Of(PolicyData.Type, EntityData.Type, IssuerData.Type, RevocationData.Type)),
        (Service, DataTypeSet.Of(PolicyData.Type, EntityData.Type, IssuerData.Type, RevocationData.Type)),
        ($"{Service}/ValidateToken", DataTypeSet.Of(IssuerData.Type, RevocationData.Type)),
        ($"{Service}/CheckPermission", DataTypeSet.Of(PolicyData.Type, EntityData.Type)),
        ($"{Service}/CheckPermissions", DataTypeSet.Of(PolicyData.Type, EntityData.Type)),
        ($"{Service}/EvaluateRisk", DataTypeSet.Of(RiskData.Type)),
        ($"{Service}/VerifyMfa", DataTypeSet.Of(FactorData.Type)),
    ];

    private readonly HealthServiceImpl _health;
    private readonly SnapshotCache _snapshots;
    private readonly MaxStaleness _maxStaleness;
    private readonly SourceHealth _source;
    private readonly TimeProvider _time;
    private readonly CancellationToken _stopping;
    private readonly ILogger<Readiness> _logger;
    private readonly Lock _updating = new();
    private bool _isReady;
    private ITimer? _timer;

    public Readiness(HealthServiceImpl health, SnapshotCache snapshots, MaxStaleness maxStaleness, SourceHealth source, TimeProvider time,
        IHostApplicationLifetime lifetime, ILogger<Readiness> logger)
    {
        (_health, _snapshots, _maxStaleness, _source, _time, _stopping, _logger) = (health, snapshots, maxStaleness, source, time,
            lifetime.ApplicationStopping, logger);
        _stopping.Register(Update);
        snapshots.Published += _ => Update();
        Update();
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _timer = _time.CreateTimer(_ => Update(), null, LookEvery, LookEvery);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public void Dispose() => _timer?.Dispose();

    private void Update()
    {
        lock (_updating)
        {
            var isThere = _snapshots.Current is not null && !_stopping.IsCancellationRequested;
            var ages = _snapshots.AgesAt(_time.GetUtcNow());
            foreach (var (name, needs) in Services)
                Set(name, isThere && _maxStaleness.FindStale(needs, ages) is null);

            LogChange(isThere, ages);
            Set(Source, isThere && _source.IsCurrent && !_maxStaleness.IsSourceAway(ages));
        }
    }

    /// <summary>Logs when the sidecar as a whole becomes ready, and when it no longer is; not while it shuts down.</summary>
    private void LogChange(bool isThere, in DataAges ages)
    {
        var stale = _maxStaleness.FindStale(Services[0].Needs, ages);
        var isReady = isThere && stale is null;
        if (isReady == _isReady)
            return;

        _isReady = isReady;
        if (isReady)
            LifetimeLog.Ready(_logger, _snapshots.Current!.Revision);
        else if (stale is not null && !_stopping.IsCancellationRequested)
            Log.NotReady(_logger, stale, ages.Of(stale).TotalSeconds, _source.Problems is [var first, ..] ? first : "cause unknown");
    }

    private void Set(string service, bool isServing) => _health.SetStatus(service, isServing ? Status.Serving : Status.NotServing);

    private static partial class Log
    {
        [LoggerMessage(95, LogLevel.Warning, "not ready: {Stale} have not been confirmed for {Seconds:F0} s: {Error}",
            EventName = "NotReady")]
        public static partial void NotReady(ILogger logger, DataType stale, double seconds, string error);
    }
}
