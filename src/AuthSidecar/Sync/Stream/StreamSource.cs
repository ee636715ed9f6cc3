using System.Reflection;
using System.Security.Cryptography;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Decisions;
using AuthSidecar.Snapshots;
using Grpc.Core;

namespace AuthSidecar.Sync.Stream;

/// <summary>Follows a control plane: one stream, and after it another. What was applied goes on serving in between.</summary>
internal sealed partial class StreamSource(
    ControlPlaneOptions options,
    Enrolment enrolment,
    PinnedKeys keys,
    BundleApplier applier,
    LastKnownGood kept,
    SnapshotCache cache,
    SourceHealth health,
    DecisionCounter decisions,
    TimeProvider time,
    ILogger<StreamSource> logger) : BackgroundService
{
    /// <summary>A control plane that says nothing for so long, not even that nothing has changed, is not there.</summary>
    public static readonly TimeSpan SilenceMeansGone = TimeSpan.FromSeconds(16);

    private static readonly TimeSpan FirstWait = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan SaveEvery = TimeSpan.FromSeconds(1);

    private int _failures;

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        keys.Refresh();
        // Before anybody is answered: with a control plane that is not there, this is all there is.
        if (applier.Restore() is { } why)
        {
            Log.NotRestored(logger, why);
        }
        else if (cache.Current is { } restored)
        {
            Log.Restored(logger, restored.Revision, (long)cache.AgesAt(time.GetUtcNow()).Of(ResourceTypes.Policies).TotalSeconds);
        }

        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // Beside the stream, and not in it: a slow disk must not keep what is new from being applied.
        await Task.WhenAll(FollowAsync(stoppingToken), KeepAsync(stoppingToken));
        kept.Save();
    }

    private async Task KeepAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            kept.Save();
            await Task.Delay(SaveEvery, time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task FollowAsync(CancellationToken stoppingToken)
    {
        // Any of the nodes, so that a thousand sidecars spread over them.
        var node = RandomNumberGenerator.GetInt32(options.Addresses.Count);
        while (!stoppingToken.IsCancellationRequested)
        {
            var address = options.Addresses[node++ % options.Addresses.Count];
            try
            {
                await FollowAsync(address, stoppingToken);
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is RpcException or IOException or InvalidDataException or OperationCanceledException or UnauthorizedAccessException)
            {
                Log.Lost(logger, address, e is RpcException rpc ? rpc.Status.Detail : e.Message);
            }
            catch (Exception e)
            {
                // A fault of ours. What was good before it is still the best there is.
                Log.Failed(logger, address, e);
            }

            try
            {
                await Task.Delay(NextWait(), time, stoppingToken);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task FollowAsync(Uri address, CancellationToken stopping)
    {
        await enrolment.EnsureAsync(address, stopping);
        keys.Refresh();
        using var channel = ControlPlaneOptions.Connect(address, options.ToTls());
        // When the certificate is due, the stream ends, and the next one begins with another.
        var until = enrolment.NextRenewal ?? DateTimeOffset.MaxValue;
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        silence.CancelAfter(SilenceMeansGone);
        applier.BeginStream();
        using var call = new SyncService.SyncServiceClient(channel).Sync(cancellationToken: silence.Token);
        await call.RequestStream.WriteAsync(
            new SyncRequest { Subscribe = new Subscribe { Version = Version, Held = { applier.Held } } },
            silence.Token);
        while (time.GetUtcNow() < until && await call.ResponseStream.MoveNext(silence.Token))
        {
            silence.CancelAfter(SilenceMeansGone);
            _failures = 0;
            switch (call.ResponseStream.Current)
            {
                case { Part: { } part }: applier.Add(part); break;
                case { Heartbeat: { } heartbeat }:
                    applier.Apply(heartbeat);
                    await call.RequestStream.WriteAsync(new SyncRequest { Status = new SidecarStatus { Decisions = (ulong)decisions.Count } }, silence.Token);
                    break;
                case { Update: { } update }:
                    foreach (var outcome in applier.Apply(update))
                    {
                        Report(outcome);
                        await call.RequestStream.WriteAsync(ToAnswer(outcome), silence.Token);
                    }

                    break;
            }
        }
    }

    /// <summary>Twice as long after each failure, and then some part of it: those who lost the same node do not come back at the same moment.</summary>
    private TimeSpan NextWait()
    {
        var longest = Math.Min(LongestWait.TotalMilliseconds, FirstWait.TotalMilliseconds * Math.Pow(2, Math.Min(_failures++, 20)));
        return TimeSpan.FromMilliseconds(RandomNumberGenerator.GetInt32((int)longest / 4, (int)longest + 1));
    }

    private void Report(BundleOutcome outcome)
    {
        health.Set(outcome.IsApplied);
        if (outcome.IsApplied)
        {
            Log.Applied(logger, outcome.Type, outcome.Revision);
            return;
        }

        foreach (var fault in outcome.Faults)
        {
            Log.Fault(logger, fault);
        }

        Log.Refused(logger, outcome.Type, outcome.Revision, outcome.Reason);
    }

    private static SyncRequest ToAnswer(BundleOutcome outcome) => outcome.IsApplied
        ? new SyncRequest { Ack = new Ack { Type = outcome.Type, Revision = outcome.Revision, WantsFull = outcome.WantsFull } }
        : new SyncRequest { Nack = new Nack { Type = outcome.Type, Revision = outcome.Revision, Reason = outcome.Reason, Faults = { outcome.Faults } } };

    private static string Version => Assembly.GetExecutingAssembly().GetName().Version?.ToString(3) ?? "";

    private static partial class Log
    {
        [LoggerMessage(30, LogLevel.Information, "applied {Type} of revision {Revision}", EventName = "BundleApplied")]
        public static partial void Applied(ILogger logger, ResourceType type, ulong revision);

        [LoggerMessage(31, LogLevel.Error, "bundle: {Fault}", EventName = "BundleFault")]
        public static partial void Fault(ILogger logger, string fault);

        [LoggerMessage(32, LogLevel.Error, "{Type} of revision {Revision} refused: {Reason}; what was there goes on serving", EventName = "BundleRefused")]
        public static partial void Refused(ILogger logger, ResourceType type, ulong revision, NackReason reason);

        [LoggerMessage(33, LogLevel.Warning, "the control plane at {Address} is lost: {Why}", EventName = "ControlPlaneLost")]
        public static partial void Lost(ILogger logger, Uri address, string why);

        [LoggerMessage(34, LogLevel.Error, "following the control plane at {Address} failed", EventName = "FollowFailed")]
        public static partial void Failed(ILogger logger, Uri address, Exception exception);

        [LoggerMessage(35, LogLevel.Warning, "restored revision {Revision}, whose policies are {AgeSeconds} seconds old; the control plane is asked for what is newer", EventName = "Restored")]
        public static partial void Restored(ILogger logger, Revision revision, long ageSeconds);

        [LoggerMessage(36, LogLevel.Error, "what was kept of the control plane's stream is not used: {Why}", EventName = "NotRestored")]
        public static partial void NotRestored(ILogger logger, string why);
    }
}
