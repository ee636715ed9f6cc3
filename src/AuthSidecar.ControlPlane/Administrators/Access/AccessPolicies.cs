using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.Revocations;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Administrators.Access;

/// <summary>Reads who may administer what from the store: the policies of our own application, the built-in ones when none are published,
/// and its entities.</summary>
internal sealed class AccessPolicies(ControlStore store, TimeProvider time) : IDisposable
{
    private readonly SemaphoreSlim _reading = new(1);
    private AsOf? _current;

    /// <summary>As of now: what another node has committed counts here before the next call.</summary>
    public async Task<AccessSnapshot> CurrentAsync(CancellationToken cancellation)
    {
        var head = await store.ReadAsync((_, head) => Task.FromResult(head), cancellation);
        if (Volatile.Read(ref _current) is { } known && known.Revision >= head)
            return known.Snapshot;

        await _reading.WaitAsync(cancellation);
        try
        {
            if (_current is not { } current || current.Revision < head)
            {
                current = await store.ReadAsync(
                    async (context, now) => new AsOf(now, await ReadAsync(context, cancellation)), cancellation);
                Volatile.Write(ref _current, current);
            }

            return current.Snapshot;
        }
        finally
        {
            _reading.Release();
        }
    }

    public void Dispose() => _reading.Dispose();

    private async Task<AccessSnapshot> ReadAsync(StoreContext context, CancellationToken cancellation)
    {
        var published = await context.Publications
            .Where(p => p.Application == Placement.ControlPlaneApplication && p.Type == DataType.Policies)
            .OrderByDescending(p => p.Revision)
            .Select(p => p.Documents)
            .FirstOrDefaultAsync(cancellation);
        var documents = published is null ? BuiltInPolicies.Documents : DocumentSet.Parser.ParseFrom(published).Documents;
        var schema = BuiltInPolicies.SchemaOf(Placement.ControlPlaneApplication, documents)!;

        // Placed here and nowhere else: what is for all applications is written by those who may not write here.
        var rows = await context.Entities.Where(e => e.Application == Placement.ControlPlaneApplication && e.Tenant == "" && !e.IsRemoved)
            .ToListAsync(cancellation);
        var json = EntityRows.ToJson(rows.Where(r => schema.EntityTypes.ContainsKey(r.Type)));
        if (!PolicyDocuments.TryRead(documents, out var policies, out var faults)
            || !EntityStore.TryParse(json, schema, out var entities, out faults))
        {
            throw new InvalidDataException($"failed to read the administration policies: {faults[0]}");
        }

        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var revocations = await context.Entries
            .Where(r => r.Type == DataType.Revocations && !r.IsRemoved && r.Application == Placement.ControlPlaneApplication
                && r.ExpiresAtMs > now)
            .ToListAsync(cancellation);
        return new AccessSnapshot(policies, entities, new Tokens.Revocations(revocations.Select(RevocationRecords.ToEntry)));
    }

    private sealed record AsOf(Revision Revision, AccessSnapshot Snapshot);
}
