using AuthSidecar.ControlPlane.Sidecars.Fleet;
using AuthSidecar.ControlPlane.Sidecars.Trust;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Sidecars.Sync;

/// <summary>What a sidecar lacks, ready to be sent.</summary>
/// <param name="Head">The revision of the store that this was read from.</param>
/// <param name="Parts">To be sent first.</param>
/// <param name="Bundles">Signed, of different types; none: it lacks nothing.</param>
/// <param name="Current">What it has once it has applied them.</param>
/// <param name="Heartbeat">Signed: that this is current.</param>
internal sealed record SyncUpdate(
    Revision Head, IReadOnlyList<Part> Parts, IReadOnlyList<Signed> Bundles, RevisionVector Current, Signed Heartbeat)
{
    /// <summary>The ids of the keys that have signed it.</summary>
    public IEnumerable<string> SignedBy => Bundles.Append(Heartbeat).Select(s => s.KeyId);
}

/// <summary>Makes updates. Sidecars that have the same and are to have the same share one: a thousand of them cost one look at the store
/// and one signature for every type that changed.</summary>
internal sealed class UpdateBuilder(ControlStore store, UnsignedBundleReader reader, TrustRing trust, TimeProvider time)
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
    private readonly Dictionary<(Placement, RevisionVector), (Task<SyncUpdate> Update, TrustSet Trust, long BuiltAt)> _shared = [];
    private readonly Dictionary<(Placement, RevisionVector), (Signed Heartbeat, Revision Head, long SignedAt)> _heartbeats = [];
    private Revision _sharedHead;

    /// <summary>What a sidecar lacks at this revision of the store, or a later one.</summary>
    public Task<SyncUpdate> BuildAsync(Placement placement, RevisionVector held, Revision head)
    {
        var anchors = trust.Current;
        lock (_sharing)
        {
            if (head > _sharedHead || _shared.Count >= MaxShared)
            {
                _shared.Clear();
                _sharedHead = head > _sharedHead ? head : _sharedHead;
            }

            if (!_shared.TryGetValue((placement, held), out var shared) || shared.Update.IsFaulted || shared.Trust != anchors
                || time.GetElapsedTime(shared.BuiltAt) > SharedFor)
            {
                // Nobody's cancellation: others wait for the same.
                shared = (Task.Run(
                    () => store.ReadAsync((context, now) => BuildAsync(context, now, placement, held), CancellationToken.None)),
                    anchors, time.GetTimestamp());
                _shared[(placement, held)] = shared;
            }

            return shared.Update;
        }
    }

    /// <summary>The same for all who are to have the same, for a second: that nothing has changed need not be signed for each.</summary>
    public Signed SharedHeartbeat(Placement placement, RevisionVector current, Revision head)
    {
        lock (_sharing)
        {
            if (!_heartbeats.TryGetValue((placement, current), out var shared) || shared.Head != head
                || !trust.Current.IsTrusted(shared.Heartbeat.KeyId) || time.GetElapsedTime(shared.SignedAt) > SharedHeartbeatFor)
            {
                if (_heartbeats.Count >= MaxShared)
                    _heartbeats.Clear();

                shared = (SignHeartbeat(placement, current, head), head, time.GetTimestamp());
                _heartbeats[(placement, current)] = shared;
            }

            return shared.Heartbeat;
        }
    }

    private Signed SignHeartbeat(Placement placement, RevisionVector current, Revision head)
    {
        var heartbeat = new Heartbeat
        {
            Placement = ToMessage(placement),
            CreatedAt = Timestamp.FromDateTimeOffset(time.GetUtcNow()),
            Revision = head.ToString(),
        };
        heartbeat.Current.AddRange(
            RevisionVector.Types.Select(t => new TypeRevision { Type = t, Revision = head.At(Math.Max(0, current[t])).ToString() }));
        return trust.Current.Signing.Sign(heartbeat);
    }

    private async Task<SyncUpdate> BuildAsync(StoreContext context, Revision head, Placement placement, RevisionVector held)
    {
        var (parts, current) = (new List<Part>(), held);
        var bundles = new List<Signed>();
        foreach (var unsigned in await reader.ReadAsync(context, placement, held, (long)head.Number))
        {
            var bundle = ToBundle(placement, unsigned, head);
            current = current.With(unsigned.Type, unsigned.Revision);
            foreach (var (path, content) in unsigned.Documents)
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

        return new SyncUpdate(head, parts, bundles, current, SignHeartbeat(placement, current, head));
    }

    private Bundle ToBundle(Placement placement, UnsignedBundle unsigned, Revision head)
    {
        var now = time.GetUtcNow();
        return new Bundle
        {
            Placement = ToMessage(placement),
            Type = unsigned.Type,
            Revision = head.At(unsigned.Revision).ToString(),
            BaseRevision = unsigned.BaseRevision == 0 ? "" : head.At(unsigned.BaseRevision).ToString(),
            CreatedAt = Timestamp.FromDateTimeOffset(now),
            ExpiresAt = Timestamp.FromDateTimeOffset(now + Lifetime),
            Removed = { unsigned.Removed },
        };
    }

    private static V1.Placement ToMessage(Placement placement) => new() { Application = placement.Application, Tenant = placement.Tenant };
}
