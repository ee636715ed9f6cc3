using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.Enrolment;
using AuthSidecar.ControlPlane.V1;
using Grpc.Core;

namespace AuthSidecar.ControlPlane.Sync;

/// <summary>The streams of the sidecars.</summary>
/// <remarks>
/// A stream has nothing queued: it looks what the sidecar lacks when the sidecar has answered what it was sent before. One that is slow gets, when it
/// comes to it, one update to the newest, however much has happened.
/// </remarks>
internal sealed class SyncService(
    Feed feed, UpdateSource updates, Fleet fleet, SidecarRegistry registry, CertificateAuthority authority, TimeProvider time, IHostApplicationLifetime lifetime) : V1.SyncService.SyncServiceBase
{
    public static readonly TimeSpan HeartbeatEvery = TimeSpan.FromSeconds(5);

    private const int MaxVersionLength = 64;

    private static readonly TimeSpan WhenBehind = TimeSpan.FromMilliseconds(5);

    /// <summary>A sidecar that does not take in for so long what is sent to it is not worth waiting for: it comes back.</summary>
    private static readonly TimeSpan SendWithin = TimeSpan.FromSeconds(30);

    public override async Task Sync(IAsyncStreamReader<SyncRequest> requestStream, IServerStreamWriter<SyncResponse> responseStream, ServerCallContext context)
    {
        var (identity, certificate) = Authenticate(context);
        var isOurs = authority.HasIssued(certificate);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        var sidecar = await SubscribeAsync(identity, requestStream, ending.Token);
        await DemandAdmissionAsync();
        if (isOurs)
        {
            await registry.NoteUsedAsync(identity, certificate, ending.Token);
        }

        fleet.Add(sidecar);
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
        finally
        {
            fleet.Remove(sidecar);
        }

        async Task DemandAdmissionAsync()
        {
            if (!await registry.IsAdmittedAsync(identity, certificate, isOurs, feed.Head, ending.Token))
            {
                throw new RpcException(new Status(StatusCode.Unauthenticated, "the certificate has expired or was replaced, or the sidecar was removed"));
            }
        }
    }

    private static (SidecarIdentity Identity, X509Certificate2 Certificate) Authenticate(ServerCallContext context) => context.GetHttpContext().Connection.ClientCertificate is { } certificate
        ? (SidecarIdentity.Of(certificate) ?? throw new RpcException(new Status(StatusCode.Unauthenticated, "the certificate is no sidecar's")), certificate)
        : throw new RpcException(new Status(StatusCode.Unauthenticated, "a sidecar shows a certificate"));

    private async Task<ConnectedSidecar> SubscribeAsync(SidecarIdentity identity, IAsyncStreamReader<SyncRequest> requests, CancellationToken ending)
    {
        if (!await requests.MoveNext(ending) || requests.Current.Subscribe is not { } subscribe)
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument, "a stream begins with `subscribe`"));
        }

        if (subscribe.Version.Length > MaxVersionLength)
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"a version has at most {MaxVersionLength} characters"));
        }

        var held = default(HeldRevisions);
        foreach (var each in subscribe.Held)
        {
            CheckType(each.Type);
            held = held.With(each.Type, (long)each.Revision);
        }

        return new ConnectedSidecar(identity, subscribe.Version, held, time.GetUtcNow());
    }

    private async Task ListenAsync(ConnectedSidecar sidecar, IAsyncStreamReader<SyncRequest> requests, CancellationToken ending)
    {
        while (await requests.MoveNext(ending))
        {
            var (message, now) = (requests.Current, time.GetUtcNow());
            switch (message.MessageCase)
            {
                case SyncRequest.MessageOneofCase.Ack:
                    CheckType(message.Ack.Type);
                    sidecar.NoteAck(message.Ack, now);
                    break;
                case SyncRequest.MessageOneofCase.Nack:
                    if (message.Nack.Type != ResourceType.Unspecified)
                    {
                        CheckType(message.Nack.Type);
                    }

                    sidecar.NoteNack(message.Nack, now);
                    break;
                case SyncRequest.MessageOneofCase.Status:
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
        var told = -1L;
        using var timer = new PeriodicTimer(HeartbeatEvery, time);
        var tick = timer.WaitForNextTickAsync(ending).AsTask();
        while (true)
        {
            ending.ThrowIfCancellationRequested();
            await demandAdmission();

            // 1. Whatever it lacks; or that it lacks nothing, at this revision.
            var update = await updates.BuildAsync(scope, sidecar.Sent, feed.Head);
            foreach (var part in update.Parts)
            {
                await SendAsync(responses, new SyncResponse { Part = part }, ending);
            }

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
                // There is something newer already; or the store was put back behind us, and then there is no haste.
                await Task.Delay(WhenBehind, time, ending);
            }

            // 2. Its answer, and then something new; unless its answer was that it needs something else.
            await BeatUntilAsync(sidecar.WhenAnswered, update);
            if (sidecar.Sent.Equals(update.Current))
            {
                await BeatUntilAsync(feed.WhenNewer(update.Head), update);
            }
        }

        async Task BeatUntilAsync(Task something, SyncUpdate update)
        {
            while (await Task.WhenAny(something, tick) == tick)
            {
                await tick;
                tick = timer.WaitForNextTickAsync(ending).AsTask();
                await demandAdmission();
                if (feed.IsFresh)
                {
                    await SendAsync(responses, new SyncResponse { Heartbeat = updates.SignHeartbeat(scope, update.Current, update.Head) }, ending);
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
            throw new RpcException(new Status(StatusCode.ResourceExhausted, "the sidecar does not read what is sent to it"));
        }
    }

    private static void CheckType(ResourceType type)
    {
        if (!HeldRevisions.Types.Contains(type))
        {
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"{(int)type} is no type of resource"));
        }
    }
}
