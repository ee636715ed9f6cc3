using System.Diagnostics.CodeAnalysis;
using AuthSidecar.Cedar;

namespace AuthSidecar.Policies;

/// <summary>An entity that a request or a token brings along.</summary>
internal sealed record GivenEntity(EntityUid Uid, ValueRecord Attributes, IReadOnlyList<EntityUid> Parents);

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
internal sealed class EntityOverlay : IEntitySource
{
    private readonly EntityStore _store;
    private readonly List<Entity> _laidOver = [];

    private EntityOverlay(EntityStore store) => _store = store;

    /// <summary>Lays the entities over, or tells the contradiction.</summary>
    /// <param name="store">The snapshot's entities.</param>
    /// <param name="principal">The principal, with what its token says of it.</param>
    /// <param name="given">What the request brings along.</param>
    /// <param name="entities">The store itself when nothing had to be laid over it.</param>
    /// <param name="conflict">What contradicts what, for people.</param>
    public static bool TryCreate(
        EntityStore store,
        GivenEntity principal,
        IReadOnlyList<GivenEntity> given,
        [NotNullWhen(true)] out IEntitySource? entities,
        [NotNullWhen(false)] out string? conflict)
    {
        var overlay = new EntityOverlay(store);
        conflict = overlay.AddAll(given, principal.Uid);
        entities = null;
        if (conflict is not null)
        {
            return false;
        }

        overlay.AddPrincipal(principal);
        entities = overlay._laidOver.Count == 0 ? store : overlay;
        return true;
    }

    public bool TryGetEntity(EntityUid uid, [NotNullWhen(true)] out Entity? entity)
    {
        foreach (var candidate in _laidOver)
        {
            if (candidate.Uid.Equals(uid))
            {
                entity = candidate;
                return true;
            }
        }

        return _store.TryGetEntity(uid, out entity);
    }

    private string? AddAll(IReadOnlyList<GivenEntity> given, EntityUid principal)
    {
        for (var i = 0; i < given.Count; i++)
        {
            var uid = given[i].Uid;
            var saysNothing = given[i].Attributes.Count == 0 && given[i].Parents.Count == 0;
            if (uid.Equals(principal) && !saysNothing)
            {
                return $"the request describes its own principal `{uid}`";
            }

            if (IsAction(uid))
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

        var done = new bool[given.Count];
        for (var i = 0; i < given.Count; i++)
        {
            if (Add(given, i, done, given.Count) is { } conflict)
            {
                return conflict;
            }
        }

        return null;
    }

    /// <summary>Adds an entity after those of its parents that are given too. <paramref name="depthLeft"/> runs out in a cycle, and only there.</summary>
    private string? Add(IReadOnlyList<GivenEntity> given, int index, bool[] done, int depthLeft)
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
            for (var i = 0; i < given.Count; i++)
            {
                if (given[i].Uid.Equals(parent) && (i == index ? $"the request makes `{parent}` a member of itself" : Add(given, i, done, depthLeft - 1)) is { } conflict)
                {
                    return conflict;
                }
            }
        }

        done[index] = true;
        _laidOver.Add(Entity.CreateOver(this, entity.Uid, entity.Attributes, ValueRecord.Empty, [.. entity.Parents]));
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
            _laidOver.Add(WithMissingAttributes(known, given.Attributes));
        }

        return null;
    }

    private void AddPrincipal(GivenEntity principal)
    {
        if (!_store.TryGetEntity(principal.Uid, out var known))
        {
            if (principal.Attributes.Count > 0 || principal.Parents.Count > 0)
            {
                // Over the store, not over the request: the groups of a principal are none of the request's business.
                _laidOver.Add(Entity.CreateOver(_store, principal.Uid, principal.Attributes, ValueRecord.Empty, [.. principal.Parents]));
            }

            return;
        }

        foreach (var (name, _) in principal.Attributes.Fields)
        {
            if (!known.Attributes.TryGet(name, out _))
            {
                _laidOver.Add(WithMissingAttributes(known, principal.Attributes));
                return;
            }
        }
    }

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

    private static bool IsAction(EntityUid uid) =>
        string.Equals(uid.Type, "Action", StringComparison.Ordinal) || uid.Type.EndsWith("::Action", StringComparison.Ordinal);
}
