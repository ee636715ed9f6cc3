using AuthSidecar.ControlPlane.Sidecars.Fleet;
using AuthSidecar.ControlPlane.Sidecars.Trust;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Sidecars.Sync;

/// <summary>Reads what sidecars say that they have, and compares it with what there is: a sidecar gets changes only of what it proves to
/// have.</summary>
internal sealed class SubscriptionReader(StoreWatcher watcher, ControlStore store, TrustRing trust, TimeProvider time)
{
    private static readonly TimeSpan SubscribeWithin = TimeSpan.FromSeconds(10);

    /// <summary>Waits for the subscription of a stream, and reads it.</summary>
    /// <exception cref="RpcException">The subscription is missing or invalid, or of a later revision than the store.</exception>
    public async Task<ConnectedSidecar> ReadAsync(
        SidecarIdentity identity, IAsyncStreamReader<SyncRequest> requests, CancellationToken ending)
    {
        bool isThere;
        try
        {
            isThere = await requests.MoveNext(ending).WaitAsync(SubscribeWithin, time, ending);
        }
        catch (TimeoutException)
        {
            throw ApiErrors.NothingReceived($"no `subscribe` within {SubscribeWithin.TotalSeconds} s");
        }

        if (!isThere || requests.Current.Subscribe is not { } subscribe)
            throw ApiErrors.ProtocolViolation("expected `subscribe` as the first message of the stream");

        SyncRequestChecks.Subscribe(subscribe);

        // As of now: what is known here may be as of a second ago, and the sidecar may have heard another node since.
        var there = await store.LookAsync(ending);
        var head = there.Revision;
        await RequireNothingLostAsync(identity, subscribe.Heartbeat, there, ending);
        var held = default(RevisionVector);
        foreach (var each in subscribe.Held)
        {
            SyncRequestChecks.Type(each.Type);
            if (!Revision.TryParse(each.Revision, out var revision))
                throw ApiErrors.ProtocolViolation($"invalid revision `{each.Revision}`: {Revision.Form}");

            // More than there is, and no proof of it, is as good as of another history.
            held = held.With(each.Type, revision.IsIn(head) ? (long)revision.Number : RevisionVector.OfAnotherHistory);
        }

        var forgotten = await store.ReadAsync((context, _) => ForgottenSetting.FindAsync(context, ending), ending);
        foreach (var type in RevisionVector.Types)
        {
            if (held[type] > 0 && held[type] < forgotten && !HasHeard(identity, subscribe.Heartbeat, type, held[type], head, forgotten)
                && await store.ReadAsync(
                    (context, _) => UnsignedBundleReader.HasChangedAsync(context, identity.Placement, type, held[type], ending), ending))
            {
                held = held.With(type, 0);
            }
        }

        foreach (var type in subscribe.RequestsFullState.Distinct())
        {
            SyncRequestChecks.Type(type);
            held = held.With(type, RevisionVector.OfAnotherHistory);
        }

        return new ConnectedSidecar(identity, subscribe.Instance, subscribe.Version, head.History, held, time)
        {
            PinnedKeys = subscribe.PinnedKeys.ToHashSet(StringComparer.Ordinal),
        };
    }

    /// <summary>Sends nothing to one that has had more than there is: the store was put back, and what it calls changes from now on is none
    /// of what the sidecar has. Only what was signed here proves it, or whoever has a sidecar's key could keep everybody from
    /// writing.</summary>
    private async Task RequireNothingLostAsync(SidecarIdentity identity, Signed? heartbeat, StoreHead there, CancellationToken ending)
    {
        if (heartbeat is not null
            && trust.Current.TryReadHeartbeat(heartbeat) is { } heard
            && heard.Placement is { } placement
            && new Placement(placement.Application, placement.Tenant) == identity.Placement
            && Revision.TryParse(heard.Revision, out var proven)
            && proven > (there.Lost is null ? there.Revision : there.Certain))
        {
            if (proven > there.Revision)
            {
                await store.NoteLostAsync(proven, ending);
                await watcher.LookAsync(ending);
            }

            throw ApiErrors.RolledBack(proven, there.Certain);
        }
    }

    /// <summary>Whether a sidecar has heard of every removal that is forgotten here: by the heartbeat that said that what it has of a type
    /// was current at a revision since.</summary>
    private bool HasHeard(SidecarIdentity identity, Signed? heartbeat, DataType type, long held, Revision head, long forgotten) =>
        heartbeat is not null
        && trust.Current.TryReadHeartbeat(heartbeat) is { Placement: { } placement } heard
        && new Placement(placement.Application, placement.Tenant) == identity.Placement
        && Revision.TryParse(heard.Revision, out var revision) && revision.IsIn(head) && (long)revision.Number >= forgotten
        && heard.Current.FirstOrDefault(c => c.Type == type) is { } current
        && Revision.TryParse(current.Revision, out var then) && then.IsIn(head) && (long)then.Number <= held;
}
