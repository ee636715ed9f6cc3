using AuthSidecar.ControlPlane.Identity;
using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.Publications;

namespace AuthSidecar.ControlPlane.Entities;

/// <summary>Whether a writer may do this to what has, or is to have, this placement.</summary>
internal delegate bool MayWrite(string action, Placement placement);

/// <summary>Changes entities: all of a change or nothing, and never into what a sidecar would refuse.</summary>
internal sealed class EntityWriter(ControlStore store, EntityCache state, SchemaSource schemas)
{
    /// <summary>The entities of accounts, by the account's id.</summary>
    private const string UserType = "User";

    private const int MaxIdsAtOnce = 500;

    /// <summary>What writing is called, in policies and in the audit trail.</summary>
    public const string Write = "entities.write";

    /// <summary>To put entities into a group that is of no tenant: of an application, or of all. What it gives, it gives in every
    /// tenant.</summary>
    public const string Join = "memberships.write";

    /// <summary>The same for a group that says that tenants' own managers may (<see cref="Assignable"/>).</summary>
    public const string JoinAssignable = "memberships.assign";

    /// <summary>The attribute of a group by which it says so.</summary>
    private const string Assignable = "assignable";

    /// <summary>Adds, replaces and removes entities.</summary>
    /// <param name="actor">Who writes.</param>
    /// <param name="may">Where they may.</param>
    /// <param name="read">What is to be, by where entities are.</param>
    /// <param name="expectedRevision">That of the newest change to any entity; null: whatever it is.</param>
    public Task<WriteResult> WriteAsync(string actor, MayWrite may, Func<Func<EntityUid, Placement?>, EntityChange> read,
        Revision? expectedRevision, CancellationToken cancellation) => store.WriteAsync(
        actor,
        async transaction =>
        {
            await state.CatchUpAsync(transaction.Context, cancellation);
            var change = read(PlaceOf);
            return transaction.Expect(expectedRevision, state.Revision)
                ?? await ApplyAsync(transaction, may, change, cancellation) ?? transaction.RequireChange(NewestOf(change));
        },
        cancellation);

    /// <summary>Makes an entity a direct member of some others, and no longer of others.</summary>
    /// <param name="actor">Who writes.</param>
    /// <param name="may">Where they may.</param>
    /// <param name="added">The groups to add it to.</param>
    /// <param name="removed">The groups to remove it from.</param>
    /// <param name="expectedRevision">The entity's; null: whatever it is.</param>
    /// <param name="unchanged">Receives what of both changed nothing; null: not collected.</param>
    public Task<WriteResult> ChangeMembershipsAsync(
        string actor, MayWrite may, EntityUid member, IReadOnlyList<EntityUid> added, IReadOnlyList<EntityUid> removed,
        Revision? expectedRevision, CancellationToken cancellation, List<EntityUid>? unchanged = null) => store.WriteAsync(
        actor,
        async transaction =>
        {
            await state.CatchUpAsync(transaction.Context, cancellation);
            if (!state.Entities.TryGetEntity(member, out var entity) || !state.TryGetPlace(member, out var placement, out var revision))
                return new Refusal.NotFound($"entity {member}");

            if (!may(Write, placement))
                return new Refusal.NotPermitted(Write, null);

            if (transaction.Expect(expectedRevision, revision) is { } stale)
                return stale;

            var parents = entity.Parents.ToArray();
            unchanged?.Clear();
            unchanged?.AddRange([.. added.Intersect(parents), .. removed.Except(parents)]);
            var changed = new Entity(member, entity.Attributes, entity.Tags, [.. parents.Except(removed).Union(added)]);
            return await ApplyAsync(transaction, may, new EntityChange([(changed, placement)], []), cancellation)
                ?? transaction.RequireChange(revision);
        },
        cancellation);

