using System.Security.Cryptography;
using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Snapshots;

namespace AuthSidecar.Sync.Stream;

/// <summary>Whom the sidecar serves. An empty tenant: all.</summary>
internal readonly record struct SidecarScope(string Application, string Tenant);

/// <summary>What became of a bundle.</summary>
/// <param name="Type">The type of resource.</param>
/// <param name="Revision">The bundle's; 0: it was not readable.</param>
/// <param name="Reason">Why it was refused; unspecified: it was applied.</param>
/// <param name="Faults">What is wrong with it.</param>
internal sealed record BundleOutcome(ResourceType Type, ulong Revision, NackReason Reason, IReadOnlyList<string> Faults)
{
    public bool IsApplied => Reason == NackReason.Unspecified;

    /// <summary>Whether the sidecar wants everything there is of the type: what it keeps of it has grown too long.</summary>
    public bool WantsFull { get; init; }
}

/// <summary>
/// Verifies what comes by the stream, or was kept of it, builds it, and swaps it in. Nothing about a bundle is believed before its signature, and
/// whatever is wrong with one, what was there goes on serving.
/// </summary>
/// <remarks>Not safe to share between threads: one stream after the other uses it.</remarks>
internal sealed class BundleApplier(PinnedKeys keys, SidecarScope scope, SnapshotCache cache, LastKnownGood kept, TimeProvider time)
{
    /// <summary>As much as may be kept of parts that no bundle has named yet.</summary>
    public const long MaxPartBytes = 256 * 1024 * 1024;

    /// <summary>How far the clocks of sidecar and control plane may be apart.</summary>
    public static readonly TimeSpan ClockTolerance = TimeSpan.FromMinutes(1);

    private const int MaxFaults = 20;

    private readonly Dictionary<string, byte[]> _parts = new(StringComparer.Ordinal);
    private readonly Dictionary<ResourceType, ulong> _held = [];
    private readonly HashSet<ResourceType> _wantedInFull = [];
    private readonly HashSet<ResourceType> _diverged = [];
    private long _partBytes;
    private SyncedState _state = SyncedState.Initial;
    private SyncedState? _published;

    /// <summary>What the sidecar has, and what is to be a change of it.</summary>
    public IEnumerable<TypeRevision> Held => _held.Where(h => !_diverged.Contains(h.Key)).Select(h => new TypeRevision { Type = h.Key, Revision = h.Value });

    /// <summary>Begins with what a stream before brought, if it is still to be believed.</summary>
    /// <returns>Why it is not; null: it is, or there is nothing.</returns>
    public string? Restore()
    {
        var (stream, why) = kept.Load();
        try
        {
            why ??= Replay(stream);
        }
        catch (Exception e) when (e is InvalidDataException or Google.Protobuf.InvalidProtocolBufferException)
        {
            why = e.Message;
        }

        if (why is not null)
        {
            // All of it or nothing: what is wrong in one place is not to be trusted in another.
            (_state, _published) = (SyncedState.Initial, null);
            _held.Clear();
            kept.Forget();
        }
        else if (_held.Count > 0)
        {
            Publish(new Revision(_held.Values.Min()));
        }

        DropParts();
        return why;
    }

    /// <summary>Begins a stream: what one that broke off was sent, or has asked for, is never to come.</summary>
    public void BeginStream()
    {
        DropParts();
        _wantedInFull.Clear();
    }

    private void DropParts()
    {
        _parts.Clear();
        _partBytes = 0;
    }

    /// <summary>Takes in a part of a bundle to come.</summary>
    /// <exception cref="InvalidDataException">There are too many.</exception>
    public void Add(Part part)
    {
        _partBytes += part.Content.Length;
        if (_partBytes > MaxPartBytes)
        {
            throw new InvalidDataException($"the control plane has sent more than {MaxPartBytes / (1024 * 1024)} MiB of parts for one update");
        }

        var bytes = part.Content.ToByteArray();
        _parts[Convert.ToHexString(SHA256.HashData(bytes))] = bytes;
    }

    /// <summary>Applies what can be applied of an update, all of it at once.</summary>
    public IReadOnlyList<BundleOutcome> Apply(Update update)
    {
        var outcomes = new List<BundleOutcome>();
        var bundles = new List<(Bundle Bundle, Signed Signed)>();
        foreach (var signed in update.Bundles)
        {
            var (bundle, refusal) = Verify(signed);
            if (refusal is not null)
            {
                outcomes.Add(refusal);
            }
            else
            {
                bundles.Add((bundle!, signed));
            }
        }

        outcomes.AddRange(BuildTogether(bundles) ?? bundles.OrderBy(b => b.Bundle.Type).Select(b => Build(b.Bundle, b.Signed)).ToList());
        DropParts();
        if (!Apply(update.Heartbeat) && outcomes.Any(o => o.IsApplied) && cache.Current is { } current)
        {
            // Some of it was refused: the rest counts, but the sidecar has not reached the revision.
            Publish(current.Revision);
        }

        return outcomes;
    }

