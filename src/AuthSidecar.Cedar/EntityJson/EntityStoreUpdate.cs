namespace AuthSidecar.Cedar;

/// <summary>An entity of an update, and where in the text it was given.</summary>
internal readonly record struct GivenEntity(Entity Entity, int Offset);

/// <summary>Makes a store out of another and what changed.</summary>
internal sealed class EntityStoreUpdate
{
    private const int MostFaults = 1_000;

    private readonly Schema? _schema;
    private readonly SourceText? _source;
    private readonly List<Fault> _faults;
    private readonly SharedUidMap<Entity>.Editor _entities;
    private readonly SharedUidMap<EntityUid>.Editor _groups;
    private readonly UidMap<Entity> _changed;
    private bool _movesGroups;

    private EntityStoreUpdate(EntityStore before, int given, Schema? schema, SourceText? source, List<Fault> faults)
    {
        (_schema, _source, _faults) = (schema, source, faults);
        _entities = new(before.Map, given);
        _groups = new(before.Groups, given);
        _changed = new(given);
    }

    /// <returns>Null beside faults.</returns>
    public static EntityStore? Apply(
        EntityStore before, List<GivenEntity> given, IEnumerable<EntityUid> removed, Schema? schema, SourceText? source, List<Fault> faults)
    {
        var update = new EntityStoreUpdate(before, given.Count, schema, source, faults);
        foreach (var uid in removed)
            update.Remove(uid);

        foreach (var (entity, offset) in given)
            update.Add(entity, offset);

        update.AddActions();
        update.Check(given);
        if (faults.Count > 0)
            return null;

        return new EntityStore(update._entities.ToMap(), update._groups.ToMap(), update._movesGroups ? new object() : before.Hierarchy!);
    }

    private void Remove(EntityUid uid)
    {
        if (_entities.TryGet(uid, out var entity))
        {
            _movesGroups |= !entity.Parents.IsEmpty && _groups.TryGet(uid, out _);
            _entities.Remove(uid);
        }
    }

    private void Add(Entity entity, int offset)
    {
        if (_changed.TryGet(entity.Uid, out var twin))
        {
            if (!twin.SaysTheSameAs(entity))
                Fail(offset, $"duplicate entity `{entity.Uid}` with different content", "keep one");

            return;
        }

        // When what others are members of moves, what is remembered of them holds no longer.
        var isMoved = _entities.TryGet(entity.Uid, out var old) ? !old.HasSameParentsAs(entity) : !entity.Parents.IsEmpty;
        _movesGroups |= isMoved && _groups.TryGet(entity.Uid, out _);
        _changed.Set(entity.Uid, entity);
        _entities.Set(entity.Uid, entity);
        foreach (var parent in entity.Parents)
        {
            // Most are known already, and then nothing has to be copied.
            if (!_groups.TryGet(parent, out _))
                _groups.Set(parent, parent);
        }
    }

    private void AddActions()
    {
        foreach (var action in _schema?.Actions.Values ?? [])
        {
            if (!_entities.TryGet(action.Uid, out _))
                Add(new Entity(action.Uid, ValueRecord.Empty, ValueRecord.Empty, [.. action.MemberOf]), offset: 0);
        }
    }

    private void Check(List<GivenEntity> given)
    {
        var cycles = new CycleSearch(_entities);
        var conformance = _schema is null ? null : new Conformance(_schema);
        foreach (var (entity, offset) in given)
        {
            if (cycles.IsOnCycle(entity))
            {
                Fail(offset, $"the entity `{entity.Uid}` is a member of itself, directly or through its parents",
                    "remove one of these parents");
                return;
            }

            foreach (var mismatch in conformance?.Check(entity) ?? [])
            {
                if (_faults.Count == MostFaults)
                {
                    Fail(offset, $"more than {MostFaults} faults", "only the first are listed");
                    return;
                }

                var at = _source is null ? offset : EntityJsonReader.Locate(_source, offset, mismatch.At);
                Fail(at, $"`{entity.Uid}` does not conform to the schema: {mismatch.Message}", mismatch.Help);
            }
        }
    }

    private void Fail(int offset, string message, string? help = null) =>
        _faults.Add(_source is null ? new Fault("", 0, 0, message, help) : Fault.At(_source, offset, message, help));

    /// <summary>Looks for ways from an entity back to itself; what was searched once is not searched again.</summary>
    private sealed class CycleSearch(SharedUidMap<Entity>.Editor entities)
    {
        // Everything above an entity that was searched, and led to no cycle.
        private readonly HashSet<EntityUid> _done = [];
        private readonly HashSet<EntityUid> _onPath = [];
        private readonly Stack<(Entity Entity, int NextParent)> _path = new();

        /// <summary>Depth first, on a stack of our own, since chains may be of any length.</summary>
        public bool IsOnCycle(Entity start)
        {
            Enter(start);
            while (_path.TryPop(out var top))
            {
                var (entity, next) = top;
                if (next == entity.Parents.Length)
                {
                    _onPath.Remove(entity.Uid);
                    _done.Add(entity.Uid);
                    continue;
                }

                _path.Push((entity, next + 1));
                var parent = entity.Parents[next];
                if (_onPath.Contains(parent))
                    return true;

                if (entities.TryGet(parent, out var above))
                    Enter(above);
            }

            return false;
        }

        private void Enter(Entity entity)
        {
            if (!entity.Parents.IsEmpty && !_done.Contains(entity.Uid))
            {
                _onPath.Add(entity.Uid);
                _path.Push((entity, 0));
            }
        }
    }
}
