using System.Security.Cryptography.X509Certificates;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.Enrolment;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Trust;
using AuthSidecar.ControlPlane.V1;
using Grpc.Core;

namespace AuthSidecar.ControlPlane.Sync;

/// <summary>The streams of the sidecars.</summary>
/// <remarks>
/// A stream has nothing queued: it looks what the sidecar lacks when the sidecar has answered what it was sent before. One that is slow gets, when it
/// comes to it, one update to the newest, however much has happened.
/// </remarks>
internal sealed partial class SyncService(
    Feed feed,
    ControlStore store,
    UpdateSource updates,
    TrustRing trust,
    Fleet fleet,
    SidecarRegistry registry,
    TimeProvider time,
    IHostApplicationLifetime lifetime,
    ILogger<SyncService> logger) : V1.SyncService.SyncServiceBase
{
    public static readonly TimeSpan HeartbeatEvery = TimeSpan.FromSeconds(5);

    private const int MaxVersionLength = 64;
    private const int MaxPinnedKeys = 16;
    private const int MaxFaults = 20;
    private const int MaxFaultLength = 4_096;
    private const int MaxProblems = 8;
    private const int MaxProblemLength = 512;

    private static readonly TimeSpan WhenBehind = TimeSpan.FromMilliseconds(5);

    /// <summary>A sidecar that has not answered a heartbeat for so long is not there: building what it was sent takes less.</summary>
    private static readonly TimeSpan SilenceMeansGone = TimeSpan.FromMinutes(2);

    /// <summary>A sidecar that does not take in for so long what is sent to it is not worth waiting for: it comes back.</summary>
    private static readonly TimeSpan SubscribeWithin = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan SendWithin = TimeSpan.FromSeconds(30);

    public override async Task Sync(IAsyncStreamReader<SyncRequest> requestStream, IServerStreamWriter<SyncResponse> responseStream, ServerCallContext context)
    {
        var (identity, certificate) = Authenticate(context);
        var isOurs = trust.Current.HasIssued(certificate);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        var sidecar = await SubscribeAsync(identity, requestStream, ending.Token);
        await DemandAdmissionAsync();
        if (isOurs)
        {
            await registry.NoteUsedAsync(identity, certificate, ending.Token);
        }

        WarnOfUnknownKeys(sidecar);
        sidecar.Ending += ending.Cancel;
        DemandNoClone(sidecar);
        try
        {
            var listening = ListenAsync(sidecar, requestStream, ending.Token);
            var sending = SendAsync(sidecar, DemandAdmissionAsync, responseStream, ending.Token);
            var first = await Task.WhenAny(listening, sending);
            await ending.CancelAsync();
            // The stream is theirs until both have let go of it; what ended it is told.
            await Task.WhenAll(listening, sending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await first;
        }
        catch (Exception) when (lifetime.ApplicationStopping.IsCancellationRequested)
        {
            throw new RpcException(new Status(StatusCode.Unavailable, "this node is stopping"));
        }
        catch (Exception) when (sidecar.Ended is { } why)
        {
            throw new RpcException(new Status(StatusCode.Aborted, why));
        }
        finally
        {
            fleet.Remove(sidecar);
        }

        async Task DemandAdmissionAsync()
        {
            if (await registry.FindRefusalAsync(identity, certificate, isOurs, feed.Notes, feed.Head.History, ending.Token) is { } refusal)
            {
                throw new RpcException(new Status(StatusCode.Unauthenticated, refusal));
            }
        }
    }

    /// <summary>One identity is one process: a state folder that was copied makes two of one, and at the next renewal one of them is locked out.</summary>
    private void DemandNoClone(ConnectedSidecar sidecar)
    {
        if (fleet.TryAdd(sidecar) is not { } other)
        {
            return;
        }

        if (other.NoteClone(time.GetUtcNow()))
        {
            Log.Cloned(logger, sidecar.Identity.ToUri(), other.ConnectedAt);
        }

        throw new RpcException(new Status(
            StatusCode.AlreadyExists,
            $"duplicate identity `{sidecar.Identity.Name}`: another process has been connected with it since {other.ConnectedAt:u} (copied state folder?); delete the `identity` folder of one and enrol it again"));
    }

    /// <summary>After a restore to before a key rotation, no sidecar accepts a heartbeat, and none can prove by one what it has.</summary>
    private void WarnOfUnknownKeys(ConnectedSidecar sidecar)
    {
        if (sidecar.PinnedKeys.Count > 0 && trust.Current.DescribeUnknown(sidecar.PinnedKeys) is { } unknown && fleet.NoteUnknownKeys())
        {
            Log.UnknownKeys(logger, sidecar.Identity.ToUri(), unknown);
        }
    }

    private static (SidecarIdentity Identity, X509Certificate2 Certificate) Authenticate(ServerCallContext context) => context.GetHttpContext().Connection.ClientCertificate is { } certificate
        ? (SidecarIdentity.Of(certificate) ?? throw new RpcException(new Status(StatusCode.Unauthenticated, "the certificate is no sidecar's")), certificate)
        : throw new RpcException(new Status(StatusCode.Unauthenticated, "a sidecar shows a certificate"));

    private async Task<ConnectedSidecar> SubscribeAsync(SidecarIdentity identity, IAsyncStreamReader<SyncRequest> requests, CancellationToken ending)
    {
        bool isThere;
        try
        {
            isThere = await requests.MoveNext(ending).WaitAsync(SubscribeWithin, time, ending);
        }
        catch (TimeoutException)
        {
            throw new RpcException(new Status(StatusCode.DeadlineExceeded, $"no `subscribe` within {SubscribeWithin.TotalSeconds} s"));
        }

        if (!isThere || requests.Current.Subscribe is not { } subscribe)
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument, "a stream begins with `subscribe`"));
        }

        if (subscribe.Version.Length > MaxVersionLength || subscribe.Instance.Length > MaxVersionLength)
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"a version, and an instance, has at most {MaxVersionLength} characters"));
        }

        CheckPinnedKeys(subscribe.PinnedKeys);

        // As of now: what is known here may be as of a second ago, and the sidecar may have heard another node since.
        var there = await store.LookAsync(ending);
        var head = there.Revision;
        await DemandNothingLostAsync(identity, subscribe.Heartbeat, there, ending);
        var held = default(HeldRevisions);
        foreach (var each in subscribe.Held)
        {
            CheckType(each.Type);
            if (!Revision.TryParse(each.Revision, out var revision))
            {
                throw new RpcException(new Status(StatusCode.InvalidArgument, $"invalid revision `{each.Revision}`: {Revision.Form}"));
            }

            // More than there is, and no proof of it, is as good as of another history.
            held = held.With(each.Type, revision.IsIn(head) ? (long)revision.Number : HeldRevisions.OfAnotherHistory);
        }

        var forgotten = await store.ReadAsync((context, _) => ForgottenSetting.FindAsync(context, ending), ending);
        foreach (var type in HeldRevisions.Types)
        {
            if (held[type] > 0 && held[type] < forgotten && !HasHeard(identity, subscribe.Heartbeat, type, held[type], head, forgotten)
                && await store.ReadAsync((context, _) => DraftReader.HasChangedAsync(context, identity.Scope, type, held[type], ending), ending))
            {
                held = held.With(type, 0);
            }
        }

        foreach (var type in subscribe.WantsFull.Distinct())
        {
            CheckType(type);
            held = held.With(type, HeldRevisions.OfAnotherHistory);
        }

        return new ConnectedSidecar(identity, subscribe.Instance, subscribe.Version, head.History, held, time) { PinnedKeys = subscribe.PinnedKeys.ToHashSet(StringComparer.Ordinal) };
    }

    /// <summary>
    /// Sends nothing to one that has had more than there is: the store was put back, and what it calls changes from now on is none of what the sidecar has.
    /// Only what was signed here proves it, or whoever has a sidecar's key could keep everybody from writing.
    /// </summary>
    private async Task DemandNothingLostAsync(SidecarIdentity identity, Signed? heartbeat, StoreHead there, CancellationToken ending)
    {
        if (heartbeat is not null
            && trust.Current.TryReadHeartbeat(heartbeat) is { } heard
            && heard.Scope is { } scope
            && new SyncScope(scope.Application, scope.Tenant) == identity.Scope
            && Revision.TryParse(heard.Revision, out var proven)
            && proven > (there.Lost is null ? there.Revision : there.Certain))
        {
            if (proven > there.Revision)
            {
                await store.NoteLostAsync(proven, ending);
                await feed.LookAsync(ending);
            }

            throw new RpcException(new Status(
                StatusCode.FailedPrecondition,
                $"database rollback detected: the control plane had revision {there.Certain} when that was found out, this sidecar has {proven}; `authsidecar-control restore --confirm` begins a new history"));
        }
    }

    /// <summary>
    /// Whether a sidecar has heard of every removal that is forgotten here: by the heartbeat that said that what it has of a type was current at a revision since.
    /// </summary>
    private bool HasHeard(SidecarIdentity identity, Signed? heartbeat, ResourceType type, long held, Revision head, long forgotten) =>
        heartbeat is not null
        && trust.Current.TryReadHeartbeat(heartbeat) is { Scope: { } scope } heard
        && new SyncScope(scope.Application, scope.Tenant) == identity.Scope
        && Revision.TryParse(heard.Revision, out var revision) && revision.IsIn(head) && (long)revision.Number >= forgotten
        && heard.Current.FirstOrDefault(c => c.Type == type) is { } current
        && Revision.TryParse(current.Revision, out var then) && then.IsIn(head) && (long)then.Number <= held;

    private async Task ListenAsync(ConnectedSidecar sidecar, IAsyncStreamReader<SyncRequest> requests, CancellationToken ending)
    {
        while (await requests.MoveNext(ending))
        {
            var (message, now) = (requests.Current, time.GetUtcNow());
            switch (message.MessageCase)
            {
                case SyncRequest.MessageOneofCase.Ack:
                    CheckType(message.Ack.Type);
                    CheckRevision(message.Ack.Revision);
                    sidecar.NoteAck(message.Ack, now);
                    break;
                case SyncRequest.MessageOneofCase.Nack:
                    if (message.Nack.Type != ResourceType.Unspecified)
                    {
                        CheckType(message.Nack.Type);
                    }

                    CheckRevision(message.Nack.Revision);
                    if (message.Nack.Faults.Count > MaxFaults || message.Nack.Faults.Any(f => f.Length > MaxFaultLength))
                    {
                        throw new RpcException(new Status(StatusCode.InvalidArgument, $"a refusal has at most {MaxFaults} faults of {MaxFaultLength} characters"));
                    }

                    sidecar.NoteNack(message.Nack, now);
                    break;
                case SyncRequest.MessageOneofCase.Status:
                    CheckStatus(message.Status);
                    sidecar.NoteStatus(message.Status, now);
                    break;
                default:
                    throw new RpcException(new Status(StatusCode.InvalidArgument, "a stream goes on with `ack`, `nack` and `status`"));
            }
        }
    }

    private async Task SendAsync(ConnectedSidecar sidecar, Func<Task> demandAdmission, IServerStreamWriter<SyncResponse> responses, CancellationToken ending)
    {
        var scope = sidecar.Identity.Scope;
        var told = default(Revision);
        TrustSet? trusted = null;
        using var timer = new PeriodicTimer(HeartbeatEvery, time);
        var tick = timer.WaitForNextTickAsync(ending).AsTask();
        while (true)
        {
            ending.ThrowIfCancellationRequested();
            await demandAdmission();
            DemandSameHistory();

            // 1. Whatever it lacks; or that it lacks nothing, at this revision.
            var update = await updates.BuildAsync(scope, sidecar.Sent, feed.Head);
            await SendTrustAsync();
            if (!update.SignedBy.All(trusted!.IsTrusted))
            {
                // By a key that was revoked meanwhile.
                continue;
            }

            foreach (var part in update.Parts)
            {
                await SendAsync(responses, new SyncResponse { Part = part }, ending);
            }

            // It may have begun while that was read.
            DemandSameHistory(update.Head.History);
            sidecar.NoteSent(update.Current, time.GetUtcNow());
            if (update.Bundles.Count > 0)
            {
                await SendAsync(responses, new SyncResponse { Update = new Update { Bundles = { update.Bundles }, Heartbeat = update.Heartbeat } }, ending);
            }
            else if (update.Head > told)
            {
                await SendAsync(responses, new SyncResponse { Heartbeat = update.Heartbeat }, ending);
            }

            told = update.Head;
            if (feed.Head > update.Head)
            {
                // There is something newer already.
                await Task.Delay(WhenBehind, time, ending);
            }

            // 2. Its answer, and then something that concerns it; unless its answer was that it needs something else.
            await BeatUntilAsync(sidecar.WhenAnswered, update, isIdle: false);
            if (sidecar.Sent.Equals(update.Current))
            {
                await BeatUntilAsync(feed.WhenChanged(scope, update.Head), update, isIdle: true);
            }
        }

        // Before anything that only these anchors make trusted.
        async Task SendTrustAsync()
        {
            while (trust.Current is var current && current != trusted)
            {
                if (current.SignFor(sidecar.PinnedKeys, time.GetUtcNow()) is { } anchors)
                {
                    await SendAsync(responses, new SyncResponse { TrustAnchors = anchors }, ending);
                }

                trusted = current;
            }
        }

        // What it has is of one history, and so is what it is sent: of another one it gets everything, by another stream.
        void DemandSameHistory(History? now = null)
        {
            if ((now ?? feed.Head.History) != sidecar.History)
            {
                throw new RpcException(new Status(StatusCode.Unavailable, "the store has begun a new history"));
            }
        }

        async Task BeatUntilAsync(Task something, SyncUpdate update, bool isIdle)
        {
            while (await Task.WhenAny(something, tick) == tick)
            {
                await tick;
                tick = timer.WaitForNextTickAsync(ending).AsTask();
                if (isIdle && feed.Head > update.Head)
                {
                    // Of others, as far as anybody knows; it is looked at, and the sidecar told how far it is.
                    return;
                }

                await demandAdmission();
                DemandSameHistory();
                if (time.GetUtcNow() - sidecar.HeardAt > SilenceMeansGone)
                {
                    throw new RpcException(new Status(StatusCode.DeadlineExceeded, $"no message from the sidecar for {SilenceMeansGone.TotalSeconds} s"));
                }

                await SendTrustAsync();
                if (feed.IsFresh)
                {
                    await SendAsync(responses, new SyncResponse { Heartbeat = updates.SharedHeartbeat(scope, update.Current, update.Head) }, ending);
                }
            }
        }
    }

    private static void CheckPinnedKeys(IReadOnlyCollection<string> ids)
    {
        if (ids.Count > MaxPinnedKeys || ids.Any(k => k.Length > MaxVersionLength))
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"`pinned_keys` has at most {MaxPinnedKeys} ids of {MaxVersionLength} characters"));
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
            throw new RpcException(new Status(StatusCode.ResourceExhausted, "the sidecar does not read what is sent to it"));
        }
    }

    private static void CheckRevision(string revision)
    {
        if (revision.Length > Revision.MaxLength)
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"a revision has at most {Revision.MaxLength} characters"));
        }
    }

    private static void CheckStatus(SidecarStatus status)
    {
        foreach (var type in status.Types_)
        {
            CheckRevision(type.Revision);
        }

        CheckPinnedKeys(status.PinnedKeys);
        if (status.Problems.Count > MaxProblems || status.Problems.Any(p => p.Length > MaxProblemLength) || status.Types_.Count > HeldRevisions.Types.Count || status.Revision.Length > Revision.MaxLength)
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"a status has at most {MaxProblems} problems of {MaxProblemLength} characters, and each type once"));
        }
    }

    private static void CheckType(ResourceType type)
    {
        if (!HeldRevisions.Types.Contains(type))
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"{(int)type} is no type of resource"));
        }
    }

    private static partial class Log
    {
        [LoggerMessage(32, LogLevel.Warning, "duplicate identity {Identity}: refused a second process, the first has been connected since {ConnectedAt:u}", EventName = "SidecarCloned")]
        public static partial void Cloned(ILogger logger, string identity, DateTimeOffset connectedAt);

        [LoggerMessage(33, LogLevel.Error, "sidecar {Identity} {Problem}", EventName = "KeysUnknown")]
        public static partial void UnknownKeys(ILogger logger, string identity, string problem);
    }
}
