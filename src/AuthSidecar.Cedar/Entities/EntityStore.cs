using System.Diagnostics.CodeAnalysis;

namespace AuthSidecar.Cedar;

/// <summary>A set of entities whose hierarchy is closed: membership is one lookup, however deep it runs.</summary>
/// <remarks>Immutable and safe to share between threads.</remarks>
public sealed class EntityStore : IEntitySource
{
    private readonly Dictionary<EntityUid, Entity> _entities;

    private EntityStore(Dictionary<EntityUid, Entity> entities) => _entities = entities;

    /// <summary>The store without entities.</summary>
    public static readonly EntityStore Empty = new([]);

    /// <summary>How many entities there are.</summary>
    public int Count => _entities.Count;

    /// <summary>The entities, in no particular order.</summary>
    public IEnumerable<Entity> Entities => _entities.Values;

    /// <inheritdoc/>
    public bool TryGetEntity(EntityUid uid, [NotNullWhen(true)] out Entity? entity) => _entities.TryGetValue(uid, out entity);

    /// <summary>
    /// Reads Cedar's JSON format: an array of <c>{"uid", "attrs", "parents", "tags"?}</c>. An entity may occur twice only if it says
    /// the same both times; a hierarchy with a cycle is refused.
    /// </summary>
    /// <returns>False with the faults, each at its place.</returns>
    public static bool TryParse(SourceText json, [NotNullWhen(true)] out EntityStore? store, out IReadOnlyList<Fault> faults) =>
        TryParse(json, schema: null, out store, out faults);

    /// <summary>
    /// Reads entities that conform to a schema. What the schema says need not be said again: an entity reference may be written
    /// <c>{"type", "id"}</c> and an extension value as a string. The actions are the schema's; those that are given too must be the same.
    /// </summary>
    /// <param name="json">The entities.</param>
    /// <param name="schema">The schema; null: any entity will do.</param>
    /// <param name="store">The entities.</param>
    /// <param name="faults">What is wrong, each at its place.</param>
    /// <returns>False when there are faults.</returns>
    public static bool TryParse(SourceText json, Schema? schema, [NotNullWhen(true)] out EntityStore? store, out IReadOnlyList<Fault> faults)
    {
        var found = new List<Fault>();
        faults = found;
        store = null;
        var declarations = EntityJson.Read(json, schema, found);
        if (found.Count == 0)
        {
            store = Build(json, declarations, schema, found);
        }

        return store is not null;
    }

    private static EntityStore? Build(SourceText source, List<EntityDeclaration> declarations, Schema? schema, List<Fault> faults)
    {
        var byUid = new Dictionary<EntityUid, EntityDeclaration>(declarations.Count);
        foreach (var declaration in declarations)
        {
            if (!byUid.TryAdd(declaration.Uid, declaration) && !byUid[declaration.Uid].SaysTheSameAs(declaration))
            {
                faults.Add(Fault.At(source, declaration.Offset, $"the entity `{declaration.Uid}` is given twice, differently", "keep one"));
            }
        }

        foreach (var action in schema?.Actions.Values ?? [])
        {
            byUid.TryAdd(action.Uid, new EntityDeclaration(action.Uid, ValueRecord.Empty, ValueRecord.Empty, [.. action.MemberOf], Offset: 0));
        }

        var entities = new Dictionary<EntityUid, Entity>(byUid.Count);
        foreach (var declaration in byUid.Values)
        {
            if (!TryAddWithAncestors(declaration, byUid, entities, out var cycle))
            {
                faults.Add(Fault.At(source, cycle.Offset, $"the entity `{cycle.Uid}` is a member of itself, directly or through its parents", "take one of these parents away"));
                return null;
            }
        }

        if (schema is not null)
        {
            var conformance = new Conformance(schema);
            foreach (var entity in entities.Values)
            {
                if (conformance.Check(entity) is { } mismatch)
                {
                    faults.Add(Fault.At(source, byUid[entity.Uid].Offset, $"`{entity.Uid}` does not conform to the schema: {mismatch}"));
                }
            }
        }

        return faults.Count == 0 ? new EntityStore(entities) : null;
    }

    /// <summary>Adds an entity after everything above it: depth first, on a stack of our own, since chains may be of any length.</summary>
    private static bool TryAddWithAncestors(
        EntityDeclaration start,
        Dictionary<EntityUid, EntityDeclaration> declarations,
        Dictionary<EntityUid, Entity> done,
        [NotNullWhen(false)] out EntityDeclaration? cycle)
    {
        cycle = null;
        var path = new Stack<(EntityDeclaration Declaration, int NextParent)>();
        var onPath = new HashSet<EntityUid>();
        path.Push((start, 0));
        onPath.Add(start.Uid);
        while (path.TryPop(out var top))
        {
            var (declaration, next) = top;
            if (done.ContainsKey(declaration.Uid))
            {
                onPath.Remove(declaration.Uid);
                continue;
            }

            if (next == declaration.Parents.Length)
            {
                done.Add(declaration.Uid, new Entity(declaration.Uid, declaration.Attributes, declaration.Tags, declaration.Parents, AncestorsOf(declaration, done)));
                onPath.Remove(declaration.Uid);
                continue;
            }

            path.Push((declaration, next + 1));
            var parent = declaration.Parents[next];
            if (!declarations.TryGetValue(parent, out var parentDeclaration) || done.ContainsKey(parent))
            {
                continue;
            }

            if (!onPath.Add(parent))
            {
                cycle = parentDeclaration;
                return false;
            }

            path.Push((parentDeclaration, 0));
        }

        return true;
    }

    private static UidSet AncestorsOf(EntityDeclaration declaration, Dictionary<EntityUid, Entity> done)
    {
        var ancestors = new HashSet<EntityUid>();
        foreach (var parent in declaration.Parents)
        {
            ancestors.Add(parent);
            if (done.TryGetValue(parent, out var entity))
            {
                ancestors.UnionWith(entity.Ancestors);
            }
        }

        return UidSet.Of(ancestors);
    }
}

/// <summary>An entity as it was given, before the hierarchy is closed.</summary>
internal sealed record EntityDeclaration(EntityUid Uid, ValueRecord Attributes, ValueRecord Tags, EntityUid[] Parents, int Offset)
{
    public bool SaysTheSameAs(EntityDeclaration other) =>
        Attributes.Equals(other.Attributes) && Tags.Equals(other.Tags) && Parents.ToHashSet().SetEquals(other.Parents);
}
