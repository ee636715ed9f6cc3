using System.Collections.Frozen;
using AuthSidecar.Cedar;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Snapshots;
using AuthSidecar.Tokens;
using RiskSettings = AuthSidecar.Bundles.RiskSettings;

namespace AuthSidecar.Sync.Stream;

/// <summary>All that has come by the stream so far, and what becomes of it when a bundle is added. Immutable.</summary>
internal sealed record SyncedState
{
    /// <summary>Beside second factors: the key that their secrets are wrapped with.</summary>
    public const string FactorsKey = "factors.key";

    /// <summary>Nothing: whoever asks is denied.</summary>
    public static readonly SyncedState Initial = new();

    private Revisioned<PolicyRules> Policies { get; init; } =
        new(new PolicyRules(PolicySet.Empty, new Dictionary<string, PolicyAnnotations>(), schema: null, isStrict: true), default);

    /// <summary>The schema as it came; null: there is none.</summary>
    private byte[]? SchemaText { get; init; }

    private Revisioned<SyncedEntities> Entities { get; init; } = new(SyncedEntities.None, default);

    private Revisioned<IssuerSet> Issuers { get; init; } = new(IssuerSet.Empty, default);

    private Revisioned<Revocations> Revocations { get; init; } = new(Tokens.Revocations.None, default);

    private Revisioned<FactorSet> Factors { get; init; } = new(FactorSet.Empty, default);

    private Revisioned<RiskSettings> Risk { get; init; } = new(RiskSettings.Default, default);

    public Snapshot ToSnapshot(Revision revision) => new()
    {
        Revision = revision,
        Policies = Policies,
        Entities = new Revisioned<EntityStore>(Entities.Value.Store, Entities.Revision),
        Issuers = Issuers,
        Revocations = Revocations,
        Factors = Factors,
        Risk = Risk,
    };

    /// <summary>With what a bundle brings; null beside faults.</summary>
    /// <param name="bundle">A bundle that was verified.</param>
    /// <param name="documents">Its documents.</param>
    /// <param name="now">What has run out by now is left out.</param>
    /// <param name="faults">Gets what is wrong with them.</param>
    public SyncedState? With(VerifiedBundle bundle, BundleFiles documents, DateTimeOffset now, List<Fault> faults)
    {
        var (revision, isChange) = (bundle.Revision, bundle.IsChange);
        var removed = ReadRemoved(bundle.Message.Removed, faults);
        var next = bundle.Type switch
        {
            ResourceType.Policies => WithPolicies(documents, revision, faults),
            ResourceType.Entities => WithEntities(documents, isChange, removed, revision, faults),
            ResourceType.Keys => this with { Issuers = new(IssuersFile.Read(documents, faults), revision) },
            ResourceType.Revocations => WithRevocations(RevocationsFile.Read(documents, faults), isChange, revision, now),
            ResourceType.Factors => WithFactors(documents, isChange, removed, revision, faults),
            ResourceType.Risk => WithRisk(documents, isChange, removed, revision, faults),
            _ => throw new ArgumentOutOfRangeException(nameof(bundle), bundle.Type, "a type that is known"),
        };
        return faults.Count == 0 ? next : null;
    }

    /// <summary>Whether documents of policies have the schema that is there.</summary>
    public bool HasSchemaOf(BundleFiles documents)
    {
        documents.TryRead(PolicyFiles.Schema, out var text);
        return text.AsSpan().SequenceEqual(SchemaText);
    }

    /// <summary>With all entities, held against nothing until policies bring a schema.</summary>
    public SyncedState WithoutSchema() => Entities.Value.Schema is null
        ? this
        : this with { SchemaText = null, Entities = Entities with { Value = Entities.Value.Under(schema: null, []) ?? throw new InvalidOperationException("entities that fit together do so without a schema") } };

    private SyncedState WithPolicies(BundleFiles documents, Revision revision, List<Fault> faults)
    {
        documents.TryRead(PolicyFiles.Schema, out var schemaText);
        // Most often the policies alone are others; and to hold a hundred thousand entities against the same schema again takes its time.
        var isSameSchema = HasSchemaOf(documents);
        var schema = isSameSchema ? Entities.Value.Schema : PolicyFiles.ReadSchema(documents, faults);
        var rules = PolicyFiles.Build(BundleManifest.OfControlPlane, documents, schema, faults);
        var entities = faults.Count > 0 ? null : isSameSchema ? Entities.Value : Entities.Value.Under(schema, faults);
        return rules is null || entities is null ? this : this with
        {
            Policies = new(rules, revision),
            SchemaText = schemaText,
            Entities = Entities with { Value = entities },
        };
    }

    private SyncedState WithEntities(BundleFiles documents, bool isChange, List<EntityUid> removed, Revision revision, List<Fault> faults)
    {
        if (!documents.TryRead(EntitiesFile.FileName, out var json))
        {
            faults.Add(new Fault(EntitiesFile.FileName, 0, 0, $"missing `{EntitiesFile.FileName}`"));
            return this;
        }

        var before = isChange ? Entities.Value : SyncedEntities.None with { Schema = Entities.Value.Schema };
        return before.With(new SourceText(EntitiesFile.FileName, json), removed, faults) is { } entities ? this with { Entities = new(entities, revision) } : this;
    }

    private SyncedState WithRevocations(Revocations given, bool isChange, Revision revision, DateTimeOffset now) =>
        this with { Revocations = new((isChange ? Revocations.Value : Tokens.Revocations.None).With(given, now), revision) };

    private SyncedState WithFactors(BundleFiles documents, bool isChange, List<EntityUid> removed, Revision revision, List<Fault> faults)
    {
        if (!documents.TryRead(FactorsKey, out var key) || key.Length != SealedBox.KeyBytes)
        {
            faults.Add(new Fault(FactorsKey, 0, 0, $"the key that secrets are wrapped with is {SealedBox.KeyBytes} bytes"));
            return this;
        }

        var given = FactorsFile.Read(documents, key, faults);
        if (isChange && !given.SharesKeyWith(Factors.Value))
        {
            faults.Add(new Fault(FactorsKey, 0, 0, "it is another key than that of the factors before"));
        }

        return this with { Factors = new(isChange ? Factors.Value.With(given, removed) : given, revision) };
    }

    private SyncedState WithRisk(BundleFiles documents, bool isChange, List<EntityUid> removed, Revision revision, List<Fault> faults)
    {
        var settings = isChange && !documents.TryRead(RiskFile.FileName, out _) ? Risk.Value : RiskFile.Read(documents, faults);
        var profiles = isChange ? Risk.Value.Profiles.ToDictionary() : [];
        foreach (var subject in removed)
        {
            profiles.Remove(subject);
        }

        foreach (var (subject, profile) in ProfilesFile.Read(documents, faults))
        {
            profiles[subject] = profile;
        }

        return this with { Risk = new(settings with { Profiles = profiles.ToFrozenDictionary() }, revision) };
    }

    private static List<EntityUid> ReadRemoved(IEnumerable<string> texts, List<Fault> faults)
    {
        var removed = new List<EntityUid>();
        foreach (var text in texts)
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

        return removed;
    }
}
