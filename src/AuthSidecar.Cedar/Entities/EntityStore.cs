using System.Diagnostics.CodeAnalysis;

namespace AuthSidecar.Cedar;

/// <summary>A set of entities whose hierarchy has no cycle: membership is one lookup, however deep it runs.</summary>
/// <remarks>Immutable and safe to share between threads. An update makes a new store, which shares with the old one all that did not change.</remarks>
public sealed class EntityStore : EntitySource
{
    internal EntityStore(SharedUidMap<Entity> entities, SharedUidMap<EntityUid> groups, object hierarchy)
        : base(hierarchy)
    {
        (Map, Groups) = (entities, groups);
    }

    /// <summary>The store without entities.</summary>
    public static readonly EntityStore Empty = new(SharedUidMap<Entity>.Empty, SharedUidMap<EntityUid>.Empty, new object());

    /// <summary>How many entities there are.</summary>
    public int Count => Map.Count;

    /// <summary>The entities, in no particular order.</summary>
    public IEnumerable<Entity> Entities => Map.Values;

    internal SharedUidMap<Entity> Map { get; }

    /// <summary>Whatever is a parent, or was one before an update: what a change of its own parents is felt below of.</summary>
    internal SharedUidMap<EntityUid> Groups { get; }

    /// <inheritdoc/>
    public override bool TryGetEntity(EntityUid uid, [NotNullWhen(true)] out Entity? entity) => Map.TryGet(uid, out entity);

    internal override Entity? Find(EntityUid uid) => Map.TryGet(uid, out var entity) ? entity : null;

    /// <summary>
    /// Makes a uid of two strings that come from outside. That of an entity of the store is the store's own: nothing is allocated, and
    /// whatever is decided about it is decided a little faster.
    /// </summary>
    /// <returns>False when the type is not a Cedar name.</returns>
    public bool TryGetUid(string type, string id, [NotNullWhen(true)] out EntityUid? uid)
    {
        ArgumentNullException.ThrowIfNull(type);
        ArgumentNullException.ThrowIfNull(id);
        uid = Map.Find(type, id);
        return uid is not null || EntityUid.TryCreate(type, id, out uid);
    }

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
    public static bool TryParse(SourceText json, Schema? schema, [NotNullWhen(true)] out EntityStore? store, out IReadOnlyList<Fault> faults) =>
        Empty.TryUpdate(json, [], schema, out store, out faults);

    /// <summary>Makes a store with some entities added or replaced, which are read as <see cref="TryParse(SourceText, Schema?, out EntityStore?, out IReadOnlyList{Fault})"/> reads them, and others removed.</summary>
    /// <remarks>Takes time for what changes and what is above it, not for what is there.</remarks>
    /// <param name="json">The entities to add or replace.</param>
    /// <param name="removed">The entities to remove; those that are not there are passed over. One that is also given stays, as given.</param>
    /// <param name="schema">The schema that this store was read with.</param>
    /// <param name="updated">The new store.</param>
    /// <param name="faults">What is wrong, each at its place.</param>
    /// <returns>False when there are faults.</returns>
    public bool TryUpdate(SourceText json, IEnumerable<EntityUid> removed, Schema? schema, [NotNullWhen(true)] out EntityStore? updated, out IReadOnlyList<Fault> faults)
    {
        var found = new List<Fault>();
        faults = found;
        var given = EntityJson.Read(json, schema, found);
        updated = found.Count == 0 ? EntityStoreUpdate.Apply(this, given, removed, schema, json, found) : null;
        return updated is not null;
    }

    /// <summary>Makes a store with some entities added or replaced, and others removed.</summary>
    /// <remarks>Takes time for what changes and what is above it, not for what is there.</remarks>
    /// <param name="given">The entities to add or replace.</param>
    /// <param name="removed">The entities to remove; those that are not there are passed over. One that is also given stays, as given.</param>
    /// <param name="schema">The schema that this store was read with.</param>
    /// <param name="updated">The new store.</param>
    /// <param name="faults">What is wrong.</param>
    /// <returns>False when there are faults.</returns>
    public bool TryUpdate(IEnumerable<Entity> given, IEnumerable<EntityUid> removed, Schema? schema, [NotNullWhen(true)] out EntityStore? updated, out IReadOnlyList<Fault> faults)
    {
        var found = new List<Fault>();
        faults = found;
        // Each of its own: the caller may give the same entities to other stores, or such as were made over one.
        updated = EntityStoreUpdate.Apply(this, [.. given.Select(e => new GivenEntity(e.Forget(), Offset: 0))], removed, schema, source: null, found);
        return updated is not null;
    }
}
