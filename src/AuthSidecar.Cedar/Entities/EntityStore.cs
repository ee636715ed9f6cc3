namespace AuthSidecar.Cedar;

/// <summary>A set of entities whose hierarchy has no cycle: membership is one lookup, however deep it runs.</summary>
/// <remarks>Immutable and safe to share between threads. An update makes a new store, which shares with the old one all that did not
/// change.</remarks>
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

    /// <summary>Makes a uid of two strings that come from outside. That of an entity of the store is the store's own: nothing is allocated,
    /// and whatever is decided about it is decided a little faster.</summary>
    /// <returns>False when the type is not a Cedar name.</returns>
    public bool TryGetUid(string type, string id, [NotNullWhen(true)] out EntityUid? uid)
    {
        ArgumentNullException.ThrowIfNull(type);
        ArgumentNullException.ThrowIfNull(id);
        uid = Map.Find(type, id);
        return uid is not null || EntityUid.TryCreate(type, id, out uid);
    }
}
