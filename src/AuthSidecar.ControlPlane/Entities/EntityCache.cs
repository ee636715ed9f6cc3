namespace AuthSidecar.ControlPlane.Entities;

/// <summary>All entities in memory, as of a revision: what writes are held against.</summary>
/// <remarks>INVARIANT: only a write that has taken its revision looks at it or brings it up to date, and there is one such write at a
/// time.</remarks>
internal sealed class EntityCache
{
    private const int PageSize = 2_000;

    private readonly Dictionary<EntityUid, (Placement Placement, long Revision)> _places = [];

    /// <summary>Whatever was ever something's parent: few, beside those whose parent it is.</summary>
    private readonly HashSet<EntityUid> _parents = [];

    public EntityStore Entities { get; private set; } = EntityStore.Empty;

    /// <summary>Whether an entity, of which there may be none, is or was the parent of one.</summary>
    public bool IsParent(EntityUid uid) => _parents.Contains(uid);

    /// <summary>That of the newest change to any entity.</summary>
    public long Revision { get; private set; }

    public bool TryGetPlace(EntityUid uid, out Placement placement, out long revision)
    {
        var found = _places.TryGetValue(uid, out var place);
        (placement, revision) = place;
        return found;
    }

    /// <summary>The entities that an application's sidecars get, of whatever tenant.</summary>
    public IEnumerable<Entity> EntitiesOf(string application) => Entities.Entities.Where(e => _places[e.Uid].Placement.IsFor(application));

    /// <summary>Takes in what was committed since.</summary>
    /// <exception cref="InvalidDataException">It does not fit together, which no write of ours would have let by.</exception>
    public async Task CatchUpAsync(StoreContext context, CancellationToken cancellation)
    {
        var since = Revision;
        var changed = context.Entities.AsNoTracking().Where(e => e.Revision > since);
        var newest = await changed.MaxAsync(e => (long?)e.Revision, cancellation);
        if (newest is null)
            return;

        var few = await changed.Take(PageSize + 1).ToListAsync(cancellation);
        if (few.Count <= PageSize)
        {
            var gone = EntityRows.Gone(few);
            Entities = Update(Entities, few.FindAll(r => !r.IsRemoved), gone);
            gone.ForEach(u => _places.Remove(u));
            foreach (var row in few.Where(r => !r.IsRemoved))
            {
                _places[EntityRows.UidOf(row)] = (new Placement(row.Application, row.Tenant), row.Revision);
                NoteParents(EntityRows.UidOf(row));
            }

            Revision = newest.Value;
            return;
        }

        // First those that have gone, or changed, and then as they are: in between, nothing is held against what was. Piece by piece, since
        // the text of all of a large import at once is many times as large as what becomes of it.
        var uids = await changed.Select(e => new { e.Type, e.Id }).Distinct().ToListAsync(cancellation);
        var (entities, places) = (Entities, new Dictionary<EntityUid, (Placement Placement, long Revision)>(uids.Count));
        entities = Update(entities, [], [.. uids.Select(u => new EntityUid(u.Type, u.Id))]);
        var page = new List<EntityRow>(PageSize);
        await foreach (var row in changed.Where(e => !e.IsRemoved).AsAsyncEnumerable().WithCancellation(cancellation))
        {
            page.Add(row);
            places[EntityRows.UidOf(row)] = (new Placement(row.Application, row.Tenant), row.Revision);
            if (page.Count == PageSize)
            {
                entities = Update(entities, page, []);
                page.Clear();
            }
        }

        entities = Update(entities, page, []);
        foreach (var uid in uids)
            _places.Remove(new EntityUid(uid.Type, uid.Id));

        foreach (var (uid, place) in places)
            _places[uid] = place;

        (Entities, Revision) = (entities, newest.Value);
        foreach (var uid in places.Keys)
            NoteParents(uid);
    }

    private void NoteParents(EntityUid uid)
    {
        if (Entities.TryGetEntity(uid, out var entity))
        {
            foreach (var parent in entity.Parents)
                _parents.Add(parent);
        }
    }

    private static EntityStore Update(EntityStore entities, IReadOnlyCollection<EntityRow> written, IReadOnlyCollection<EntityUid> removed)
    {
        if (written.Count == 0 && removed.Count == 0)
            return entities;

        return entities.TryUpdate(EntityRows.ToJson(written), removed, schema: null, out var updated, out var faults)
            ? updated
            : throw new InvalidDataException($"the stored entities are inconsistent: {faults[0]}");
    }
}
