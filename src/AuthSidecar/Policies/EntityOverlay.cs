namespace AuthSidecar.Policies;

/// <summary>An entity that a request or a token brings along.</summary>
internal sealed record RequestEntity(EntityUid Uid, ValueRecord Attributes, EntityUid[] Parents)
{
    public bool IsEmpty => Attributes.Count == 0 && Parents.Length == 0;
}

/// <summary>The entities of one request laid over those of the snapshot.</summary>
/// <remarks>
/// Who may say what, in one place:
/// <list type="number">
/// <item>The principal is settled first, from the snapshot and its token alone. Where a request names it again, as the resource or among
/// the entities, it is that principal: what the request says of it is what is known of it, or the request is denied.</item>
/// <item>A token adds attributes that the snapshot lacks. Its parents count only for a principal that the snapshot does not know, so that
/// a role taken away does not live on in old tokens.</item>
/// <item>What the snapshot knows wins. A request that contradicts it, about an attribute or a parent, is not decided but denied.</item>
/// <item>To an entity that the snapshot knows, a request may add attributes, never parents.</item>
/// <item>About an entity that the snapshot does not know, a request says all there is: attributes and parents.</item>
/// <item>Actions are the snapshot's business alone: a request that describes one is denied.</item>
/// <item>What is above an entity of the snapshot is fixed there: a request cannot slip a group in between.</item>
/// <item>An entity of which a request says nothing changes nothing.</item>
/// </list>
/// </remarks>
internal sealed class EntityOverlay : EntitySource
{
    /// <summary>The most entities that a request may bring along.</summary>
    public const int MaxGiven = 65;

    private readonly EntityStore _store;

    // Few enough to be searched in order. No uid is there twice: see LayOver.
    private readonly Entity[] _laidOver;
    private int _count;

    private EntityOverlay(EntityStore store, int capacity)
        : base(store)
    {
        (_store, _laidOver) = (store, new Entity[capacity]);
    }

    /// <summary>Lays the entities over, or tells the contradiction.</summary>
    /// <param name="store">The snapshot's entities.</param>
    /// <param name="principal">The principal, with what its token says of it.</param>
    /// <param name="given">What the request brings along, its resource included.</param>
    /// <param name="entities">The store itself when nothing had to be laid over it.</param>
    /// <param name="conflict">What contradicts what, for people.</param>
    public static bool TryCreate(
        EntityStore store,
        RequestEntity principal,
        RequestEntity[] given,
        [NotNullWhen(true)] out EntitySource? entities,
        [NotNullWhen(false)] out string? conflict)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(given.Length, MaxGiven);
        conflict = null;
        entities = store;
        if (principal.IsEmpty && AreEmpty(given))
            return true;

        var overlay = new EntityOverlay(store, given.Length + 1);
        var settled = overlay.Settle(principal);
        conflict = overlay.AddAll(given, principal.Uid, settled);
        if (conflict is not null)
        {
            entities = null;
            return false;
        }

