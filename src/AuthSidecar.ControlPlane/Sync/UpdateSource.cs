using System.Security.Cryptography;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Trust;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Sync;

/// <summary>What a sidecar lacks, ready to be sent.</summary>
/// <param name="Head">The revision of the store that this was read from.</param>
/// <param name="Parts">To be sent first.</param>
/// <param name="Bundles">Signed, of different types; none: it lacks nothing.</param>
/// <param name="Current">What it has once it has applied them.</param>
/// <param name="Heartbeat">Signed: that this is current.</param>
internal sealed record SyncUpdate(Revision Head, IReadOnlyList<Part> Parts, IReadOnlyList<Signed> Bundles, HeldRevisions Current, Signed Heartbeat)
{
    /// <summary>The ids of the keys that have signed it.</summary>
    public IEnumerable<string> SignedBy => Bundles.Append(Heartbeat).Select(s => s.KeyId);
}

/// <summary>
/// Makes updates. Sidecars that have the same and are to have the same share one: a thousand of them cost one look at the store and one signature
/// for every type that changed.
/// </summary>
internal sealed class UpdateSource(ControlStore store, DraftReader lacks, TrustRing trust, TimeProvider time)
{
    /// <summary>How long after it was signed a bundle may still be applied.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromHours(24);

    private const int PartBytes = 512 * 1024;

    // Sidecars that hold the same are many, those that hold something else are few; an update can be large.
    private const int MaxShared = 64;

    private static readonly TimeSpan SharedHeartbeatFor = TimeSpan.FromSeconds(1);

    // What is signed in it is of that moment.
    private static readonly TimeSpan SharedFor = TimeSpan.FromSeconds(20);

    private readonly Lock _sharing = new();
    private readonly Dictionary<(SyncScope, HeldRevisions), (Task<SyncUpdate> Update, TrustSet Trust, long BuiltAt)> _shared = [];
    private readonly Dictionary<(SyncScope, HeldRevisions), (Signed Heartbeat, Revision Head, long SignedAt)> _heartbeats = [];
    private Revision _sharedHead;

    /// <summary>What a sidecar lacks at this revision of the store, or a later one.</summary>
    public Task<SyncUpdate> BuildAsync(SyncScope scope, HeldRevisions held, Revision head)
    {
        var anchors = trust.Current;
        lock (_sharing)
        {
            if (head > _sharedHead || _shared.Count >= MaxShared)
            {
                _shared.Clear();
                _sharedHead = head > _sharedHead ? head : _sharedHead;
            }

            if (!_shared.TryGetValue((scope, held), out var shared) || shared.Update.IsFaulted || shared.Trust != anchors || time.GetElapsedTime(shared.BuiltAt) > SharedFor)
            {
                // Nobody's cancellation: others wait for the same.
                shared = (Task.Run(() => store.ReadAsync((context, now) => BuildAsync(context, now, scope, held), CancellationToken.None)), anchors, time.GetTimestamp());
                _shared[(scope, held)] = shared;
            }

            return shared.Update;
        }
    }

    /// <summary>The same for all who are to have the same, for a second: that nothing has changed need not be signed for each.</summary>
    public Signed SharedHeartbeat(SyncScope scope, HeldRevisions current, Revision head)
    {
        lock (_sharing)
        {
            if (!_heartbeats.TryGetValue((scope, current), out var shared) || shared.Head != head || !trust.Current.IsTrusted(shared.Heartbeat.KeyId) || time.GetElapsedTime(shared.SignedAt) > SharedHeartbeatFor)
            {
                if (_heartbeats.Count >= MaxShared)
                {
                    _heartbeats.Clear();
                }

                shared = (SignHeartbeat(scope, current, head), head, time.GetTimestamp());
                _heartbeats[(scope, current)] = shared;
            }

            return shared.Heartbeat;
        }
    }

    private Signed SignHeartbeat(SyncScope scope, HeldRevisions current, Revision head)
    {
        var heartbeat = new Heartbeat { Scope = ToMessage(scope), CreatedAt = Timestamp.FromDateTimeOffset(time.GetUtcNow()), Revision = head.ToString() };
        heartbeat.Current.AddRange(HeldRevisions.Types.Select(t => new TypeRevision { Type = t, Revision = head.At(Math.Max(0, current[t])).ToString() }));
        return trust.Current.Signing.Sign(heartbeat);
    }

    private async Task<SyncUpdate> BuildAsync(StoreContext context, Revision head, SyncScope scope, HeldRevisions held)
    {
        var (parts, current) = (new List<Part>(), held);
        var bundles = new List<Signed>();
        foreach (var draft in await lacks.ReadAsync(context, scope, held, (long)head.Number))
        {
            var bundle = ToBundle(scope, draft, head);
            current = current.With(draft.Type, draft.Revision);
            foreach (var (path, content) in draft.Documents)
            {
                var document = new BundleDocument { Path = path };
                for (var at = 0; at < content.Length; at += PartBytes)
                {
                    // Not copied: nobody writes to it any more.
                    var piece = content.AsMemory(at, Math.Min(PartBytes, content.Length - at));
                    parts.Add(new Part { Content = UnsafeByteOperations.UnsafeWrap(piece) });
                    document.Parts.Add(ByteString.CopyFrom(SHA256.HashData(piece.Span)));
                }

                bundle.Documents.Add(document);
            }

            bundles.Add(trust.Current.Signing.Sign(bundle));
        }

        return new SyncUpdate(head, parts, bundles, current, SignHeartbeat(scope, current, head));
    }

    private Bundle ToBundle(SyncScope scope, BundleDraft draft, Revision head)
    {
        var now = time.GetUtcNow();
        return new Bundle
        {
            Scope = ToMessage(scope),
            Type = draft.Type,
            Revision = head.At(draft.Revision).ToString(),
            BaseRevision = draft.BaseRevision == 0 ? "" : head.At(draft.BaseRevision).ToString(),
            CreatedAt = Timestamp.FromDateTimeOffset(now),
            ExpiresAt = Timestamp.FromDateTimeOffset(now + Lifetime),
            Removed = { draft.Removed },
        };
    }

    private static Scope ToMessage(SyncScope scope) => new() { Application = scope.Application, Tenant = scope.Tenant };
}
