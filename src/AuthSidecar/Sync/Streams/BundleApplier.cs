using System.Security.Cryptography;
using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Mfa;
using AuthSidecar.Policies;
using AuthSidecar.Risk;
using AuthSidecar.Snapshots;
using AuthSidecar.Sync.Bundles;
using AuthSidecar.Tokens;

namespace AuthSidecar.Sync.Streams;

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
}

/// <summary>
/// Verifies what comes by the stream, builds it, and swaps it in. Nothing about a bundle is believed before its signature, and whatever is wrong with
/// one, what was there goes on serving.
/// </summary>
/// <remarks>Not safe to share between threads: one stream after the other uses it.</remarks>
internal sealed class BundleApplier(PinnedKeys keys, SidecarScope scope, SnapshotCache cache, TimeProvider time) : IDisposable
{
    /// <summary>As much as may be kept of parts that no bundle has named yet.</summary>
    public const long MaxPartBytes = 256 * 1024 * 1024;

    /// <summary>How far the clocks of sidecar and control plane may be apart.</summary>
    public static readonly TimeSpan ClockTolerance = TimeSpan.FromMinutes(1);

    private const string Schema = "schema.cedarschema";
    private const string Entities = "entities.json";
    private const int MaxFaults = 20;

    private readonly Dictionary<string, byte[]> _parts = new(StringComparer.Ordinal);
    private readonly Dictionary<ResourceType, ulong> _held = [];
    private long _partBytes;
    private State _state = State.Initial;

    /// <summary>What the sidecar has.</summary>
    public IEnumerable<TypeRevision> Held => _held.Select(h => new TypeRevision { Type = h.Key, Revision = h.Value });

    /// <summary>Forgets the parts that no bundle has named: those of a stream that broke off are never asked for.</summary>
    public void DropParts()
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
        var bundles = new List<Bundle>();
        foreach (var signed in update.Bundles)
        {
            var (bundle, refusal) = Verify(signed);
            if (refusal is not null)
            {
                outcomes.Add(refusal);
            }
            else
            {
                bundles.Add(bundle!);
            }
        }

        // Policies first: entities are held against their schema.
        var state = _state;
        foreach (var bundle in bundles.OrderBy(b => b.Type))
        {
            var faults = new List<Fault>();
            if (Build(state, bundle, faults) is { } next)
            {
                state = next;
                outcomes.Add(new BundleOutcome(bundle.Type, bundle.Revision, NackReason.Unspecified, []));
            }
            else
            {
                outcomes.Add(new BundleOutcome(bundle.Type, bundle.Revision, NackReason.Content, [.. faults.Take(MaxFaults).Select(f => f.ToString())]));
            }
        }

        DropParts();
        foreach (var applied in outcomes.Where(o => o.IsApplied))
        {
            _held[applied.Type] = applied.Revision;
        }

        _state = state;
        if (!Apply(update.Heartbeat) && outcomes.Any(o => o.IsApplied) && cache.Current is { } current)
        {
            // Some of it was refused: the rest counts, but the sidecar has not reached the revision.
            cache.Publish(state.ToSnapshot(current.Revision));
        }

