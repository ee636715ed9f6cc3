namespace AuthSidecar.ControlPlane.Store;

/// <summary>Which resource: the type, what it is of its type, and whose sidecars have it.</summary>
internal readonly record struct EntryKey(DataType Type, string Key, Placement Placement);

/// <summary>What is to become of a resource.</summary>
/// <param name="Json">As a bundle's documents have it; null: it goes.</param>
/// <param name="ExpiresAt">When it means nothing any more; null: never.</param>
internal sealed record EntryChange(string? Json, DateTimeOffset? ExpiresAt = null);

/// <summary>Writes resources one by one.</summary>
internal sealed class EntryWriter(ControlStore store)
{
    /// <summary>Changes a resource.</summary>
    /// <param name="actor">Who writes.</param>
    /// <param name="action">What is done, for the audit trail.</param>
    /// <param name="key">Which resource.</param>
    /// <param name="change">What is to become of what there is, which may be null; or why nothing is.</param>
    /// <param name="expectedRevision">The resource's, the default where there is none; null: whatever it is.</param>
    /// <param name="allow">What else has to hold of what there is, or why it does not.</param>
    public Task<WriteResult> WriteAsync(
        string actor,
        string action,
        EntryKey key,
        Func<EntryRow?, (EntryChange? Change, Refusal? Refusal)> change,
        Revision? expectedRevision,
        CancellationToken cancellation,
        Func<StoreContext, EntryRow?, Task<Refusal?>>? allow = null) => store.WriteAsync(
            actor,
            async transaction =>
            {
                var row = await Of(transaction.Context, key).SingleOrDefaultAsync(cancellation);
                var live = row is { IsRemoved: false } ? row : null;
                if (allow is not null && await allow(transaction.Context, live) is { } reason)
                    return reason;

                if (transaction.Expect(expectedRevision, live?.Revision ?? 0) is { } stale)
                    return stale;

                var (next, refusal) = change(live);
                if (next is null)
                    return refusal;

                if (live is not null && live.Json == next.Json && live.ExpiresAtMs == next.ExpiresAt?.ToUnixTimeMilliseconds())
                    return new Refusal.NothingToDo(live.Revision);

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
    /// <param name="allow">What else has to hold, or why it does not.</param>
    public Task<WriteResult> RemoveAsync(
        string actor, string action, EntryKey key, string what, Revision? expectedRevision, CancellationToken cancellation,
        Func<StoreContext, EntryRow?, Task<Refusal?>>? allow = null) =>
        WriteAsync(
            actor,
            action,
            key,
            row => row is null ? (null, new Refusal.NotFound(what)) : (new EntryChange(null), null),
            expectedRevision,
            cancellation,
            allow);

    /// <summary>Makes a change a part of a write that has others as well, and tells of it itself.</summary>
    public static async Task SaveAsync(StoreTransaction transaction, EntryKey key, EntryChange change, CancellationToken cancellation) =>
        Save(transaction, key, await Of(transaction.Context, key).SingleOrDefaultAsync(cancellation), change);

    /// <summary>One resource; null when there is none.</summary>
    public Task<EntryRow?> FindAsync(EntryKey key, CancellationToken cancellation) =>
        store.ReadAsync((context, _) => Of(context, key).SingleOrDefaultAsync(r => !r.IsRemoved, cancellation), cancellation);

    /// <summary>Some resources.</summary>
    public Task<List<EntryRow>> ListAsync(Func<IQueryable<EntryRow>, IQueryable<EntryRow>> select, CancellationToken cancellation) =>
        store.ReadAsync((context, _) => select(context.Entries.Where(r => !r.IsRemoved)).ToListAsync(cancellation), cancellation);

    /// <summary>Makes a change to a row that was read in the transaction, null where there is none, a part of it.</summary>
    public static EntryRow Save(StoreTransaction transaction, EntryKey key, EntryRow? row, EntryChange change)
    {
        if (row is null)
        {
            row = new EntryRow
            {
                Type = key.Type,
                Key = key.Key,
                Application = key.Placement.Application,
                Tenant = key.Placement.Tenant,
                Revision = 0,
                IsRemoved = false,
                Json = "",
            };
            transaction.Context.Entries.Add(row);
        }

        transaction.Touch(key.Placement);
        (row.Revision, row.IsRemoved, row.Json, row.ExpiresAtMs) = (transaction.Revision, change.Json is null, change.Json ?? "",
            change.ExpiresAt?.ToUnixTimeMilliseconds());
        return row;
    }

    /// <summary>What the audit trail says of a resource: never a secret.</summary>
    private static string? Audited(DataType type, string? json) => json is not null && DataTypes.Find((int)type) is IEntryData entries
        ? entries.Describe(json) : json;

    private static IQueryable<EntryRow> Of(StoreContext context, EntryKey key) => context.Entries.Where(r =>
        r.Type == key.Type && r.Key == key.Key && r.Application == key.Placement.Application && r.Tenant == key.Placement.Tenant);
}
