using System.Diagnostics.CodeAnalysis;
using AuthSidecar.Cedar;

namespace AuthSidecar.Policies;

/// <summary>An entity that a request or a token brings along.</summary>
internal sealed record GivenEntity(EntityUid Uid, ValueRecord Attributes, EntityUid[] Parents)
{
    public bool SaysNothing => Attributes.Count == 0 && Parents.Length == 0;
}

/// <summary>The entities of one request laid over those of the snapshot.</summary>
/// <remarks>
/// Who may say what, in one place:
/// <list type="number">
/// <item>What the snapshot knows wins. A request that contradicts it, about an attribute or a parent, is not decided but denied.</item>
/// <item>To an entity that the snapshot knows, a request may add attributes, never parents.</item>
/// <item>About an entity that the snapshot does not know, a request says all there is: attributes and parents.</item>
/// <item>The principal is the snapshot's and the token's business alone, and so are actions: a request that describes its own
/// principal, or an action's groups, is denied.</item>
/// <item>A token adds attributes that the snapshot lacks. Its parents count only for a principal that the snapshot does not know, so that
/// a role taken away does not live on in old tokens.</item>
/// <item>What is above an entity of the snapshot is fixed there: a request cannot slip a group in between.</item>
/// </list>
/// </remarks>
internal sealed class EntityOverlay : EntitySource
{
    /// <summary>The most entities that a request may bring along.</summary>
    public const int MaxGiven = 65;

    private readonly EntityStore _store;
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
    /// <param name="given">What the request brings along.</param>
    /// <param name="entities">The store itself when nothing had to be laid over it.</param>
    /// <param name="conflict">What contradicts what, for people.</param>
    public static bool TryCreate(
        EntityStore store,
        GivenEntity principal,
        GivenEntity[] given,
        [NotNullWhen(true)] out EntitySource? entities,
        [NotNullWhen(false)] out string? conflict)
    {
        conflict = null;
        entities = store;
        if (given.Length == 0 && principal.SaysNothing)
        {
            return true;
        }

        var overlay = new EntityOverlay(store, given.Length + 1);
        conflict = overlay.AddAll(given, principal.Uid);
        if (conflict is not null)
        {
            entities = null;
            return false;
        }

        overlay.AddPrincipal(principal);
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

    private string? AddAll(GivenEntity[] given, EntityUid principal)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(given.Length, MaxGiven);
        for (var i = 0; i < given.Length; i++)
        {
            var uid = given[i].Uid;
            if (uid.Equals(principal) && !given[i].SaysNothing)
            {
                return $"the request describes its own principal `{uid}`";
            }

            if (EntityType.IsAction(uid.Type))
            {
                return $"the request describes the action `{uid}`";
            }

            for (var j = 0; j < i; j++)
            {
                if (given[j].Uid.Equals(uid))
                {
                    return $"the request gives the entity `{uid}` twice";
                }
            }
        }

        Span<bool> done = stackalloc bool[MaxGiven];
        for (var i = 0; i < given.Length; i++)
        {
            if (Add(given, i, done, given.Length) is { } conflict)
            {
                return conflict;
            }
        }

        return null;
    }

    /// <summary>Adds an entity after those of its parents that are given too. <paramref name="depthLeft"/> runs out in a cycle, and only there.</summary>
    private string? Add(GivenEntity[] given, int index, Span<bool> done, int depthLeft)
    {
        if (done[index])
        {
            return null;
        }

        var entity = given[index];
        if (_store.TryGetEntity(entity.Uid, out var known))
        {
            done[index] = true;
            return AddTo(known, entity);
        }

        if (depthLeft == 0)
        {
            return $"the request makes `{entity.Uid}` a member of itself";
        }

        foreach (var parent in entity.Parents)
        {
            for (var i = 0; i < given.Length; i++)
            {
                if (given[i].Uid.Equals(parent) && (i == index ? $"the request makes `{parent}` a member of itself" : Add(given, i, done, depthLeft - 1)) is { } conflict)
                {
                    return conflict;
                }
            }
        }

        done[index] = true;
        LayOver(Entity.CreateOver(this, entity.Uid, entity.Attributes, ValueRecord.Empty, entity.Parents));
        return null;
    }

    private string? AddTo(Entity known, GivenEntity given)
    {
        var added = 0;
        foreach (var (name, value) in given.Attributes.Fields)
        {
            if (!known.Attributes.TryGet(name, out var knownValue))
            {
                added++;
            }
            else if (knownValue != value)
            {
                return $"the attribute `{name}` of `{known.Uid}` is not what the snapshot has";
            }
        }

        foreach (var parent in given.Parents)
        {
            if (!known.Parents.Contains(parent))
            {
                return $"`{known.Uid}` is not a member of `{parent}` in the snapshot";
            }
        }

        if (added > 0)
        {
            LayOver(WithMissingAttributes(known, given.Attributes));
        }

        return null;
    }

    private void AddPrincipal(GivenEntity principal)
    {
        if (!_store.TryGetEntity(principal.Uid, out var known))
        {
            if (!principal.SaysNothing)
            {
                // Over the store, not over the request: the groups of a principal are none of the request's business.
                LayOver(Entity.CreateOver(_store, principal.Uid, principal.Attributes, ValueRecord.Empty, principal.Parents));
            }

            return;
        }

        foreach (var (name, _) in principal.Attributes.Fields)
        {
            if (!known.Attributes.TryGet(name, out _))
            {
                LayOver(WithMissingAttributes(known, principal.Attributes));
                return;
            }
        }
    }

    private void LayOver(Entity entity) => _laidOver[_count++] = entity;

    private Entity WithMissingAttributes(Entity known, ValueRecord given)
    {
        var attributes = new List<KeyValuePair<string, Value>>(known.Attributes.Fields.ToArray());
        foreach (var field in given.Fields)
        {
            if (!known.Attributes.TryGet(field.Key, out _))
            {
                attributes.Add(field);
            }
        }

        return Entity.CreateOver(_store, known.Uid, ValueRecord.Create([.. attributes]), known.Tags, known.Parents);
    }
}