    /// <summary>Makes a change a part of a write that has others as well; what is as it is to be is passed over.</summary>
    /// <remarks>INVARIANT: the state has caught up in this transaction.</remarks>
    /// <param name="may">Where they may.</param>
    /// <param name="change">What is to be.</param>
    /// <param name="republished">The application whose schema is another after the write, against which its writer holds its entities;
    /// null: none.</param>
    public async Task<Refusal?> ApplyAsync(
        StoreTransaction transaction, MayWrite may, EntityChange change, CancellationToken cancellation, string? republished = null)
    {
        var removed = change.Removed.Where(u => state.TryGetPlace(u, out _, out _)).ToList();
        // Where it was, and where it goes: who may write here alone cannot take it from there, nor learn where that is.
        if (change.Written.Select(
            w => w.Entity.Uid).Concat(removed).Select(PlaceOf).OfType<Placement>().Distinct().Any(p => !may(Write, p)))
        {
            return new Refusal.NotPermitted(Write, null);
        }

        if (change.Written.Select(w => w.Placement).Distinct().FirstOrDefault(p => !may(Write, p)) is { Application: not null } target)
            return new Refusal.NotPermitted(Write, target);

        if (NewParentsIn(change).FirstOrDefault(p => !may(p.Action, p.Placement)) is { Action: not null } forbidden)
        {
            // Where another tenant's group is may not be theirs to know.
            return new Refusal.NotPermitted(forbidden.Action, forbidden.Action == Write ? null : forbidden.Placement);
        }

        if (NewMembersIn(change, removed).Any(p => !may(Write, p)))
            return new Refusal.NotPermitted(Write, null);

        // What is there already is not written again: a directory is imported every night, and most of it is as it was.
        change = change with { Written = [.. change.Written.Where(w => !IsThere(w.Entity, w.Placement))] };
        if (change.Written.Count == 0 && removed.Count == 0)
            return null;

        var written = change.Written.Select(w => EntityRows.Of(w.Entity, w.Placement, transaction.Revision)).ToList();
        var unkept = written.Select(EntityRows.FaultOf).OfType<string>().Select(f => new Fault("entities", 0, 0, f)).ToList();
        if (unkept.Count > 0)
            return new Refusal.Invalid(unkept);

        if (!state.Entities.TryUpdate(change.Written.Select(w => w.Entity), removed, schema: null, out _, out var faults)
            || (faults = await CheckSchemasAsync(transaction.Context, change, republished, cancellation)).Count > 0)
        {
            return new Refusal.Invalid(faults);
        }

        var rows = new List<EntityRow>();
        foreach (var uid in removed)
        {
            state.TryGetPlace(uid, out var placement, out _);
            rows.Add(EntityRows.Tombstone(uid, placement, transaction.Revision));
            transaction.Audit("entities.remove", uid.ToString(), placement, JsonOf(uid), after: null);
        }

        foreach (var ((entity, placement), row) in change.Written.Zip(written))
        {
            if (state.TryGetPlace(entity.Uid, out var before, out _) && before != placement)
            {
                rows.Add(EntityRows.Tombstone(entity.Uid, before, transaction.Revision));
                transaction.Audit("entities.remove", entity.Uid.ToString(), before, JsonOf(entity.Uid), after: null);
            }

            rows.Add(row);
            transaction.Audit(Write, entity.Uid.ToString(), placement, JsonOf(entity.Uid), row.Json);
        }

        await EntityRows.SaveAsync(transaction, rows, cancellation);
        await RevokeOutdatedAsync(transaction, change, removed, cancellation);
        return null;
    }

    /// <summary>Ends the access tokens of accounts that have lost a role: what was put into a token by it, such as a scope, goes with it.
    /// The next one is a refresh away.</summary>
    private async Task RevokeOutdatedAsync(
        StoreTransaction transaction, EntityChange change, IReadOnlyList<EntityUid> removed, CancellationToken cancellation)
    {
        var ids = change.Written
            .Where(w => w.Entity.Uid.Type == UserType && state.Entities.TryGetEntity(w.Entity.Uid, out var before)
                && before.Parents.ToArray().Except(w.Entity.Parents.ToArray()).Any())
            .Select(w => w.Entity.Uid.Id)
            .Concat(removed.Where(u => u.Type == UserType).Select(u => u.Id));
        foreach (var some in ids.Chunk(MaxIdsAtOnce))
        {
            foreach (var account in await transaction.Context.Accounts.Where(a => some.Contains(a.Id)).Select(a => a.Id)
                .ToListAsync(cancellation))
            {
                await TokenRevocations.SubjectAsync(transaction, "", account, cancellation);
            }
        }
    }

