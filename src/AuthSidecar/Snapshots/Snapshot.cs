using AuthSidecar.Cedar;
using AuthSidecar.Common;
using AuthSidecar.Tokens;

namespace AuthSidecar.Snapshots;

/// <summary>
/// All that decisions are made from, at one revision. Immutable. One object instead of one for every type of resource, so that a single
/// read gives a request a coherent whole: policies never meet the keys or entities of another moment.
/// </summary>
internal sealed record Snapshot
{
    public required Revision Revision { get; init; }

    public required Revisioned<PolicyRules> Policies { get; init; }

    public required Revisioned<EntityStore> Entities { get; init; }

    public required Revisioned<IssuerSet> Issuers { get; init; }

    public required Revisioned<Revocations> Revocations { get; init; }

    public required Revisioned<FactorSet> Factors { get; init; }

    public required Revisioned<RiskSettings> Risk { get; init; }

    /// <summary>The revision of one type of resource.</summary>
    public Revision RevisionOf(ResourceTypes type) => type switch
    {
        ResourceTypes.Policies => Policies.Revision,
        ResourceTypes.Entities => Entities.Revision,
        ResourceTypes.Keys => Issuers.Revision,
        ResourceTypes.Revocations => Revocations.Revision,
        ResourceTypes.Factors => Factors.Revision,
        ResourceTypes.Risk => Risk.Revision,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "one type of resource"),
    };
}
