namespace AuthSidecar.Cedar;

/// <summary>An entity: its uid, its attributes and tags, and its parents. What these are members of in turn is the source's to
/// say.</summary>
/// <remarks>Immutable, and safe to share between threads and between stores.</remarks>
public sealed class Entity
{
    private readonly EntityUid[] _parents;

    /// <summary>Makes an entity.</summary>
    /// <param name="uid">The uid.</param>
    /// <param name="attributes">The attributes.</param>
    /// <param name="tags">The tags.</param>
    /// <param name="parents">What it is a direct member of; repeated ones count once.</param>
    public Entity(EntityUid uid, ValueRecord attributes, ValueRecord tags, params ReadOnlySpan<EntityUid> parents)
        : this(uid, attributes, tags, Distinct(parents))
    {
    }

    private Entity(EntityUid uid, ValueRecord attributes, ValueRecord tags, EntityUid[] parents)
    {
        (Uid, Attributes, Tags, _parents) = (uid, attributes, tags, parents);
    }

    /// <summary>The uid.</summary>
    public EntityUid Uid { get; }

    /// <summary>The attributes.</summary>
    public ValueRecord Attributes { get; }

    /// <summary>The tags.</summary>
    public ValueRecord Tags { get; }

    /// <summary>The direct parents, which need not exist as entities.</summary>
    public ReadOnlySpan<EntityUid> Parents => _parents;

    internal EntityMemo? Memo { get; set; }

    /// <summary>Makes an entity that is not part of a store, on top of one: it is a member of its parents and of whatever the source says
    /// these are members of.</summary>
    public static Entity CreateOver(
        EntitySource below, EntityUid uid, ValueRecord attributes, ValueRecord tags, ReadOnlySpan<EntityUid> parents)
    {
        ArgumentNullException.ThrowIfNull(below);
        var entity = new Entity(uid, attributes, tags, parents) { Memo = EntityMemo.Nothing };
        if (!parents.IsEmpty)
        {
            var ancestors = new HashSet<EntityUid>();
            foreach (var parent in parents)
            {
                ancestors.Add(parent);
                ancestors.UnionWith(below.AncestorsOf(parent));
            }

            entity.Memo = new EntityMemo(EntityMemo.Always, UidSet.Of(ancestors));
        }

        return entity;
    }

    /// <summary>The same entity, of which nothing is remembered: what one store finds out about it is not to be believed in
    /// another.</summary>
    internal Entity Forget() => new(Uid, Attributes, Tags, _parents);

    /// <summary>Whether another entity has the same attributes, tags and parents, in whatever order; uids are not compared.</summary>
    public bool SaysTheSameAs(Entity other) => Attributes.Equals(other.Attributes) && Tags.Equals(other.Tags) && HasSameParentsAs(other);

    internal bool HasSameParentsAs(Entity other) =>
        _parents.AsSpan().SequenceEqual(other._parents)
            || (_parents.Length == other._parents.Length && _parents.ToHashSet().SetEquals(other._parents));

    private static EntityUid[] Distinct(ReadOnlySpan<EntityUid> parents)
    {
        // Mostly a few, and rarely one of them twice.
        for (var i = 1; i < parents.Length && i < 8; i++)
        {
            if (parents[..i].Contains(parents[i]))
                return [.. parents.ToArray().Distinct()];
        }

        return parents.Length <= 8 ? parents.ToArray() : [.. parents.ToArray().Distinct()];
    }
}
