using AuthSidecar.ControlPlane.Sidecars.Enrolment;
using AuthSidecar.ControlPlane.Sidecars.Fleet;
using AuthSidecar.ControlPlane.Sidecars.Trust;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Sidecars.Sync;

/// <summary>The streams of the sidecars.</summary>
/// <remarks>A stream has nothing queued: it looks what the sidecar lacks when the sidecar has answered what it was sent before. One that is
/// slow gets, when it comes to it, one update to the newest, however much has happened.</remarks>
internal sealed partial class SyncService(
    StoreWatcher watcher,
    SubscriptionReader subscriptions,
    UpdateBuilder updates,
    TrustRing trust,
    SidecarFleet fleet,
    SidecarAdmission admission,
    TimeProvider time,
    IHostApplicationLifetime lifetime,
    ILogger<SyncService> logger) : V1.SyncService.SyncServiceBase
{
    public static readonly TimeSpan HeartbeatEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan WhenBehind = TimeSpan.FromMilliseconds(5);

    /// <summary>A sidecar that has not answered a heartbeat for so long is not there: building what it was sent takes less.</summary>
    private static readonly TimeSpan SilenceMeansGone = TimeSpan.FromMinutes(2);

    /// <summary>A sidecar that does not take in for so long what is sent to it is not worth waiting for: it comes back.</summary>
    private static readonly TimeSpan SendWithin = TimeSpan.FromSeconds(30);

    public override async Task Sync(
        IAsyncStreamReader<SyncRequest> requestStream, IServerStreamWriter<SyncResponse> responseStream, ServerCallContext context)
    {
        var (identity, certificate) = Authenticate(context);
        var isOurs = trust.Current.HasIssued(certificate);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        var sidecar = await subscriptions.ReadAsync(identity, requestStream, ending.Token);
        await RequireAdmissionAsync();
        if (isOurs)
            await admission.NoteUsedAsync(identity, certificate, ending.Token);

        WarnOfUnknownKeys(sidecar);
        sidecar.Ending += ending.Cancel;
        RequireNoClone(sidecar);
        try
        {
            var listening = ListenAsync(sidecar, requestStream, ending.Token);
            var sending = SendAsync(sidecar, RequireAdmissionAsync, responseStream, ending.Token);
            var first = await Task.WhenAny(listening, sending);
            await ending.CancelAsync();
            // The stream is theirs until both have let go of it; what ended it is told.
            await Task.WhenAll(listening, sending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await first;
        }
        catch (Exception) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            throw ApiErrors.ShuttingDown();
        }
        catch (Exception) when (sidecar.Ended is { } why)
        {
            throw ApiErrors.StreamEnded(why);
        }
        finally
        {
            fleet.Remove(sidecar);
        }

        async Task RequireAdmissionAsync()
        {
            if (await admission.FindRefusalAsync(
                identity, certificate, isOurs, watcher.Notes, watcher.Head.History, ending.Token) is { } refusal)
            {
                throw ApiErrors.CertificateRejected(refusal);
            }
        }
    }

    /// <summary>One identity is one process: a state folder that was copied makes two of one, and at the next renewal one of them is locked
    /// out.</summary>
    private void RequireNoClone(ConnectedSidecar sidecar)
    {
        if (fleet.TryAdd(sidecar) is not { } other)
            return;

        if (other.NoteClone(time.GetUtcNow()))
            Log.Cloned(logger, sidecar.Identity.ToUri(), other.ConnectedAt);

        throw ApiErrors.DuplicateIdentity(sidecar.Identity.Name, other.ConnectedAt);
    }

    /// <summary>After a restore to before a key rotation, no sidecar accepts a heartbeat, and none can prove by one what it has.</summary>
    private void WarnOfUnknownKeys(ConnectedSidecar sidecar)
    {
        if (sidecar.PinnedKeys.Count > 0 && trust.Current.DescribeUnknown(sidecar.PinnedKeys) is { } unknown && fleet.NoteUnknownKeys())
            Log.UnknownKeys(logger, sidecar.Identity.ToUri(), unknown);
    }

    private static (SidecarIdentity Identity, X509Certificate2 Certificate) Authenticate(ServerCallContext context) =>
        context.GetHttpContext().Connection.ClientCertificate is { } certificate
        ? (SidecarIdentity.Of(certificate) ?? throw ApiErrors.CertificateRejected("not a sidecar certificate"), certificate)
        : throw ApiErrors.CertificateRejected("missing client certificate: sidecars authenticate with mutual TLS");

    private async Task ListenAsync(ConnectedSidecar sidecar, IAsyncStreamReader<SyncRequest> requests, CancellationToken ending)
    {
        while (await requests.MoveNext(ending))
        {
            var (message, now) = (requests.Current, time.GetUtcNow());
            switch (message.MessageCase)
            {
                case SyncRequest.MessageOneofCase.Ack:
                    SyncRequestChecks.Ack(message.Ack);
                    sidecar.NoteAck(message.Ack, now);
                    break;
                case SyncRequest.MessageOneofCase.Nack:
                    SyncRequestChecks.Nack(message.Nack);
                    sidecar.NoteNack(message.Nack, now);
                    break;
                case SyncRequest.MessageOneofCase.Status:
                    SyncRequestChecks.Status(message.Status);
                    sidecar.NoteStatus(message.Status, now);
                    break;
                default: throw ApiErrors.ProtocolViolation("unexpected message: expected `ack`, `nack` or `status`");
            }
        }
    }

    private async Task SendAsync(
        ConnectedSidecar sidecar, Func<Task> demandAdmission, IServerStreamWriter<SyncResponse> responses, CancellationToken ending)
    {
        var placement = sidecar.Identity.Placement;
        var told = default(Revision);
        TrustSet? trusted = null;
        using var timer = new PeriodicTimer(HeartbeatEvery, time);
        var tick = timer.WaitForNextTickAsync(ending).AsTask();
        while (true)
        {
            ending.ThrowIfCancellationRequested();
            await demandAdmission();
            RequireSameHistory();

            // 1. Whatever it lacks; or that it lacks nothing, at this revision.
            var update = await updates.BuildAsync(placement, sidecar.Sent, watcher.Head);
            await SendTrustAsync();
            if (!update.SignedBy.All(trusted!.IsTrusted))
            {
                // By a key that was revoked meanwhile.
                continue;
            }

            foreach (var part in update.Parts)
                await SendAsync(responses, new SyncResponse { Part = part }, ending);

            // It may have begun while that was read.
            RequireSameHistory(update.Head.History);
            sidecar.NoteSent(update.Current, time.GetUtcNow());
            if (update.Bundles.Count > 0)
            {
                await SendAsync(responses, new SyncResponse
                {
                    Update = new Update { Bundles = { update.Bundles }, Heartbeat = update.Heartbeat },
                }, ending);
            }
            else if (update.Head > told)
            {
                await SendAsync(responses, new SyncResponse { Heartbeat = update.Heartbeat }, ending);
            }

            told = update.Head;
            if (watcher.Head > update.Head)
            {
                // There is something newer already.
                await Task.Delay(WhenBehind, time, ending);
            }

            // 2. Its answer, and then something that concerns it; unless its answer was that it needs something else.
            await BeatUntilAsync(sidecar.WhenAnswered, update, isIdle: false);
            if (sidecar.Sent.Equals(update.Current))
                await BeatUntilAsync(watcher.WhenChanged(placement, update.Head), update, isIdle: true);
        }

        // Before anything that only these anchors make trusted.
        async Task SendTrustAsync()
        {
            while (trust.Current is var current && current != trusted)
            {
                if (current.SignFor(sidecar.PinnedKeys, time.GetUtcNow()) is { } anchors)
                    await SendAsync(responses, new SyncResponse { TrustAnchors = anchors }, ending);

                trusted = current;
            }
        }

        // What it has is of one history, and so is what it is sent: of another one it gets everything, by another stream.
        void RequireSameHistory(History? now = null)
        {
            if ((now ?? watcher.Head.History) != sidecar.History)
                throw ApiErrors.HistoryBegun();
        }

        async Task BeatUntilAsync(Task something, SyncUpdate update, bool isIdle)
        {
            while (await Task.WhenAny(something, tick) == tick)
            {
                await tick;
                tick = timer.WaitForNextTickAsync(ending).AsTask();
                if (isIdle && watcher.Head > update.Head)
                {
                    // Of others, as far as anybody knows; it is looked at, and the sidecar told how far it is.
                    return;
                }

                await demandAdmission();
                RequireSameHistory();
                if (time.GetUtcNow() - sidecar.HeardAt > SilenceMeansGone)
                    throw ApiErrors.NothingReceived($"no message from the sidecar for {SilenceMeansGone.TotalSeconds} s");

                await SendTrustAsync();
                if (watcher.IsFresh)
                {
                    await SendAsync(
                        responses, new SyncResponse { Heartbeat = updates.SharedHeartbeat(placement, update.Current, update.Head) },
                        ending);
                }
            }
        }
    }

    private static async Task SendAsync(IServerStreamWriter<SyncResponse> responses, SyncResponse response, CancellationToken ending)
    {
        try
        {
            await responses.WriteAsync(response, ending).WaitAsync(SendWithin, ending);
        }
        catch (TimeoutException)
        {
            throw ApiErrors.NotRead();
        }
    }

    private static partial class Log
    {
        [LoggerMessage(32, LogLevel.Warning,
            "duplicate identity {Identity}: refused a second process, the first has been connected since {ConnectedAt:u}",
            EventName = "DuplicateIdentityRefused")]
        public static partial void Cloned(ILogger logger, string identity, DateTimeOffset connectedAt);

        [LoggerMessage(33, LogLevel.Error, "sidecar {Identity} {Problem}", EventName = "SidecarKeysOutdated")]
        public static partial void UnknownKeys(ILogger logger, string identity, string problem);
    }
}