    /// <summary>Notes of each type that what is held is current, if it is; and once everything is, that the revision is reached.</summary>
    /// <returns>Whether everything is.</returns>
    public bool Apply(Signed signed)
    {
        if (!keys.TryRead(signed, out Heartbeat heartbeat)
            || !IsOurs(heartbeat.Scope)
            || heartbeat.CreatedAt?.ToDateTimeOffset() is not { } created
            || (created - time.GetUtcNow()).Duration() > ClockTolerance)
        {
            return false;
        }

        // A control plane that has less than it has had was put back: what it will call a change is none of what is here.
        _diverged.UnionWith(heartbeat.Current.Where(c => c.Revision < _held.GetValueOrDefault(c.Type)).Select(c => c.Type));
        // Before anybody sees it: an answer from it tells its age.
        var current = CurrentOf(heartbeat);
        cache.Confirm(current);
        kept.Note(current, signed);
        if (current != ResourceTypes.All)
        {
            return false;
        }

        var revision = new Revision(heartbeat.Revision);
        if (cache.Current is not { } last || revision > last.Revision || !ReferenceEquals(_published, _state))
        {
            Publish(cache.Current is { } newest && newest.Revision > revision ? newest.Revision : revision);
        }

        return true;
    }

    /// <summary>Takes in what was kept of a stream: as verified as if it came now, but for its age, which is that of its heartbeats.</summary>
    private string? Replay(IEnumerable<SyncResponse> stream)
    {
        foreach (var message in stream)
        {
            switch (message.MessageCase)
            {
                case SyncResponse.MessageOneofCase.Part:
                    Add(message.Part);
                    break;
                case SyncResponse.MessageOneofCase.Update:
                    foreach (var signed in message.Update.Bundles)
                    {
                        var (bundle, outcome) = Verify(signed, isKept: true);
                        outcome ??= Build(bundle!, signed, isKept: true);
                        if (!outcome.IsApplied)
                        {
                            return outcome.Faults[0];
                        }
                    }

                    DropParts();
                    break;
                case SyncResponse.MessageOneofCase.Heartbeat:
                    if (!keys.TryRead(message.Heartbeat, out Heartbeat heartbeat) || !IsOurs(heartbeat.Scope) || heartbeat.CreatedAt is null)
                    {
                        return "a heartbeat is not signed by a pinned key, or is for another sidecar";
                    }

                    var created = heartbeat.CreatedAt.ToDateTimeOffset();
                    if (created > time.GetUtcNow() + ClockTolerance)
                    {
                        return "it is of the future";
                    }

                    cache.Confirm(CurrentOf(heartbeat), created);
                    break;
            }
        }

        return null;
    }

    private void Publish(Revision revision)
    {
        cache.Publish(_state.ToSnapshot(revision));
        _published = _state;
    }

    private bool IsOurs(Scope? its) => its is not null && its.Application == scope.Application && its.Tenant == scope.Tenant;

    /// <summary>The types of which the sidecar has what a heartbeat says is current. One that it does not name, it says nothing about.</summary>
    private ResourceTypes CurrentOf(Heartbeat heartbeat) => heartbeat.Current
        .Where(c => IsKnown(c.Type) && c.Revision == _held.GetValueOrDefault(c.Type))
        .Aggregate(ResourceTypes.None, (types, c) => types | ToDomain(c.Type));

    private (Bundle? Bundle, BundleOutcome? Refusal) Verify(Signed signed, bool isKept = false)
    {
        if (!keys.TryRead(signed, out Bundle bundle))
        {
            return (null, new BundleOutcome(ResourceType.Unspecified, 0, NackReason.Signature, ["it is not signed by a pinned key, or was altered"]));
        }

        var now = time.GetUtcNow();
        var held = _held.GetValueOrDefault(bundle.Type);
        var isWanted = bundle.BaseRevision == 0 && bundle.Revision == held && _wantedInFull.Contains(bundle.Type);
        return bundle switch
        {
            _ when !IsKnown(bundle.Type) => Refuse(NackReason.Content, $"this sidecar does not know resources of type {(int)bundle.Type}"),
            _ when !IsOurs(bundle.Scope) => Refuse(NackReason.Scope, $"it is meant for the application `{bundle.Scope?.Application}` and the tenant `{bundle.Scope?.Tenant}`"),
            _ when bundle.Revision <= held && !isWanted => Refuse(NackReason.Revision, $"revision {bundle.Revision} is not newer than {held}"),
            _ when !isKept && (bundle.ExpiresAt is null || bundle.ExpiresAt.ToDateTimeOffset() <= now) => Refuse(NackReason.Expired, "it has expired"),
            _ when bundle.CreatedAt is null || bundle.CreatedAt.ToDateTimeOffset() > now + ClockTolerance => Refuse(NackReason.Expired, "it is of the future"),
            { BaseRevision: not 0 } when bundle.BaseRevision != held || _diverged.Contains(bundle.Type) => Refuse(NackReason.Base, $"it changes revision {bundle.BaseRevision}, and the sidecar has {held}"),
            _ => (bundle, null),
        };

        (Bundle?, BundleOutcome?) Refuse(NackReason reason, string fault) => (null, new BundleOutcome(bundle.Type, bundle.Revision, reason, [fault]));
    }

