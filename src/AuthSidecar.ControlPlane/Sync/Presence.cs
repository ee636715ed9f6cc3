using System.Buffers.Text;
using System.Security.Cryptography;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.Store;
using Microsoft.EntityFrameworkCore;

namespace AuthSidecar.ControlPlane.Sync;

/// <summary>Tells the other nodes which sidecars are connected to this one: a name that somebody has is not given to another.</summary>
/// <remarks>It takes no revision and no note: nobody has to hear of it, and whoever asks reads it.</remarks>
internal sealed partial class Presence(Database database, Fleet fleet, TimeProvider time, ILogger<Presence> logger) : BackgroundService
{
    private static readonly TimeSpan TellEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RefreshEvery = TimeSpan.FromSeconds(30);

    private readonly string _node = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(9));

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var (outage, refreshedAt) = (new Outage(time), time.GetTimestamp());
        using var timer = new PeriodicTimer(TellEvery, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                var changes = fleet.TakeChanges();
                try
                {
                    await TellAsync(changes, stoppingToken);
                    if (time.GetElapsedTime(refreshedAt) >= RefreshEvery)
                    {
                        await RefreshAsync(stoppingToken);
                        refreshedAt = time.GetTimestamp();
                    }

                    outage.End(out _);
                }
                catch (Exception e) when (!stoppingToken.IsCancellationRequested)
                {
                    fleet.GiveBack(changes);
                    if (outage.Fail())
                    {
                        Log.Failed(logger, ConnectionFailure.Describe(e));
                    }
                }
            }
        }
        catch (OperationCanceledException)
        {
            await LeaveAsync();
        }
    }

    private async Task TellAsync(IReadOnlyDictionary<SidecarIdentity, bool> changes, CancellationToken cancellation)
    {
        if (changes.Count == 0)
        {
            return;
        }

        await using var context = database.Open();
        await using var transaction = await context.Database.BeginTransactionAsync(cancellation);
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        foreach (var (identity, isConnected) in changes)
        {
            var its = context.Sidecars.Where(s => s.Application == identity.Scope.Application && s.Tenant == identity.Scope.Tenant && s.Name == identity.Name);
            // One that has gone to another node is that one's to tell of.
            await (isConnected
                ? its.ExecuteUpdateAsync(u => u.SetProperty(s => s.ConnectedTo, _node).SetProperty(s => s.HeardAtMs, now), cancellation)
                : its.Where(s => s.ConnectedTo == _node).ExecuteUpdateAsync(u => u.SetProperty(s => s.ConnectedTo, "").SetProperty(s => s.HeardAtMs, now), cancellation));
        }

        await transaction.CommitAsync(cancellation);
    }

    private async Task RefreshAsync(CancellationToken cancellation)
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        await using var context = database.Open();
        await context.Sidecars.Where(s => s.ConnectedTo == _node).ExecuteUpdateAsync(u => u.SetProperty(s => s.HeardAtMs, now), cancellation);
    }

    private async Task LeaveAsync()
    {
        try
        {
            await using var context = database.Open();
            // They keep their names for as long as it takes them to come to another node.
            var now = time.GetUtcNow().ToUnixTimeMilliseconds();
            await context.Sidecars.Where(s => s.ConnectedTo == _node).ExecuteUpdateAsync(u => u.SetProperty(s => s.HeardAtMs, now), CancellationToken.None);
        }
        catch (Exception e)
        {
            // It ends by itself: nobody refreshes it any more.
            Log.Failed(logger, ConnectionFailure.Describe(e));
        }
    }

    private static partial class Log
    {
        [LoggerMessage(30, LogLevel.Warning, "failed to record which sidecars are connected, trying again: {Why}", EventName = "PresenceNotRecorded")]
        public static partial void Failed(ILogger logger, string why);
    }
}
