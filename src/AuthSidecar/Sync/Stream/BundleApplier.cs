using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Snapshots;

namespace AuthSidecar.Sync.Stream;

/// <summary>Verifies what comes by the stream, or was kept of it, builds it, and swaps it in. Nothing about a bundle is believed before its
/// signature, and whatever is wrong with one, what was there goes on serving.</summary>
/// <remarks>What is of a later history takes the place of what is there, whatever the numbers say: the control plane was restored from a
/// backup. Of an earlier history nothing is taken, or something old, sent again, would undo that.</remarks>
/// <remarks>Not safe to share between threads: one stream after the other uses it.</remarks>
internal sealed class BundleApplier(PinnedKeys keys, Placement placement, SnapshotCache cache, LastKnownGood kept, TimeProvider time)
{
    private const int MaxFaults = 20;

    private readonly BundleParts _parts = new();
    private readonly Dictionary<DataType, Revision> _held = [];
    private readonly HashSet<DataType> _wantedInFull = [];
    private Snapshot _state = Snapshot.Empty;
    private Snapshot? _published;
    private (Revision Revision, Signed? Signed) _newest;

    /// <summary>The types to request in full.</summary>
    public IEnumerable<DataType> WantedInFull => _wantedInFull;

    /// <summary>What the sidecar has, and what is to be a change of it.</summary>
    public IEnumerable<TypeRevision> Held => _held.Select(h => new TypeRevision { Type = ToWire(h.Key), Revision = h.Value.ToString() });

    /// <summary>The newest heartbeat of all that were heard: it proves what there was. Null: none.</summary>
    public Signed? Newest => _newest.Signed;

    /// <summary>Begins with what a stream before brought, if it is still to be believed.</summary>
    /// <returns>Why it is not; null: it is, or there is nothing.</returns>
    public string? Restore()
    {
        var (stream, why) = kept.Load();
        var reached = default(Revision);
        try
        {
            why ??= Replay(stream, out reached);
        }
        catch (Exception e) when (e is InvalidDataException or Google.Protobuf.InvalidProtocolBufferException)
        {
            why = e.Message;
        }

        if (why is not null)
        {
            // All of it or nothing: what is wrong in one place is not to be trusted in another.
            (_state, _published, _newest) = (Snapshot.Empty, null, default);
            _held.Clear();
            kept.Forget();
        }
        else if (_held.Count > 0)
        {
            // As far as a heartbeat said it was; or, where some of it was refused then, as far as all of it is for certain.
            Publish(reached != default ? reached : Least());
        }

        _parts.Clear();
        return why;
    }

    /// <summary>Begins a stream: what one that broke off was sent, or has asked for, is never to come.</summary>
    /// <param name="signingKeyId">The active key of the control plane; null: unknown. Types with bundles on disk that another key has
    /// signed are requested in full.</param>
    public void BeginStream(string? signingKeyId)
    {
        _parts.Clear();
        _wantedInFull.Clear();
        if (signingKeyId is not null)
            _wantedInFull.UnionWith(kept.NotSignedBy(k => k == signingKeyId));
    }

    /// <summary>Other keys are pinned than before: heartbeats on disk that none of them has signed are dropped.</summary>
    public void NoteKeysChanged() => kept.DropHeartbeats(keys.Contains);

    /// <summary>The size on disk, in bytes, of the types with bundles that another key has signed than this.</summary>
    public long BytesNotSignedBy(string signingKeyId) => kept.BytesOf(kept.NotSignedBy(k => k == signingKeyId));

    /// <summary>Takes in a part of a bundle to come.</summary>
    /// <exception cref="InvalidDataException">The parts exceed the limit in bytes.</exception>
    public void Add(Part part) => _parts.Add(part);

