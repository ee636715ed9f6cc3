using AuthSidecar.Common;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.V1;
using Microsoft.EntityFrameworkCore;

namespace AuthSidecar.ControlPlane.Resources;

/// <summary>Which resource: the type, what it is of its type, and whose sidecars have it.</summary>
internal readonly record struct ResourceKey(ResourceType Type, string Key, Placement Placement);

/// <summary>What is to become of a resource.</summary>
/// <param name="Json">As a bundle's documents have it; null: it goes.</param>
/// <param name="ExpiresAt">When it means nothing any more; null: never.</param>
internal sealed record ResourceChange(string? Json, DateTimeOffset? ExpiresAt = null);

/// <summary>Writes resources one by one.</summary>
internal sealed class ResourceWriter(ControlStore store)
{
    /// <summary>Changes a resource.</summary>
    /// <param name="actor">Who writes.</param>
    /// <param name="action">What is done, for the audit trail.</param>
    /// <param name="key">Which resource.</param>
    /// <param name="change">What is to become of what there is, which may be null; or why nothing is.</param>
    /// <param name="expectedRevision">The resource's, the default where there is none; null: whatever it is.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <param name="allow">What else has to hold of what there is, or why it does not.</param>
    public Task<WriteResult> WriteAsync(
        string actor,
        string action,
        ResourceKey key,
        Func<ResourceRow?, (ResourceChange? Change, Refusal? Refusal)> change,
        Revision? expectedRevision,
        CancellationToken cancellation,
        Func<StoreContext, ResourceRow?, Task<Refusal?>>? allow = null) => store.WriteAsync(
            actor,
            async transaction =>
            {
                var row = await Of(transaction.Context, key).SingleOrDefaultAsync(cancellation);
                var live = row is { IsRemoved: false } ? row : null;
                if (allow is not null && await allow(transaction.Context, live) is { } reason)
                {
                    return reason;
                }

                if (transaction.Expect(expectedRevision, live?.Revision ?? 0) is { } stale)
                {
                    return stale;
                }

                var (next, refusal) = change(live);
                if (next is null)
                {
                    return refusal;
                }

                if (live is not null && live.Json == next.Json && live.ExpiresAtMs == next.ExpiresAt?.ToUnixTimeMilliseconds())
                {
                    return new Refusal.NothingToDo(live.Revision);
                }

                transaction.Audit(action, key.Key, key.Placement, Audited(key.Type, live?.Json), Audited(key.Type, next.Json));
                Save(transaction, key, row, next);
                return null;
            },
            cancellation);

    /// <summary>Takes a resource away.</summary>
    /// <param name="actor">Who writes.</param>
    /// <param name="action">What is done, for the audit trail.</param>
    /// <param name="key">Which resource.</param>
    /// <param name="what">What it is, for whoever asks for one that is not there.</param>
    /// <param name="expectedRevision">The resource's; null: whatever it is.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <param name="allow">What else has to hold, or why it does not.</param>
    public Task<WriteResult> RemoveAsync(
        string actor, string action, ResourceKey key, string what, Revision? expectedRevision, CancellationToken cancellation, Func<StoreContext, ResourceRow?, Task<Refusal?>>? allow = null) => WriteAsync(
        actor,
        action,
        key,
        row => row is null ? (null, new Refusal.NotFound(what)) : (new ResourceChange(null), null),
        expectedRevision,
        cancellation,
        allow);

    /// <summary>Makes a change a part of a write that has others as well, and tells of it itself.</summary>
    public static async Task SaveAsync(StoreTransaction transaction, ResourceKey key, ResourceChange change, CancellationToken cancellation) =>
        Save(transaction, key, await Of(transaction.Context, key).SingleOrDefaultAsync(cancellation), change);

    /// <summary>One resource; null when there is none.</summary>
    public Task<ResourceRow?> FindAsync(ResourceKey key, CancellationToken cancellation) =>
        store.ReadAsync((context, _) => Of(context, key).SingleOrDefaultAsync(r => !r.IsRemoved, cancellation), cancellation);

    /// <summary>Some resources.</summary>
    public Task<List<ResourceRow>> ListAsync(Func<IQueryable<ResourceRow>, IQueryable<ResourceRow>> select, CancellationToken cancellation) =>
        store.ReadAsync((context, _) => select(context.Resources.Where(r => !r.IsRemoved)).ToListAsync(cancellation), cancellation);

    /// <summary>Makes a change to a row that was read in the transaction, null where there is none, a part of it.</summary>
    public static ResourceRow Save(StoreTransaction transaction, ResourceKey key, ResourceRow? row, ResourceChange change)
    {
        if (row is null)
        {
            row = new ResourceRow
            {
                Type = key.Type,
                Key = key.Key,
                Application = key.Placement.Application,
                Tenant = key.Placement.Tenant,
                Revision = 0,
                IsRemoved = false,
                Json = "",
            };
            transaction.Context.Resources.Add(row);
        }

        transaction.Touch(key.Placement);
        (row.Revision, row.IsRemoved, row.Json, row.ExpiresAtMs) = (transaction.Revision, change.Json is null, change.Json ?? "", change.ExpiresAt?.ToUnixTimeMilliseconds());
        return row;
    }

    /// <summary>What the audit trail says of a resource: never a secret.</summary>
    private static string? Audited(ResourceType type, string? json) => type == ResourceType.Factors && json is not null ? FactorRecords.Describe(json) : json;

    private static IQueryable<ResourceRow> Of(StoreContext context, ResourceKey key) => context.Resources.Where(r =>
        r.Type == key.Type && r.Key == key.Key && r.Application == key.Placement.Application && r.Tenant == key.Placement.Tenant);
}
