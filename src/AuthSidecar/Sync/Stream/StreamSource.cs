using System.Reflection;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Snapshots;
using AuthSidecar.Telemetry;
using Grpc.Net.Client;

namespace AuthSidecar.Sync.Stream;

/// <summary>Follows a control plane: one stream, and after it another. What was applied goes on serving in between.</summary>
internal sealed partial class StreamSource(
    ControlPlaneOptions options,
    Enrolment enrolment,
    TrustApplier trust,
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

    private static readonly TimeSpan ResubscribeAfter = TimeSpan.FromSeconds(4);

    private static readonly TimeSpan ResubscribeForTrustAfter = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan RefetchAgainAfter = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan SaveEvery = TimeSpan.FromSeconds(1);

    private const int RefetchBytesPerSecond = 64 * 1024;
    private const int MaxFaultLength = 2_048;
    private const int MaxPinnedKeys = 16;
    private const int MaxProblems = 8;
    private const int MaxProblemLength = 512;

    /// <summary>Which process this is.</summary>
    private static readonly string Instance = Guid.NewGuid().ToString("N");

    private readonly Outage _outage = new(time);
    private readonly Dictionary<string, Outage> _refusals = [];
    private int _failures;
    private bool _refusedForTrust;
    private ulong _refusedHeartbeats;
    private ulong _refusedBundles;
    private TimeSpan? _clockAhead;
    private DateTimeOffset? _refetchAt;
    private DateTimeOffset? _refetchedAt;

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        RefreshKeys();
        // Before anybody is answered: with a control plane that is not there, this is all there is.
        if (applier.Restore() is { } why)
            Log.NotRestored(logger, why);
        else if (cache.Current is { } restored)
            Log.Restored(logger, restored.Revision, (long)cache.AgesAt(time.GetUtcNow()).Of(PolicyData.Type).TotalSeconds);

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
            await kept.WhenDueAsync(stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            // What comes together is kept together: a bundle, and the heartbeat that says that it is current.
            await Task.Delay(SaveEvery, time, stopping).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            kept.Save();
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
            catch (Exception e) when (e is RpcException or IOException or InvalidDataException or UnauthorizedAccessException)
            {
                // It has less than this sidecar had from it, and what its revisions mean is not known until it says so.
                cache.IsHistoryLost |= e is RpcException { StatusCode: StatusCode.FailedPrecondition };
                Report(address, ConnectionFailure.KindOf(e), ConnectionFailure.Describe(e));
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
        RefreshKeys();
        using var channel = ControlPlaneOptions.Connect(address, options.ToTls(time.GetUtcNow()));
        // When the certificate is due, the stream ends, and the next one begins with another.
        var until = enrolment.NextRenewal ?? DateTimeOffset.MaxValue;
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        silence.CancelAfter(SilenceMeansGone);
        applier.BeginStream(trust.SigningKeyId);
        _refetchAt = null;
        try
        {
            await FollowAsync(address, channel, until, silence);
        }
        catch (Exception e) when ((e is OperationCanceledException || e is RpcException { StatusCode: StatusCode.Cancelled })
            && silence.IsCancellationRequested && !stopping.IsCancellationRequested)
        {
            throw new IOException($"no heartbeat for {SilenceMeansGone.TotalSeconds} s", e);
        }
    }

    private async Task FollowAsync(Uri address, GrpcChannel channel, DateTimeOffset until, CancellationTokenSource silence)
    {
        var began = time.GetTimestamp();
        _refusedForTrust = false;
        using var call = new SyncService.SyncServiceClient(channel).Sync(cancellationToken: silence.Token);
        await call.RequestStream.WriteAsync(
            new SyncRequest
            {
                Subscribe = new Subscribe
                {
                    Version = Version,
                    Held = { applier.Held },
                    Heartbeat = applier.Newest,
                    Instance = Instance,
                    PinnedKeys = { keys.Ids.Take(MaxPinnedKeys) },
                    RequestsFullState = { applier.WantedInFull.Select(BundleApplier.ToWire) },
                },
            },
            silence.Token);
        while (time.GetUtcNow() < until && await call.ResponseStream.MoveNext(silence.Token))
        {
            silence.CancelAfter(SilenceMeansGone);
            _failures = 0;
            ReportConnected(address);
            switch (call.ResponseStream.Current)
            {
                case { TrustAnchors: { } anchors }:
                    trust.Apply(anchors);
                    RefreshKeys();
                    until = enrolment.NextRenewal ?? DateTimeOffset.MaxValue;
                    await call.RequestStream.WriteAsync(new SyncRequest { Status = NewStatus() }, silence.Token);
                    break;
                case { Part: { } part }: applier.Add(part); break;
                case { Heartbeat: { } heartbeat }:
                    RefreshKeys();
                    var beat = applier.Apply(heartbeat);
                    Report(beat);
                    await call.RequestStream.WriteAsync(new SyncRequest { Status = NewStatus() }, silence.Token);
                    var lasted = time.GetElapsedTime(began);
                    if ((beat is { Refusal: null, IsCurrent: false } && _refusedForTrust && lasted >= ResubscribeAfter)
                        || (trust.IsRefused && lasted >= ResubscribeForTrustAfter))
                    {
                        // What was refused was sent, and is not sent again on this stream; with a clock that has been set since, say, it
                        // can be had.
                        return;
                    }

                    if (IsRefetchDue())
                        return;

                    break;
                case { Update: { } update }:
                    var (bundles, state) = applier.Apply(update);
                    foreach (var outcome in bundles)
                    {
                        Report(outcome);
                        await call.RequestStream.WriteAsync(ToAnswer(outcome), silence.Token);
                    }

                    Report(state);
                    await call.RequestStream.WriteAsync(new SyncRequest { Status = NewStatus() }, silence.Token);
                    break;
            }
        }
    }

    /// <summary>Whether to begin another stream, which requests in full the types whose bundles on disk are signed by another key than the
    /// active one: once that key is no longer pinned, they could not be verified at the next start. The delay is random and proportional to
    /// the size, so that the sidecars of a fleet do not request it at the same time.</summary>
    private bool IsRefetchDue()
    {
        if (_refetchAt is null && trust.SigningKeyId is { } signing && applier.BytesNotSignedBy(signing) is > 0 and var bytes)
        {
            var spread = TimeSpan.FromSeconds(bytes / (double)RefetchBytesPerSecond * RandomNumberGenerator.GetInt32(1_000) / 1_000);
            // A bundle that is refused, or cannot be written, is not requested in a loop.
            var earliest = _refetchedAt is { } before ? before + RefetchAgainAfter : DateTimeOffset.MinValue;
            _refetchAt = time.GetUtcNow() + spread is var at && at > earliest ? at : earliest;
        }

        if (time.GetUtcNow() < (_refetchAt ?? DateTimeOffset.MaxValue))
            return false;

        _refetchedAt = time.GetUtcNow();
        return true;
    }

    /// <summary>Reloads the pinned keys if the file has changed.</summary>
    /// <exception cref="InvalidDataException">The file is invalid, and no keys are in memory.</exception>
    private void RefreshKeys()
    {
        if (trust.RefreshKeys())
            applier.NoteKeysChanged();
    }

    /// <summary>Twice as long after each failure, and then some part of it: those who lost the same node do not come back at the same
    /// moment.</summary>
    private TimeSpan NextWait()
    {
        var longest = Math.Min(LongestWait.TotalMilliseconds, FirstWait.TotalMilliseconds * Math.Pow(2, Math.Min(_failures++, 20)));
        return TimeSpan.FromMilliseconds(RandomNumberGenerator.GetInt32((int)longest / 4, (int)longest + 1));
    }

    private void Report(BundleOutcome outcome)
    {
        health.Set(
            SubjectOf(outcome.Type),
            outcome.IsApplied ? null : $"{outcome.Type} of revision {outcome.Revision} refused: {outcome.Faults[0]}");
        if (outcome.IsApplied)
        {
            RefusalsOf(outcome.Type).End(out _);
            // What was not even readable was of some type or other; what is read now is signed by whom it should.
            health.Set(SubjectOf(null), null);
            Log.Applied(logger, outcome.Type!, outcome.Revision);
            return;
        }

        _refusedForTrust |= outcome.Reason is NackReason.Expired or NackReason.Signature;
        _refusedBundles++;
        SyncMetrics.NoteRefused(outcome.Reason.ToString());
        // Invalid content is new each time; other reasons repeat with every revision.
        if (outcome.Reason != NackReason.Content && !RefusalsOf(outcome.Type).Fail(outcome.Reason.ToString()))
            return;

        foreach (var fault in outcome.Faults)
            Log.Fault(logger, fault);

        Log.Refused(logger, outcome.Type, outcome.Revision, outcome.Reason);
    }

    private Outage RefusalsOf(DataType? type) => _refusals.TryGetValue(SubjectOf(type), out var refusals) ? refusals
        : _refusals[SubjectOf(type)] = new Outage(time);

    private static string SubjectOf(DataType? type) => $"bundle {type}";

    /// <summary>Whatever a heartbeat is refused for, nothing is current from then on: it is told once, and once more when it is
    /// over.</summary>
    private void Report(HeartbeatOutcome outcome)
    {
        const string Subject = "heartbeat";
        _clockAhead = outcome.ClockAhead;
        if (outcome.Refusal is null)
        {
            if (health.Set(Subject, null))
                Log.HeartbeatsAccepted(logger);

            return;
        }

        _refusedHeartbeats++;
        SyncMetrics.NoteRefused("Heartbeat");
        if (health.Set(Subject, $"heartbeats rejected: {outcome.Refusal}"))
            Log.HeartbeatsRefused(logger, outcome.Refusal);
    }

    private void Report(Uri address, string cause, string why)
    {
        health.Connection = $"not connected to the control plane at {address}: {why}";
        var (lasted, isFirst) = (_outage.Lasted, _outage.Failures == 0);
        if (!_outage.Fail(cause))
            return;

        if (isFirst)
            Log.Lost(logger, address, why);
        else
            Log.StillLost(logger, lasted.TotalSeconds, _outage.Failures, address, why);
    }

    private void ReportConnected(Uri address)
    {
        if (_outage.End(out var lasted))
        {
            health.Connection = null;
            Log.Found(logger, address, lasted.TotalSeconds);
        }
    }

    private SidecarStatus NewStatus()
    {
        var status = new SidecarStatus
        {
            Decisions = (ulong)decisions.Count,
            RefusedHeartbeats = _refusedHeartbeats,
            RefusedBundles = _refusedBundles,
            PinnedKeys = { keys.Ids.Take(MaxPinnedKeys) },
            Problems = { health.Problems.Take(MaxProblems).Select(p => p.Length > MaxProblemLength ? p[..MaxProblemLength] : p) },
        };
        if (_clockAhead is { } ahead)
            status.ClockAheadMs = (long)ahead.TotalMilliseconds;

        if (cache.Current is { } snapshot)
        {
            status.Revision = snapshot.Revision.ToString();
            var ages = cache.AgesAt(time.GetUtcNow());
            foreach (var type in DataTypes.All)
            {
                var revision = type.RevisionIn(snapshot);
                var each = new TypeStatus { Type = BundleApplier.ToWire(type), Revision = revision == default ? "" : revision.ToString() };
                if (ages.IsKnown(type))
                    each.AgeMs = (ulong)ages.Of(type).TotalMilliseconds;

                status.Types_.Add(each);
            }
        }

        return status;
    }

    private static SyncRequest ToAnswer(BundleOutcome outcome) => outcome.IsApplied
        ? new SyncRequest
        {
            Ack = new Ack
            {
                Type = BundleApplier.ToWire(outcome.Type),
                Revision = outcome.Revision.ToString(),
                RequestsFullState = outcome.RequestsFullState,
            },
        }
        : new SyncRequest
        {
            Nack = new Nack
            {
                Type = BundleApplier.ToWire(outcome.Type),
                Revision = outcome.Revision == default ? "" : outcome.Revision.ToString(),
                Reason = outcome.Reason,
                Faults = { outcome.Faults.Select(f => f.Length > MaxFaultLength ? f[..MaxFaultLength] : f) },
            },
        };

    private static string Version => Assembly.GetExecutingAssembly().GetName().Version?.ToString(3) ?? "";

    private static partial class Log
    {
        [LoggerMessage(30, LogLevel.Information, "applied {Type} of revision {Revision}", EventName = "BundleApplied")]
        public static partial void Applied(ILogger logger, DataType type, Revision revision);

        [LoggerMessage(31, LogLevel.Error, "bundle: {Fault}", EventName = "StreamBundleFault")]
        public static partial void Fault(ILogger logger, string fault);

        [LoggerMessage(32, LogLevel.Error, "failed to apply {Type} revision {Revision}, using the previous one: {Reason}",
            EventName = "StreamBundleRefused")]
        public static partial void Refused(ILogger logger, DataType? type, Revision revision, NackReason reason);

        [LoggerMessage(33, LogLevel.Warning, "not connected to the control plane at {Address}: {Error}",
            EventName = "ControlPlaneDisconnected")]
        public static partial void Lost(ILogger logger, Uri address, string error);

        [LoggerMessage(37, LogLevel.Warning,
            "not connected to a control plane for {Seconds:F0} s, {Failures} failures, last at {Address}: {Error}",
            EventName = "ControlPlaneStillDisconnected")]
        public static partial void StillLost(ILogger logger, double seconds, int failures, Uri address, string error);

        [LoggerMessage(38, LogLevel.Information, "connected to the control plane at {Address} again, after {Seconds:F0} s",
            EventName = "ControlPlaneReconnected")]
        public static partial void Found(ILogger logger, Uri address, double seconds);

        [LoggerMessage(39, LogLevel.Error, "heartbeats rejected, served data is becoming stale: {Error}", EventName = "HeartbeatsRefused")]
        public static partial void HeartbeatsRefused(ILogger logger, string error);

        [LoggerMessage(41, LogLevel.Information, "heartbeats accepted again", EventName = "HeartbeatsAccepted")]
        public static partial void HeartbeatsAccepted(ILogger logger);

        [LoggerMessage(34, LogLevel.Error, "following the control plane at {Address} failed", EventName = "StreamFailed")]
        public static partial void Failed(ILogger logger, Uri address, Exception exception);

        [LoggerMessage(35, LogLevel.Warning,
            "restored last-known-good revision {Revision}, policies {AgeSeconds} s old; requesting newer data from the control plane",
            EventName = "LastKnownGoodRestored")]
        public static partial void Restored(ILogger logger, Revision revision, long ageSeconds);

        [LoggerMessage(36, LogLevel.Error, "last-known-good state discarded: {Error}", EventName = "LastKnownGoodDiscarded")]
        public static partial void NotRestored(ILogger logger, string error);
    }
}
