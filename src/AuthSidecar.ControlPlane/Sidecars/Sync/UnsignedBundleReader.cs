using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.Sidecars.Fleet;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Sidecars.Sync;

/// <summary>A bundle before it is signed.</summary>
/// <param name="Revision">That of the newest change in it.</param>
/// <param name="BaseRevision">What it changes; 0: it is everything.</param>
/// <param name="Documents">By path.</param>
/// <param name="Removed">Uids of what is gone.</param>
internal sealed record UnsignedBundle(
    DataType Type, long Revision, long BaseRevision, IReadOnlyDictionary<string, byte[]> Documents, IReadOnlyList<string> Removed);

/// <summary>Reads from the store what a sidecar lacks of each type: what concerns its application and tenant, and is newer than what it
/// has.</summary>
internal sealed class UnsignedBundleReader(SecretStore secrets, TimeProvider time)
{
    /// <summary>When more than this is gone, everything that is left is told instead: a bundle is one message.</summary>
    private const int MaxRemoved = 10_000;

    /// <summary>So many changed entities are read at once.</summary>
    private const int Few = 2_000;

    /// <summary>For how long removals are known at least: whoever has heard nothing for longer gets everything.</summary>
    public static readonly TimeSpan ChangesFor = TimeSpan.FromDays(30);

    /// <param name="context">The store, of one moment.</param>
    /// <param name="placement">Whom it is for.</param>
    /// <param name="held">What the sidecar has. Of what it has of another history it gets everything; where there is nothing, that there is
    /// nothing.</param>
    /// <param name="head">The newest revision of all.</param>
    public async Task<List<UnsignedBundle>> ReadAsync(StoreContext context, Placement placement, RevisionVector held, long head)
    {
        var found = new List<UnsignedBundle>();
        foreach (var type in RevisionVector.Types)
        {
            var since = Math.Max(0, held[type]);
            var unsigned = type switch
            {
                DataType.Policies => await ReadPoliciesAsync(context, placement, since),
                DataType.Entities => await ReadEntitiesAsync(context, placement, since),
                _ => await ReadEntriesAsync(context, placement, type, since),
            };
            unsigned ??= held[type] == RevisionVector.OfAnotherHistory ? Nothing(type, placement, head) : null;
            if (unsigned is not null)
                found.Add(unsigned);
        }

        return found;
    }

    private UnsignedBundle Nothing(DataType type, Placement placement, long head) => new(
        type,
        head,
        BaseRevision: 0,
        type switch
        {
            DataType.Policies => new Dictionary<string, byte[]>(),
            DataType.Entities => new Dictionary<string, byte[]> { [EntitiesFile.FileName] = EntityRows.ToJson([]).Utf8.ToArray() },
            _ => Write(type, placement, []),
        },
        Removed: []);

    /// <summary>Whether anything of a type changed since; where something did and was forgotten, something newer is there.</summary>
    public static Task<bool> HasChangedAsync(StoreContext context, Placement placement, DataType type, long since,
        CancellationToken cancellation) => type == DataType.Entities
        ? EntitiesOf(context, placement).AnyAsync(e => e.Revision > since, cancellation)
        : RowsOf(context, placement, type).AnyAsync(r => r.Revision > since, cancellation);

    /// <summary>The newest publication; null when the sidecar has it, or there is none.</summary>
    private static async Task<UnsignedBundle?> ReadPoliciesAsync(StoreContext context, Placement placement, long since)
    {
        var newest = await context.Publications
            .Where(p => p.Application == placement.Application && p.Type == DataType.Policies)
            .OrderByDescending(p => p.Revision)
            .FirstOrDefaultAsync();
        return newest is null || newest.Revision == since ? null : new UnsignedBundle(
            DataType.Policies,
            newest.Revision,
            BaseRevision: 0,
            DocumentSet.Parser.ParseFrom(newest.Documents).Documents
                .ToDictionary(d => d.Path, d => d.Content.ToByteArray(), StringComparer.Ordinal),
            Removed: []);
    }