    /// <summary>Applies what can be applied of an update, all of it at once.</summary>
    public UpdateOutcome Apply(Update update)
    {
        var outcomes = new List<BundleOutcome>();
        var bundles = new List<VerifiedBundle>();
        foreach (var signed in update.Bundles)
        {
            var (bundle, refusal) = Verify(signed);
            if (refusal is not null)
                outcomes.Add(refusal);
            else
                bundles.Add(bundle!);
        }

        outcomes.AddRange(BuildTogether(bundles) ?? bundles.OrderBy(b => b.Type.Number).Select(b => Build(b)).ToList());
        _parts.Clear();
        var heartbeat = Apply(update.Heartbeat);
        if (!heartbeat.IsCurrent && outcomes.Any(o => o.IsApplied) && cache.Current is { } current)
        {
            // Some of it was refused: the rest counts, but the sidecar has not reached the revision; nor is it any more at one of a history
            // that has ended.
            var begun = new Revision(_held.Values.Max(r => r.History), 0);
            Publish(current.Revision > begun ? current.Revision : begun);
        }

        return new UpdateOutcome(outcomes, heartbeat);
    }

    /// <summary>Notes of each type that what is held is current, if it is; and once everything is, that the revision is reached.</summary>
    public HeartbeatOutcome Apply(Signed signed)
    {
        if (!keys.TryRead(signed, out Heartbeat heartbeat))
            return new HeartbeatOutcome(false, PinnedKeys.NotSigned, null);

        if (!IsOurs(heartbeat.Placement))
            return new HeartbeatOutcome(false, DescribePlacement(heartbeat.Placement), null);

        if (heartbeat.CreatedAt?.ToDateTimeOffset() is not { } created || !Revision.TryParse(heartbeat.Revision, out var revision))
            return new HeartbeatOutcome(false, "missing creation time, or invalid revision", null);

        if (revision.History < _newest.Revision.History)
            return new HeartbeatOutcome(false, $"revision {revision} is of an earlier history than {_newest.Revision}", null);

        var ahead = time.GetUtcNow() - created;
        if (ahead.Duration() > Clocks.Tolerance)
            return new HeartbeatOutcome(false, Clocks.Describe(ahead), ahead);

        // Before anybody sees it: an answer from it tells its age.
        var current = CurrentOf(heartbeat);
        cache.Confirm(current);
        kept.Note(current, signed, isNews: revision > _newest.Revision);
        _newest = revision >= _newest.Revision ? (revision, signed) : _newest;
        cache.IsHistoryLost = false;
        if (current != DataTypeSet.All)
            return new HeartbeatOutcome(false, null, ahead);

        if (cache.Current is not { } last || revision > last.Revision || !ReferenceEquals(_published, _state))
            Publish(cache.Current is { } newest && newest.Revision > revision ? newest.Revision : revision);

        return new HeartbeatOutcome(true, null, ahead);
    }

    /// <summary>Takes in what was kept of a stream: as verified as if it came now, but for its age, which is that of its
    /// heartbeats.</summary>
    /// <param name="stream">What was kept.</param>
    /// <param name="reached">The revision that was reached; the default: none.</param>
    /// <returns>Why it is not to be believed; null: it is.</returns>
    private string? Replay(IEnumerable<SyncResponse> stream, out Revision reached)
    {
        reached = default;
        foreach (var message in stream)
        {
            switch (message.MessageCase)
            {
                case SyncResponse.MessageOneofCase.Part: _parts.Add(message.Part); break;
                case SyncResponse.MessageOneofCase.Update:
                    foreach (var signed in message.Update.Bundles)
                    {
                        var (bundle, outcome) = Verify(signed, isKept: true);
                        outcome ??= Build(bundle!, isKept: true);
                        if (!outcome.IsApplied)
                            return outcome.Faults[0];
                    }

                    _parts.Clear();
                    break;
                case SyncResponse.MessageOneofCase.Heartbeat:
                    if (!keys.TryRead(message.Heartbeat, out Heartbeat heartbeat) || !IsOurs(heartbeat.Placement)
                        || heartbeat.CreatedAt is null || !Revision.TryParse(heartbeat.Revision, out var revision))
                    {
                        return "a heartbeat is not signed by a pinned key, or is for another sidecar";
                    }

                    var created = heartbeat.CreatedAt.ToDateTimeOffset();
                    if (created > time.GetUtcNow() + Clocks.Tolerance)
                        return $"signed in the future, at {created:u}; local clock {time.GetUtcNow():u}";

                    var current = CurrentOf(heartbeat);
                    cache.Confirm(current, created);
                    reached = current == DataTypeSet.All && revision > reached ? revision : reached;
                    _newest = revision >= _newest.Revision ? (revision, message.Heartbeat) : _newest;
                    break;
            }
        }

        return null;
    }

