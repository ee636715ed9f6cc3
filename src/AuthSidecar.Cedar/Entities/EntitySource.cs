namespace AuthSidecar.Cedar;

/// <summary>Where the evaluator finds entities: a store, or something laid over one.</summary>
/// <remarks>Asked in the middle of a decision: an implementation answers from memory, always the same during one call, and does not
/// throw.</remarks>
public abstract class EntitySource
{
    private readonly EntityStore? _below;

    /// <summary>A source of its own.</summary>
    protected EntitySource()
    {
    }

    /// <summary>A source that lies over a store: what it adds is made by <see cref="Entity.CreateOver"/>, and whatever comes from the store
    /// is a member of what it is a member of there.</summary>
    protected EntitySource(EntityStore below)
    {
        ArgumentNullException.ThrowIfNull(below);
        (_below, Hierarchy) = (below, below.Hierarchy);
    }

    private protected EntitySource(object hierarchy) => Hierarchy = hierarchy;

    /// <summary>Two sources with the same hierarchy agree on what is above an entity that both have; what is remembered of it holds in
    /// both. Null: do not remember.</summary>
    internal object? Hierarchy { get; }

    /// <summary>Finds an entity.</summary>
    /// <returns>False when there is none; that is no error until an attribute or tag of it is asked for.</returns>
    public abstract bool TryGetEntity(EntityUid uid, [NotNullWhen(true)] out Entity? entity);

    /// <summary>Finds an entity; null when there is none.</summary>
    internal virtual Entity? Find(EntityUid uid) => TryGetEntity(uid, out var entity) ? entity : null;

    /// <summary>Cedar's <c>in</c>: whether an entity is the other, or a member of it through its parents, their parents, and so
    /// on.</summary>
    public bool IsIn(EntityUid uid, EntityUid group)
    {
        ArgumentNullException.ThrowIfNull(uid);
        return uid.Equals(group) || (TryGetEntity(uid, out var entity) && AncestorsOf(entity).Contains(group));
    }

    /// <summary>What an entity is a member of: its parents, their parents, and so on. Nothing for one that does not exist.</summary>
    public IReadOnlyCollection<EntityUid> AncestorsOf(EntityUid uid) => TryGetEntity(uid, out var entity) ? AncestorsOf(entity)
        : UidSet.Empty;

    /// <summary>What an entity of this source is a member of.</summary>
    internal UidSet AncestorsOf(Entity entity) => entity.Parents.IsEmpty ? UidSet.Empty : MemoOf(entity).Ancestors;

    /// <summary>What is remembered of an entity of this source; found out when it is asked for the first time.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal EntityMemo MemoOf(Entity entity) => entity.Memo is { } memo && IsValid(memo) ? memo : Remember(entity);

    /// <summary>Whether what is remembered is true here.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal bool IsValid(EntityMemo memo) => ReferenceEquals(memo.Hierarchy, Hierarchy)
        || ReferenceEquals(memo.Hierarchy, EntityMemo.Always);

    private EntityMemo Remember(Entity entity)
    {
        // Two threads that meet here find out the same.
        var memo = new EntityMemo(Hierarchy ?? new object(), Above(entity));
        if (Hierarchy is not null && memo.Ancestors.Count <= EntityMemo.MaxAncestors)
            entity.Memo = memo;

        return memo;
    }

    /// <summary>Everything above an entity, found on a list of our own: chains may be of any length.</summary>
    private UidSet Above(Entity entity)
    {
        // From the store alone where there is one: nobody slips in between what the store has.
        EntitySource source = _below ?? this;
        var ancestors = new HashSet<EntityUid>();
        var left = new Stack<Entity>();
        left.Push(entity);
        while (left.TryPop(out var next))
        {
            if (next.Memo is { } memo && IsValid(memo))
            {
                ancestors.UnionWith(memo.Ancestors);
                continue;
            }

            foreach (var parent in next.Parents)
            {
                if (ancestors.Add(parent) && source.TryGetEntity(parent, out var above) && !above.Parents.IsEmpty)
                    left.Push(above);
            }
        }

        return UidSet.Of(ancestors);
    }
}
