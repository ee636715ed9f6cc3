using AuthSidecar.Snapshots;
using Grpc.Health.V1;
using Grpc.HealthCheck;

namespace AuthSidecar.Hosting;

/// <summary>Ties <c>grpc.health.v1</c> to the snapshot: serving from the first one on, and until the sidecar is told to stop.</summary>
internal sealed class Readiness : IHostedService
{
    private static readonly string[] Services = ["", "authsidecar.v1.AuthSidecarService"];

    private readonly HealthServiceImpl _health;
    private readonly SnapshotCache _snapshots;
    private readonly CancellationToken _stopping;

    public Readiness(HealthServiceImpl health, SnapshotCache snapshots, IHostApplicationLifetime lifetime)
    {
        (_health, _snapshots, _stopping) = (health, snapshots, lifetime.ApplicationStopping);
        _stopping.Register(() => Set(HealthCheckResponse.Types.ServingStatus.NotServing));
        Set(HealthCheckResponse.Types.ServingStatus.NotServing);
        snapshots.Published += _ => Update();
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        Update();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private void Update()
    {
        if (_snapshots.Current is not null && !_stopping.IsCancellationRequested)
        {
            Set(HealthCheckResponse.Types.ServingStatus.Serving);
        }
    }

    private void Set(HealthCheckResponse.Types.ServingStatus status)
    {
        foreach (var service in Services)
        {
            _health.SetStatus(service, status);
        }
    }
}