        return outcomes;
    }

    /// <summary>Notes that what is held is current, if it is.</summary>
    /// <returns>Whether it is.</returns>
    public bool Apply(Signed signed)
    {
        if (!keys.TryRead(signed, out Heartbeat heartbeat)
            || !IsOurs(heartbeat.Scope)
            || heartbeat.CreatedAt?.ToDateTimeOffset() is not { } created
            || (created - time.GetUtcNow()).Duration() > ClockTolerance
            || heartbeat.Current.Any(c => c.Revision != _held.GetValueOrDefault(c.Type)))
        {
            return false;
        }

        // Before anybody sees it: an answer from it tells its age.
        cache.Confirm();
        var revision = new Revision(heartbeat.Revision);
        if (cache.Current is not { } current || revision > current.Revision || !_state.IsIn(current))
        {
            cache.Publish(_state.ToSnapshot(cache.Current is { } last && last.Revision > revision ? last.Revision : revision));
        }

        return true;
    }

    public void Dispose() => keys.Dispose();

    private bool IsOurs(Scope? its) => its is not null && its.Application == scope.Application && its.Tenant == scope.Tenant;

    private (Bundle? Bundle, BundleOutcome? Refusal) Verify(Signed signed)
    {
        if (!keys.TryRead(signed, out Bundle bundle))
        {
            return (null, new BundleOutcome(ResourceType.Unspecified, 0, NackReason.Signature, ["it is not signed by a pinned key, or was altered"]));
        }

        var now = time.GetUtcNow();
        var held = _held.GetValueOrDefault(bundle.Type);
        return bundle switch
        {
            { Type: not (ResourceType.Policies or ResourceType.Entities) } => Refuse(NackReason.Content, $"this sidecar does not know resources of type {(int)bundle.Type}"),
            _ when !IsOurs(bundle.Scope) => Refuse(NackReason.Scope, $"it is meant for the application `{bundle.Scope?.Application}` and the tenant `{bundle.Scope?.Tenant}`"),
            _ when bundle.Revision <= held => Refuse(NackReason.Revision, $"revision {bundle.Revision} is not newer than {held}"),
            _ when bundle.ExpiresAt is null || bundle.ExpiresAt.ToDateTimeOffset() <= now => Refuse(NackReason.Expired, "it has expired"),
            _ when bundle.CreatedAt is null || bundle.CreatedAt.ToDateTimeOffset() > now + ClockTolerance => Refuse(NackReason.Expired, "it is of the future"),
            { BaseRevision: not 0 } when bundle.BaseRevision != held => Refuse(NackReason.Base, $"it changes revision {bundle.BaseRevision}, and the sidecar has {held}"),
            _ => (bundle, null),
        };

        (Bundle?, BundleOutcome?) Refuse(NackReason reason, string fault) => (null, new BundleOutcome(bundle.Type, bundle.Revision, reason, [fault]));
    }

    private State? Build(State state, Bundle bundle, List<Fault> faults)
    {
        if (ReadDocuments(bundle, faults) is not { } documents)
        {
            return null;
        }

        return bundle.Type == ResourceType.Policies ? BuildPolicies(state, bundle, documents, faults) : BuildEntities(state, bundle, documents, faults);
    }

    private static State? BuildPolicies(State state, Bundle bundle, BundleFiles documents, List<Fault> faults)
    {
        Cedar.Schema? schema = null;
        if (documents.TryRead(Schema, out var text) && !Cedar.Schema.TryParse(new SourceText(Schema, text), out schema, out var found))
        {
            faults.AddRange(found);
            return null;
        }

        var rules = PolicyFiles.Build(packs: [], isStrict: true, documents, schema, faults);
        var entities = faults.Count > 0 ? null : state.Entities.Value.Under(schema, faults);
        return rules is null || entities is null ? null : state with
        {
            Policies = new Revisioned<PolicyRules>(rules, new Revision(bundle.Revision)),
            Entities = state.Entities with { Value = entities },
        };
    }

    private static State? BuildEntities(State state, Bundle bundle, BundleFiles documents, List<Fault> faults)
    {
        var removed = new List<EntityUid>();
        foreach (var text in bundle.RemovedEntities)
        {
            if (EntityUid.TryParse(text, out var uid, out var fault))
            {
                removed.Add(uid);
            }
            else
            {
                faults.Add(fault);
            }
        }

        if (!documents.TryRead(Entities, out var json))
        {
            faults.Add(new Fault(Entities, 0, 0, $"there is no `{Entities}`"));
        }

        if (faults.Count > 0)
        {
            return null;
        }

        var before = bundle.BaseRevision == 0 ? SyncedEntities.None with { Schema = state.Entities.Value.Schema } : state.Entities.Value;
        return before.With(new SourceText(Entities, json!), removed, faults) is { } entities
            ? state with { Entities = new Revisioned<SyncedEntities>(entities, new Revision(bundle.Revision)) }
            : null;
    }

    private BundleFiles? ReadDocuments(Bundle bundle, List<Fault> faults)
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

    /// <summary>All that has come so far.</summary>
    private sealed record State(Revisioned<PolicyRules> Policies, Revisioned<SyncedEntities> Entities)
    {
        /// <summary>Nothing: whoever asks is denied.</summary>
        public static readonly State Initial = new(
            new(new PolicyRules(PolicySet.Empty, new Dictionary<string, PolicyAnnotations>(), schema: null, isStrict: true), default),
            new(SyncedEntities.None, default));

        public bool IsIn(Snapshot snapshot) => ReferenceEquals(snapshot.Policies.Value, Policies.Value) && ReferenceEquals(snapshot.Entities.Value, Entities.Value.Store);

        public Snapshot ToSnapshot(Revision revision) => new()
        {
            Revision = revision,
            Policies = Policies,
            Entities = new Revisioned<EntityStore>(Entities.Value.Store, Entities.Revision),
            Issuers = new(IssuerSet.Empty, default),
            Revocations = new(Revocations.None, default),
            Factors = new(FactorSet.Empty, default),
            Risk = new(RiskSettings.Default, default),
        };
    }
}
