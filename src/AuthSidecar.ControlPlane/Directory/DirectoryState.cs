using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Store;
using Microsoft.EntityFrameworkCore;

namespace AuthSidecar.ControlPlane.Directory;

/// <summary>
/// All entities in memory, as of a revision: what writes are held against.
/// </summary>
/// <remarks>INVARIANT: only a write that has taken its revision looks at it or brings it up to date, and there is one such write at a time.</remarks>
internal sealed class DirectoryState
{
    private readonly Dictionary<EntityUid, (Placement Placement, long Revision)> _places = [];

    public EntityStore Entities { get; private set; } = EntityStore.Empty;

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
        var rows = await context.Entities.AsNoTracking().Where(e => e.Revision > Revision).ToListAsync(cancellation);
        if (rows.Count == 0)
        {
            return;
        }

        var live = rows.Where(r => !r.IsRemoved).ToList();
        var gone = EntityRows.Gone(rows);
        if (!Entities.TryUpdate(EntityRows.ToJson(live), gone, schema: null, out var entities, out var faults))
        {
            throw new InvalidDataException($"the stored entities do not fit together: {faults[0]}");
        }

        foreach (var uid in gone)
        {
            _places.Remove(uid);
        }

        foreach (var row in live)
        {
            _places[EntityRows.UidOf(row)] = (new Placement(row.Application, row.Tenant), row.Revision);
        }

        (Entities, Revision) = (entities, rows.Max(r => r.Revision));
    }
}
