using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Directory;
using AuthSidecar.ControlPlane.Resources;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.V1;
using Microsoft.EntityFrameworkCore;

namespace AuthSidecar.ControlPlane.Sync;

/// <summary>A bundle before it is signed.</summary>
/// <param name="Type">The type.</param>
/// <param name="Revision">That of the newest change in it.</param>
/// <param name="BaseRevision">What it changes; 0: it is everything.</param>
/// <param name="Documents">By path.</param>
/// <param name="Removed">Uids of what is gone.</param>
internal sealed record BundleDraft(ResourceType Type, long Revision, long BaseRevision, IReadOnlyDictionary<string, byte[]> Documents, IReadOnlyList<string> Removed);

/// <summary>Reads from the store what a sidecar lacks of each type: what concerns its application and tenant, and is newer than what it has.</summary>
internal sealed class DraftReader(ResourceDocuments documents, TimeProvider time)
{
    /// <summary>When more than this is gone, everything that is left is told instead: a bundle is one message.</summary>
    private const int MaxRemoved = 10_000;

    /// <summary>So many changed entities are read at once.</summary>
    private const int Few = 2_000;

    /// <summary>For how long removals are known at least: whoever has heard nothing for longer gets everything.</summary>
    public static readonly TimeSpan ChangesFor = TimeSpan.FromDays(30);

    /// <param name="context">The store, of one moment.</param>
    /// <param name="scope">Whom it is for.</param>
    /// <param name="held">What the sidecar has. Of what it has of another history it gets everything; where there is nothing, that there is nothing.</param>
    /// <param name="head">The newest revision of all.</param>
    public async Task<List<BundleDraft>> ReadAsync(StoreContext context, SyncScope scope, HeldRevisions held, long head)
    {
        var drafts = new List<BundleDraft>();
        foreach (var type in HeldRevisions.Types)
        {
            var since = Math.Max(0, held[type]);
            var draft = type switch
            {
                ResourceType.Policies => await ReadPoliciesAsync(context, scope, since),
                ResourceType.Entities => await ReadEntitiesAsync(context, scope, since),
                _ => await ReadResourcesAsync(context, scope, type, since),
            };
            draft ??= held[type] == HeldRevisions.OfAnotherHistory ? Nothing(type, scope, head) : null;
            if (draft is not null)
            {
                drafts.Add(draft);
            }
        }

        return drafts;
    }

    private BundleDraft Nothing(ResourceType type, SyncScope scope, long head) => new(
        type,
        head,
        BaseRevision: 0,
        type switch
        {
            ResourceType.Policies => new Dictionary<string, byte[]>(),
            ResourceType.Entities => new Dictionary<string, byte[]> { [EntityRows.Document] = EntityRows.ToJson([]).Utf8.ToArray() },
            _ => documents.Of(type, scope.Application, []),
        },
        Removed: []);

    /// <summary>Whether anything of a type changed since; where something did and was forgotten, something newer is there.</summary>
    public static Task<bool> HasChangedAsync(StoreContext context, SyncScope scope, ResourceType type, long since, CancellationToken cancellation) => type == ResourceType.Entities
        ? EntitiesOf(context, scope).AnyAsync(e => e.Revision > since, cancellation)
        : ResourcesOf(context, scope, type).AnyAsync(r => r.Revision > since, cancellation);

    /// <summary>The newest publication; null when the sidecar has it, or there is none.</summary>
    private static async Task<BundleDraft?> ReadPoliciesAsync(StoreContext context, SyncScope scope, long since)
    {
        var newest = await context.Publications
            .Where(p => p.Application == scope.Application && p.Type == ResourceType.Policies)
            .OrderByDescending(p => p.Revision)
            .FirstOrDefaultAsync();
        return newest is null || newest.Revision == since ? null : new BundleDraft(
            ResourceType.Policies,
            newest.Revision,
            BaseRevision: 0,
            DocumentSet.Parser.ParseFrom(newest.Documents).Documents.ToDictionary(d => d.Path, d => d.Content.ToByteArray(), StringComparer.Ordinal),
            Removed: []);
    }