    /// <summary>
    /// Policies with another schema and the entities that go with it: neither need fit what is there of the other. Null when there are not both, or they do
    /// not fit together either; then each is tried by itself.
    /// </summary>
    private List<BundleOutcome>? BuildTogether(List<(Bundle Bundle, Signed Signed)> bundles)
    {
        if (bundles.Find(b => b.Bundle.Type == ResourceType.Policies) is not { Bundle: { } policies } first
            || bundles.Find(b => b.Bundle.Type == ResourceType.Entities) is not { Bundle: { } entities } second)
        {
            return null;
        }

        var (faults, policyParts, entityParts) = (new List<Fault>(), new List<byte[]>(), new List<byte[]>());
        if (ReadDocuments(policies, policyParts, faults) is not { } policyDocuments
            || ReadDocuments(entities, entityParts, faults) is not { } entityDocuments
            || _state.HasSchemaOf(policyDocuments)
            || _state.WithoutSchema().With(entities, entityDocuments, time.GetUtcNow(), faults)?.With(policies, policyDocuments, time.GetUtcNow(), faults) is not { } next)
        {
            return null;
        }

        _state = next;
        return
        [
            NoteApplied(policies, first.Signed, policyParts),
            NoteApplied(entities, second.Signed, entityParts),
            .. bundles.Where(b => b != first && b != second).OrderBy(b => b.Bundle.Type).Select(b => Build(b.Bundle, b.Signed)),
        ];
    }

    private BundleOutcome Build(Bundle bundle, Signed signed, bool isKept = false)
    {
        var (faults, parts) = (new List<Fault>(), new List<byte[]>());
        if (ReadDocuments(bundle, parts, faults) is not { } documents || _state.With(bundle, documents, time.GetUtcNow(), faults) is not { } next)
        {
            return new BundleOutcome(bundle.Type, bundle.Revision, NackReason.Content, [.. faults.Take(MaxFaults).Select(f => f.ToString())]);
        }

        _state = next;
        return NoteApplied(bundle, signed, parts, isKept);
    }

    private BundleOutcome NoteApplied(Bundle bundle, Signed signed, List<byte[]> parts, bool isKept = false)
    {
        _held[bundle.Type] = bundle.Revision;
        if (bundle.BaseRevision == 0)
        {
            _wantedInFull.Remove(bundle.Type);
            _diverged.Remove(bundle.Type);
        }

        if (!isKept)
        {
            kept.Note(bundle, signed, parts);
        }

        // Never of what has just come in full: it would come again and again.
        var wantsFull = !isKept && bundle.BaseRevision > 0 && kept.IsOutgrown(bundle.Type) && _wantedInFull.Add(bundle.Type);
        return new BundleOutcome(bundle.Type, bundle.Revision, NackReason.Unspecified, []) { WantsFull = wantsFull };
    }

    private BundleFiles? ReadDocuments(Bundle bundle, List<byte[]> parts, List<Fault> faults)
    {
        var documents = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var document in bundle.Documents)
        {
            using var content = new MemoryStream();
            foreach (var digest in document.Parts)
            {
                if (_parts.TryGetValue(Convert.ToHexString(digest.Span), out var part))
                {
                    content.Write(part);
                    parts.Add(part);
                }
                else
                {
                    faults.Add(new Fault(document.Path, 0, 0, "a part of it was not sent"));
                    return null;
                }
            }

            if (!documents.TryAdd(document.Path, content.ToArray()))
            {
                faults.Add(new Fault(document.Path, 0, 0, "it is in the bundle twice"));
                return null;
            }
        }

        return new BundleFiles(documents);
    }

    private static bool IsKnown(ResourceType type) => type is > ResourceType.Unspecified and <= ResourceType.Risk;

    private static ResourceTypes ToDomain(ResourceType type) => (ResourceTypes)(1 << ((int)type - 1));
}