    /// <summary>The groups that entities come into, as far as to write the entity is not to be allowed that: another tenant's own, where
    /// membership may be all it takes wherever a sidecar serves both; and those of no tenant, or that are not in the directory, which reach
    /// over all tenants.</summary>
    private HashSet<(string Action, Placement Placement)> NewParentsIn(EntityChange change)
    {
        var demands = new HashSet<(string, Placement)>();
        var written = change.Written.ToDictionary(w => w.Entity.Uid, w => w);
        foreach (var (entity, placement) in change.Written)
        {
            state.Entities.TryGetEntity(entity.Uid, out var before);
            foreach (var parent in entity.Parents)
            {
                if (before?.Parents.Contains(parent) is true)
                    continue;

                var (group, place) = written.TryGetValue(parent, out var with) ? (with.Entity, with.Placement)
                    : state.Entities.TryGetEntity(parent, out var there) ? (there, PlaceOf(parent)!.Value)
                    : (null, new Placement(placement.Application, ""));
                if (place.Tenant.Length == 0)
                    demands.Add((group is not null && IsAssignable(group) ? JoinAssignable : Join, place));
                else if (place.Tenant != placement.Tenant)
                    demands.Add((Write, place));
            }
        }

        return demands;
    }

    /// <summary>Where those are who come into a tenant's group because it comes to be, or comes into that tenant: somebody may have entered
    /// it before it was there, by a name that can be guessed.</summary>
    private HashSet<Placement> NewMembersIn(EntityChange change, IReadOnlyCollection<EntityUid> removed)
    {
        var groups = change.Written
            .Where(w => w.Placement.Tenant.Length > 0 && state.IsParent(w.Entity.Uid)
                && PlaceOf(w.Entity.Uid)?.Tenant != w.Placement.Tenant)
            .ToDictionary(w => w.Entity.Uid, w => w.Placement);
        var placements = new HashSet<Placement>();
        if (groups.Count == 0)
            return placements;

        var others = change.Written.Select(w => w.Entity.Uid).Concat(removed).ToHashSet();
        foreach (var member in state.Entities.Entities.Where(e => !others.Contains(e.Uid)))
        {
            foreach (var parent in member.Parents)
            {
                if (groups.TryGetValue(parent, out var group) && PlaceOf(member.Uid) is { } place && place.Tenant != group.Tenant)
                    placements.Add(place);
            }
        }

        return placements;
    }

    private static bool IsAssignable(Entity group) => group.Attributes.TryGet(Assignable, out var value)
        && value.TryGet(out bool isAssignable) && isAssignable;

    /// <summary>At which all of a change is there that is there already.</summary>
    private long NewestOf(EntityChange change) =>
        change.Written.Select(w => state.TryGetPlace(w.Entity.Uid, out _, out var revision) ? revision : state.Revision)
            .DefaultIfEmpty(state.Revision).Max();

    private bool IsThere(Entity entity, Placement placement) =>
        PlaceOf(entity.Uid) == placement && state.Entities.TryGetEntity(entity.Uid, out var there) && there.SaysTheSameAs(entity);

    private Placement? PlaceOf(EntityUid uid) => state.TryGetPlace(uid, out var placement, out _) ? placement : null;
    private string? JsonOf(EntityUid uid) => state.Entities.TryGetEntity(uid, out var entity) ? entity.ToJson() : null;

    private async Task<IReadOnlyList<Fault>> CheckSchemasAsync(
        StoreContext context, EntityChange change, string? republished, CancellationToken cancellation)
    {
        var faults = new List<Fault>();
        foreach (var (application, schema) in (await schemas.InForceAsync(context, cancellation)).Where(s => s.Application != republished))
            faults.AddRange(SchemaSource.Check(change.Written.Where(w => w.Placement.IsFor(application)).Select(w => w.Entity), schema));

        return faults;
    }
}

/// <summary>What is to become of entities: those to be added or replaced, and those to be removed. None is named twice.</summary>
internal sealed record EntityChange(IReadOnlyList<(Entity Entity, Placement Placement)> Written, IReadOnlyList<EntityUid> Removed);
