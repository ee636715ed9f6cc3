namespace AuthSidecar.Cedar;

/// <summary>An entity: its uid, its attributes and tags, its parents, and all it is a member of through them.</summary>
/// <remarks>Immutable.</remarks>
public sealed class Entity
{
    private readonly EntityUid[] _parents;
    private readonly UidSet _ancestors;

    internal Entity(EntityUid uid, ValueRecord attributes, ValueRecord tags, EntityUid[] parents, UidSet ancestors)
    {
        (Uid, Attributes, Tags, _parents, _ancestors) = (uid, attributes, tags, parents, ancestors);
    }

    /// <summary>The uid.</summary>
    public EntityUid Uid { get; }

    /// <summary>The attributes.</summary>
    public ValueRecord Attributes { get; }

    /// <summary>The tags.</summary>
    public ValueRecord Tags { get; }

    /// <summary>The direct parents, which need not exist as entities.</summary>
    public ReadOnlySpan<EntityUid> Parents => _parents;

    /// <summary>The parents, their parents, and so on.</summary>
    public IReadOnlyCollection<EntityUid> Ancestors => _ancestors;

    /// <summary>What a policy set's index remembers of this entity; it says nothing that could not be computed again.</summary>
    internal EntityMasks? Masks { get; set; }

    /// <summary>Cedar's <c>in</c>: whether this is the other, or a member of it.</summary>
    public bool IsIn(EntityUid other) => Uid.Equals(other) || _ancestors.Contains(other);

    /// <summary>
    /// Makes an entity that is not part of a store, on top of one: it is a member of its parents and of whatever the store says
    /// these are members of.
    /// </summary>
    public static Entity CreateOver(IEntitySource below, EntityUid uid, ValueRecord attributes, ValueRecord tags, ReadOnlySpan<EntityUid> parents)
    {
        if (parents.IsEmpty)
        {
            return new Entity(uid, attributes, tags, [], UidSet.Empty);
        }

        var ancestors = new HashSet<EntityUid>();
        foreach (var parent in parents)
        {
            ancestors.Add(parent);
            if (below.TryGetEntity(parent, out var known))
            {
                ancestors.UnionWith(known.Ancestors);
            }
        }

        return new Entity(uid, attributes, tags, parents.ToArray(), UidSet.Of(ancestors));
    }
}