    /// <summary>The entities that changed since, or all of them; null when none did.</summary>
    private static async Task<BundleDraft?> ReadEntitiesAsync(StoreContext context, SyncScope scope, long since)
    {
        var changed = EntitiesOf(context, scope).Where(e => e.Revision > since);
        // Mostly a few: one query. All of them, or very many, are read one after the other, since there may be more than there is memory for.
        if (since > 0 && await changed.Take(Few + 1).ToListAsync() is { Count: <= Few } rows)
        {
            return rows.Count == 0 ? null : new BundleDraft(
                ResourceType.Entities,
                rows.Max(r => r.Revision),
                since,
                new Dictionary<string, byte[]> { [EntityRows.Document] = EntityRows.ToJson(rows.Where(r => !r.IsRemoved)).Utf8.ToArray() },
                [.. EntityRows.Gone(rows).Select(u => u.ToString())]);
        }

        if (await changed.MaxAsync(e => (long?)e.Revision) is not { } newest)
        {
            return null;
        }

        // An entity may have gone from one placement and come to another.
        var gone = since == 0 ? [] : await changed.Where(e => e.IsRemoved).Select(e => new { e.Type, e.Id }).Distinct().ToListAsync();
        if (gone.Count > MaxRemoved)
        {
            return await ReadEntitiesAsync(context, scope, since: 0);
        }

        var there = gone.Count == 0 ? [] : (await changed.Where(e => !e.IsRemoved).Select(e => new { e.Type, e.Id }).ToListAsync()).ToHashSet();
        return new BundleDraft(
            ResourceType.Entities,
            newest,
            since,
            new Dictionary<string, byte[]> { [EntityRows.Document] = await EntityRows.ToJsonAsync(changed.Where(e => !e.IsRemoved).Select(e => e.Json).AsAsyncEnumerable()) },
            [.. gone.Where(u => !there.Contains(u)).Select(u => new EntityUid(u.Type, u.Id).ToString())]);
    }

    /// <summary>The resources of a type that changed since; null when none did.</summary>
    private async Task<BundleDraft?> ReadResourcesAsync(StoreContext context, SyncScope scope, ResourceType type, long since)
    {
        var ours = ResourcesOf(context, scope, type);
        var changed = await ours.Where(r => r.Revision > since).Select(r => new { r.Key, r.Revision, r.IsRemoved }).ToListAsync();
        if (changed.Count == 0)
        {
            return null;
        }

        // Keys are few and come in full. Of what has changed, everything is told: a subject may have second factors here and for all applications.
        // Of revocations a change says nothing of those that were removed, which is seldom.
        var isChange = since > 0 && type != ResourceType.Keys && !(type == ResourceType.Revocations && changed.Exists(c => c.IsRemoved));
        var (keys, now) = (changed.Select(c => c.Key).Distinct().ToList(), time.GetUtcNow().ToUnixTimeMilliseconds());
        var live = await (isChange ? ours.Where(r => keys.Contains(r.Key)) : ours)
            .Where(r => !r.IsRemoved && (r.ExpiresAtMs == null || r.ExpiresAtMs > now))
            // The more particular comes first.
            .OrderByDescending(r => r.Application).ThenByDescending(r => r.Tenant).ThenBy(r => r.Key)
            .ToListAsync();
        // A revocation ends by itself, here as there.
        List<string> removed = isChange && type != ResourceType.Revocations ? [.. keys.Except(live.Select(r => r.Key))] : [];
        return removed.Count > MaxRemoved
            ? await ReadResourcesAsync(context, scope, type, since: 0)
            : new BundleDraft(type, changed.Max(c => c.Revision), isChange ? since : 0, documents.Of(type, scope.Application, live), removed);
    }

    private static IQueryable<EntityRow> EntitiesOf(StoreContext context, SyncScope scope) => context.Entities.Where(e =>
        (e.Application == "" || e.Application == scope.Application) && (scope.Tenant == "" || e.Tenant == "" || e.Tenant == scope.Tenant));

    private static IQueryable<ResourceRow> ResourcesOf(StoreContext context, SyncScope scope, ResourceType type) => context.Resources.Where(r =>
        r.Type == type && (r.Application == "" || r.Application == scope.Application) && (scope.Tenant == "" || r.Tenant == "" || r.Tenant == scope.Tenant));
}