    private void Publish(Revision revision)
    {
        cache.Publish(_state.At(revision));
        _published = _state;
    }

    private static string DescribePlacement(ControlPlane.V1.Placement? its)
    {
        if (its is null)
            return "missing placement";

        var tenant = its.Tenant.Length == 0 ? "" : $", tenant `{its.Tenant}`";
        return $"wrong placement: it is for application `{its.Application}`{tenant}";
    }

    private bool IsOurs(ControlPlane.V1.Placement? its) =>
        its is not null && its.Application == placement.Application && its.Tenant == placement.Tenant;

    /// <summary>The types of which the sidecar has what a heartbeat says is current. A type above all that it names is unknown to the
    /// control plane, which is an earlier version: the sidecar is current with nothing of it.</summary>
    private DataTypeSet CurrentOf(Heartbeat heartbeat)
    {
        var newest = heartbeat.Current.Select(c => (int)c.Type).DefaultIfEmpty(DataType.MaxNumber).Max();
        return DataTypeSet.Of(DataTypes.All.Where(t =>
            heartbeat.Current.FirstOrDefault(c => TypeOf(c.Type) == t) is { } named ? IsCurrent(t, named.Revision)
                : t.Number > newest && !_held.ContainsKey(t)));

        bool IsCurrent(DataType type, string text) =>
            Revision.TryParse(text, out var revision) && (_held.TryGetValue(type, out var held) ? revision == held : revision.Number == 0);
    }

    private (VerifiedBundle? Bundle, BundleOutcome? Refusal) Verify(Signed signed, bool isKept = false)
    {
        if (!keys.TryRead(signed, out Bundle bundle))
            return (null, new BundleOutcome(null, default, NackReason.Signature, [PinnedKeys.NotSigned]));

        if (!Revision.TryParse(bundle.Revision, out var revision))
            return Refuse(NackReason.Malformed, $"invalid revision: {Revision.Form}");

        if (TypeOf(bundle.Type) is not { } type)
            return Refuse(NackReason.Content, $"unknown data type {(int)bundle.Type}: not supported by this version of the sidecar");

        var now = time.GetUtcNow();
        var held = _held.GetValueOrDefault(type);
        var verified = new VerifiedBundle(type, bundle, signed, revision);
        var isWanted = !verified.IsChange && revision == held && _wantedInFull.Contains(type);
        return bundle switch
        {
            _ when !IsOurs(bundle.Placement) => Refuse(NackReason.Placement, DescribePlacement(bundle.Placement)),
            _ when revision.History < _newest.Revision.History => Refuse(
                NackReason.Revision, $"revision {revision} is of an earlier history than {_newest.Revision}"),
            _ when revision <= held && !isWanted => Refuse(NackReason.Revision, $"revision {revision} is not newer than {held}"),
            _ when bundle.CreatedAt is null || bundle.ExpiresAt is null => Refuse(NackReason.Expired, "missing creation time or expiry"),
            _ when !isKept && bundle.ExpiresAt.ToDateTimeOffset() <= now => Refuse(
                NackReason.Expired, $"expired at {bundle.ExpiresAt.ToDateTimeOffset():u}, local clock {now:u}"),
            _ when bundle.CreatedAt.ToDateTimeOffset() > now + Clocks.Tolerance => Refuse(
                NackReason.Expired, Clocks.Describe(now - bundle.CreatedAt.ToDateTimeOffset())),
            _ when verified.IsChange && (bundle.BaseRevision != held.ToString() || held.History != revision.History) =>
                Refuse(NackReason.Base, $"base revision mismatch: the bundle changes {bundle.BaseRevision}, the sidecar has {held}"),
            _ => (verified, null),
        };

        (VerifiedBundle?, BundleOutcome?) Refuse(NackReason reason, string fault) =>
            (null, new BundleOutcome(TypeOf(bundle.Type), revision, reason, [fault]));
    }

