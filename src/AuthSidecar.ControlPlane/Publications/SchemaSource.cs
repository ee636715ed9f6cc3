using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Publications;

/// <summary>The schemas in force, which entities are held against before they are stored.</summary>
/// <remarks>INVARIANT: asked only by a write that has taken its revision.</remarks>
internal sealed class SchemaSource
{
    private readonly Dictionary<string, (long Revision, Schema? Schema)> _known = new(StringComparer.Ordinal)
    {
        [Placement.ControlPlaneApplication] = (0, BuiltInPolicies.Schema),
    };

    public async Task<List<(string Application, Schema Schema)>> InForceAsync(StoreContext context, CancellationToken cancellation)
    {
        var newest = await context.Publications
            .Where(p => p.Type == DataType.Policies)
            .GroupBy(p => p.Application)
            .Select(g => new { Application = g.Key, Revision = g.Max(p => p.Revision) })
            .ToListAsync(cancellation);
        foreach (var publication in newest.Where(n => !_known.TryGetValue(n.Application, out var known) || known.Revision != n.Revision))
        {
            var documents = await context.Publications
                .Where(p => p.Type == DataType.Policies && p.Application == publication.Application && p.Revision == publication.Revision)
                .Select(p => p.Documents)
                .SingleAsync(cancellation);
            _known[publication.Application] = (publication.Revision,
                BuiltInPolicies.SchemaOf(publication.Application, DocumentSet.Parser.ParseFrom(documents).Documents));
        }

        return [.. _known.Where(k => k.Value.Schema is not null).Select(k => (k.Key, k.Value.Schema!))];
    }

    /// <summary>What a sidecar with this schema would refuse of these entities. Those of types that the schema does not have are none of
    /// its business, and it does not get them.</summary>
    public static IReadOnlyList<Fault> Check(IEnumerable<Entity> entities, Schema schema) =>
        EntityStore.Empty.TryUpdate(entities.Where(e => EntitySet.IsSeen(e.Uid, schema)), [], schema, out _, out var faults) ? [] : faults;
}
