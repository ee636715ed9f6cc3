using System.Reflection;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Snapshots;
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
    StreamReport report,
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

    /// <summary>Which process this is.</summary>
    private static readonly string Instance = Guid.NewGuid().ToString("N");

    private int _failures;
    private bool _refusedForTrust;
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
                report.Disconnected(address, e);
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
                    PinnedKeys = { keys.Ids.Take(StreamReport.MaxPinnedKeys) },
                    RequestsFullState = { applier.WantedInFull.Select(BundleApplier.ToWire) },
                },
            },
            silence.Token);
        while (time.GetUtcNow() < until && await call.ResponseStream.MoveNext(silence.Token))
        {
            silence.CancelAfter(SilenceMeansGone);
            _failures = 0;
            report.Connected(address);
            switch (call.ResponseStream.Current)
            {
                case { TrustAnchors: { } anchors }:
                    trust.Apply(anchors);
                    RefreshKeys();
                    until = enrolment.NextRenewal ?? DateTimeOffset.MaxValue;
                    await call.RequestStream.WriteAsync(new SyncRequest { Status = report.ToStatus() }, silence.Token);
                    break;
                case { Part: { } part }: applier.Add(part); break;
                case { Heartbeat: { } heartbeat }:
                    RefreshKeys();
                    var beat = applier.Apply(heartbeat);
                    report.Received(beat);
                    await call.RequestStream.WriteAsync(new SyncRequest { Status = report.ToStatus() }, silence.Token);
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
                        report.Received(outcome);
                        _refusedForTrust |= outcome.Reason is NackReason.Expired or NackReason.Signature;
                        await call.RequestStream.WriteAsync(ToAnswer(outcome), silence.Token);
                    }

                    report.Received(state);
                    await call.RequestStream.WriteAsync(new SyncRequest { Status = report.ToStatus() }, silence.Token);
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