        entities = overlay._count == 0 ? store : overlay;
        return true;
    }

    public override bool TryGetEntity(EntityUid uid, [NotNullWhen(true)] out Entity? entity)
    {
        foreach (var candidate in _laidOver.AsSpan(0, _count))
        {
            if (candidate.Uid.Equals(uid))
            {
                entity = candidate;
                return true;
            }
        }

        return _store.TryGetEntity(uid, out entity);
    }

    private static bool AreEmpty(ReadOnlySpan<RequestEntity> given)
    {
        foreach (var entity in given)
        {
            if (!entity.IsEmpty)
                return false;
        }

        return true;
    }

    /// <summary>The principal as the snapshot and its token have it; null when neither says anything of it.</summary>
    private Entity? Settle(RequestEntity principal)
    {
        if (!_store.TryGetEntity(principal.Uid, out var known))
        {
            // Over the store, not over the request: the groups of a principal are none of the request's business.
            return principal.IsEmpty ? null
                : LayOver(Entity.CreateOver(_store, principal.Uid, principal.Attributes, ValueRecord.Empty, principal.Parents));
        }

        foreach (var (name, _) in principal.Attributes.Fields)
        {
            if (!known.Attributes.TryGet(name, out _))
                return LayOver(WithMissingAttributes(known, principal.Attributes));
        }

        return known;
    }

    private string? AddAll(ReadOnlySpan<RequestEntity> given, EntityUid principal, Entity? settled)
    {
        Span<Progress> progress = stackalloc Progress[given.Length];
        for (var i = 0; i < given.Length; i++)
        {
            var entity = given[i];
            if (entity.IsEmpty)
            {
                progress[i] = Progress.Done;
            }
            else if (entity.Uid.Equals(principal))
            {
                if (ContradictionAboutPrincipal(settled, entity) is { } conflict)
                    return conflict;

                progress[i] = Progress.Done;
            }
            else if (EntityType.IsAction(entity.Uid.Type))
            {
                return $"request entities include the action `{entity.Uid}`";
            }
            else if (IsAmong(given[..i], entity.Uid))
            {
                return $"duplicate entity `{entity.Uid}` in the request";
            }
        }

        for (var i = 0; i < given.Length; i++)
        {
            if (Add(given, i, progress) is { } conflict)
                return conflict;
        }

        return null;
    }

    private static bool IsAmong(ReadOnlySpan<RequestEntity> given, EntityUid uid)
    {
        foreach (var other in given)
        {
            if (!other.IsEmpty && other.Uid.Equals(uid))
                return true;
        }

        return false;
    }

    /// <summary>What a request says of its principal that is not known of it already; null: nothing.</summary>
    private static string? ContradictionAboutPrincipal(Entity? settled, RequestEntity given)
    {
        if (settled is null)
            return $"request entities include the principal `{given.Uid}`, which is neither in the snapshot nor in a token";

        foreach (var (name, _) in given.Attributes.Fields)
        {
            if (!settled.Attributes.TryGet(name, out _))
            {
                return $"request entities add attribute `{name}` to the principal `{given.Uid}`: "
                    + "it is neither in the snapshot nor in its token";
            }
        }

        return Contradiction(settled, given);
    }

    /// <summary>What is said of an entity that is known otherwise; null: nothing.</summary>
    private static string? Contradiction(Entity known, RequestEntity given)
    {
        foreach (var (name, value) in given.Attributes.Fields)
        {
            if (known.Attributes.TryGet(name, out var knownValue) && knownValue != value)
                return $"attribute `{name}` of `{known.Uid}` differs from the snapshot";
        }

        foreach (var parent in given.Parents)
        {
            if (!known.Parents.Contains(parent))
                return $"`{known.Uid}` is not a member of `{parent}` in the snapshot";
        }

        return null;
    }

    /// <summary>Adds an entity after those of its parents that are given too.</summary>
    private string? Add(ReadOnlySpan<RequestEntity> given, int index, Span<Progress> progress)
    {
        var entity = given[index];
        if (progress[index] == Progress.Done)
            return null;

        if (_store.TryGetEntity(entity.Uid, out var known))
        {
            progress[index] = Progress.Done;
            return AddTo(known, entity);
        }

        if (progress[index] == Progress.Begun)
            return MemberOfItself(entity.Uid);

        progress[index] = Progress.Begun;
        foreach (var parent in entity.Parents)
        {
            for (var i = 0; i < given.Length; i++)
            {
                if (given[i].Uid.Equals(parent) && Add(given, i, progress) is { } conflict)
                    return conflict;
            }
        }

        foreach (var parent in entity.Parents)
        {
            // By way of the principal, whose groups were settled before.
            if (IsIn(parent, entity.Uid))
                return MemberOfItself(entity.Uid);
        }

        progress[index] = Progress.Done;
        LayOver(Entity.CreateOver(this, entity.Uid, entity.Attributes, ValueRecord.Empty, entity.Parents));
        return null;
    }

    private string? AddTo(Entity known, RequestEntity given)
    {
        if (Contradiction(known, given) is { } conflict)
            return conflict;

        foreach (var (name, _) in given.Attributes.Fields)
        {
            if (!known.Attributes.TryGet(name, out _))
            {
                LayOver(WithMissingAttributes(known, given.Attributes));
                break;
            }
        }

        return null;
    }

    /// <summary>Of two entities with one uid the first would hide the other, and with it what a policy forbids by.</summary>
    private Entity LayOver(Entity entity)
    {
        foreach (var other in _laidOver.AsSpan(0, _count))
        {
            if (other.Uid.Equals(entity.Uid))
                throw new InvalidOperationException($"the entity `{entity.Uid}` is in the overlay already");
        }

        return _laidOver[_count++] = entity;
    }

    private Entity WithMissingAttributes(Entity known, ValueRecord given)
    {
        var attributes = new List<KeyValuePair<string, Value>>(known.Attributes.Fields.ToArray());
        foreach (var field in given.Fields)
        {
            if (!known.Attributes.TryGet(field.Key, out _))
                attributes.Add(field);
        }

        return Entity.CreateOver(_store, known.Uid, ValueRecord.Create([.. attributes]), known.Tags, known.Parents);
    }

    private static string MemberOfItself(EntityUid uid) => $"the request makes `{uid}` a member of itself";

    private enum Progress : byte
    {
        NotBegun = 0,
        Begun,
        Done,
    }
}