    /// <summary>The entities that changed since, or all of them; null when none did.</summary>
    private static async Task<UnsignedBundle?> ReadEntitiesAsync(StoreContext context, Placement placement, long since)
    {
        var changed = EntitiesOf(context, placement).Where(e => e.Revision > since);
        // Mostly a few: one query. All of them, or very many, are read one after the other, since there may be more than there is memory
        // for.
        if (since > 0 && await changed.Take(Few + 1).ToListAsync() is { Count: <= Few } rows)
        {
            return rows.Count == 0 ? null : new UnsignedBundle(
                DataType.Entities,
                rows.Max(r => r.Revision),
                since,
                new Dictionary<string, byte[]>
                {
                    [EntitiesFile.FileName] = EntityRows.ToJson(rows.Where(r => !r.IsRemoved)).Utf8.ToArray(),
                },
                [.. EntityRows.Gone(rows).Select(u => u.ToString())]);
        }

        if (await changed.MaxAsync(e => (long?)e.Revision) is not { } newest)
            return null;

        // An entity may have gone from one placement and come to another.
        var gone = since == 0 ? [] : await changed.Where(e => e.IsRemoved).Select(e => new { e.Type, e.Id }).Distinct().ToListAsync();
        if (gone.Count > MaxRemoved)
            return await ReadEntitiesAsync(context, placement, since: 0);

        var there = gone.Count == 0 ? []
            : (await changed.Where(e => !e.IsRemoved).Select(e => new { e.Type, e.Id }).ToListAsync()).ToHashSet();
        return new UnsignedBundle(
            DataType.Entities,
            newest,
            since,
            new Dictionary<string, byte[]>
            {
                [EntitiesFile.FileName] = await EntityRows.ToJsonAsync(
                    changed.Where(e => !e.IsRemoved).Select(e => e.Json).AsAsyncEnumerable()),
            },
            [.. gone.Where(u => !there.Contains(u)).Select(u => new EntityUid(u.Type, u.Id).ToString())]);
    }

    /// <summary>The resources of a type that changed since; null when none did.</summary>
    private async Task<UnsignedBundle?> ReadEntriesAsync(StoreContext context, Placement placement, DataType type, long since)
    {
        var ours = RowsOf(context, placement, type);
        var changed = await ours.Where(r => r.Revision > since).Select(r => new { r.Key, r.Revision, r.IsRemoved }).ToListAsync();
        if (changed.Count == 0)
            return null;

        // Of what has changed, everything is sent: a subject may have second factors here and for all applications.
        var entries = EntriesOf(type);
        var isChange = since > 0 && entries.AllowsDelta(changed.Exists(c => c.IsRemoved));
        var (keys, now) = (changed.Select(c => c.Key).Distinct().ToList(), time.GetUtcNow().ToUnixTimeMilliseconds());
        var live = await (isChange ? ours.Where(r => keys.Contains(r.Key)) : ours)
            .Where(r => !r.IsRemoved && (r.ExpiresAtMs == null || r.ExpiresAtMs > now))
            // The more particular comes first.
            .OrderByDescending(r => r.Application).ThenByDescending(r => r.Tenant).ThenBy(r => r.Key)
            .ToListAsync();
        List<string> removed = isChange && entries.NamesRemoved ? [.. keys.Except(live.Select(r => r.Key))] : [];
        return removed.Count > MaxRemoved
            ? await ReadEntriesAsync(context, placement, type, since: 0)
            : new UnsignedBundle(type, changed.Max(c => c.Revision), isChange ? since : 0, Write(type, placement, live), removed);
    }

    private static IEntryData EntriesOf(DataType type) => (IEntryData)DataTypes.Find((int)type)!;

    private Dictionary<string, byte[]> Write(DataType type, Placement placement, IEnumerable<EntryRow> rows) =>
        EntriesOf(type).Write([.. rows.Select(r => new DataEntry(r.Key, r.Json))], placement.Application, secrets.FactorWrappingKey);

    private static IQueryable<EntityRow> EntitiesOf(StoreContext context, Placement placement) => context.Entities.Where(e =>
        (e.Application == "" || e.Application == placement.Application)
            && (placement.Tenant == "" || e.Tenant == "" || e.Tenant == placement.Tenant));

    private static IQueryable<EntryRow> RowsOf(StoreContext context, Placement placement, DataType type) => context.Entries.Where(r =>
        r.Type == type && (r.Application == "" || r.Application == placement.Application)
            && (placement.Tenant == "" || r.Tenant == "" || r.Tenant == placement.Tenant));
}
