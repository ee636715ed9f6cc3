using System.Collections.Immutable;

namespace AuthSidecar.Bundles;

/// <summary>The entities of a snapshot: those that the schema knows, ready to decide with, and the others, in case a later schema
/// does.</summary>
/// <param name="Store">With the actions of the schema.</param>
/// <param name="Unseen">Of types that the schema does not have.</param>
/// <param name="Schema">The schema; null: none, and every entity is seen.</param>
internal sealed record EntitySet(EntityStore Store, ImmutableDictionary<EntityUid, Entity> Unseen, SchemaDocument? Schema)
{
    public static readonly EntitySet Empty = new(EntityStore.Empty, ImmutableDictionary<EntityUid, Entity>.Empty, Schema: null);

    /// <summary>With entities added or replaced, and others removed; null beside faults.</summary>
    public EntitySet? With(SourceText json, IReadOnlyCollection<EntityUid> removed, List<Fault> faults)
    {
        if (!Entity.TryParseAll(json, out var given, out var found))
        {
            faults.AddRange(found);
            return null;
        }

        return With(given, removed, faults);
    }

    /// <summary>The same entities under another schema; null beside faults.</summary>
    public EntitySet? WithSchema(SchemaDocument? schema, List<Fault> faults)
    {
        var all = Store.Entities.Concat(Unseen.Values);
        // The actions of the schema before are its own.
        var entities = Schema is null ? all : all.Where(e => !Schema.Schema.Actions.ContainsKey(e.Uid));
        return (Empty with { Schema = schema }).With([.. entities], [], faults);
    }

    private EntitySet? With(IReadOnlyList<Entity> given, IReadOnlyCollection<EntityUid> removed, List<Fault> faults)
    {
        var unseen = given.Where(e => !IsSeen(e.Uid)).ToList();
        if (!Store.TryUpdate(unseen.Count == 0 ? given : given.Where(e => IsSeen(e.Uid)), removed, Schema?.Schema, out var store,
            out var found))
        {
            faults.AddRange(found);
            return null;
        }

        return this with
        {
            Store = store,
            Unseen = Unseen.RemoveRange(removed).SetItems(unseen.Select(e => KeyValuePair.Create(e.Uid, e))),
        };
    }

    /// <summary>Whether a schema says something of an entity: the others are kept for one that does.</summary>
    public static bool IsSeen(EntityUid uid, Schema schema) => schema.EntityTypes.ContainsKey(uid.Type) || EntityType.IsAction(uid.Type);

    private bool IsSeen(EntityUid uid) => Schema is null || IsSeen(uid, Schema.Schema);
}