    /// <summary>Policies with another schema and the entities that go with it: neither need fit what is there of the other. Null when there
    /// are not both, or they do not fit together either; then each is tried by itself.</summary>
    private List<BundleOutcome>? BuildTogether(List<VerifiedBundle> bundles)
    {
        if (bundles.Find(b => b.Type == PolicyData.Type) is not { } policies
            || bundles.Find(b => b.Type == EntityData.Type) is not { } entities)
        {
            return null;
        }

        var (faults, policyParts, entityParts) = (new List<Fault>(), new List<ByteString>(), new List<ByteString>());
        if (_parts.Assemble(policies.Message, policyParts, faults) is not { } policyDocuments
            || SchemaFile.Has(policyDocuments, _state.Entities.Value.Schema)
            || _parts.Assemble(entities.Message, entityParts, faults) is not { } entityDocuments
            || Apply(_state.WithoutSchema(), entities, entityDocuments, faults) is not { } withEntities
            || Apply(withEntities, policies, policyDocuments, faults) is not { } next)
        {
            return null;
        }

        _state = next;
        return
        [
            NoteApplied(policies, policyParts),
            NoteApplied(entities, entityParts),
            .. bundles.Where(b => b != policies && b != entities).OrderBy(b => b.Type.Number).Select(b => Build(b)),
        ];
    }

    private BundleOutcome Build(VerifiedBundle bundle, bool isKept = false)
    {
        var (faults, parts) = (new List<Fault>(), new List<ByteString>());
        if (_parts.Assemble(bundle.Message, parts, faults) is not { } documents || Apply(_state, bundle, documents, faults) is not { } next)
        {
            return new BundleOutcome(
                bundle.Type, bundle.Revision, NackReason.Content, [.. faults.Take(MaxFaults).Select(f => f.ToString())]);
        }

        _state = next;
        return NoteApplied(bundle, parts, isKept);
    }

    private Snapshot? Apply(Snapshot state, VerifiedBundle bundle, BundleFiles documents, List<Fault> faults)
    {
        var removed = new List<EntityUid>();
        foreach (var text in bundle.Message.Removed)
        {
            if (EntityUid.TryParse(text, out var uid, out var fault))
                removed.Add(uid);
            else
                faults.Add(fault);
        }

        var change = new BundleChange
        {
            Documents = documents,
            Revision = bundle.Revision,
            Now = time.GetUtcNow(),
            IsDelta = bundle.IsChange,
            Removed = removed,
        };
        return faults.Count == 0 ? bundle.Type.Apply(state, change, faults) : null;
    }

    private BundleOutcome NoteApplied(VerifiedBundle bundle, List<ByteString> parts, bool isKept = false)
    {
        _held[bundle.Type] = bundle.Revision;
        if (!bundle.IsChange)
            _wantedInFull.Remove(bundle.Type);

        if (!isKept)
            kept.Note(bundle, parts);

        // Never of what has just come in full: it would come again and again.
        var wantsFull = !isKept && bundle.IsChange && kept.IsOutgrown(bundle.Type) && _wantedInFull.Add(bundle.Type);
        return new BundleOutcome(bundle.Type, bundle.Revision, NackReason.Unspecified, []) { RequestsFullState = wantsFull };
    }

    /// <summary>What all of it is for certain: the least of one history; none that was reached, of several.</summary>
    private Revision Least()
    {
        var (least, greatest) = (_held.Values.Min(), _held.Values.Max());
        return least.History == greatest.History ? least : new Revision(greatest.History, 0);
    }

    public static ControlPlane.V1.DataType ToWire(DataType? type) => (ControlPlane.V1.DataType)(type?.Number ?? 0);
    private static DataType? TypeOf(ControlPlane.V1.DataType type) => DataTypes.Find((int)type);
}
