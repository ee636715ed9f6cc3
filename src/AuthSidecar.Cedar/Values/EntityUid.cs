namespace AuthSidecar.Cedar;

/// <summary>The name of an entity: its type and its id, written <c>Namespace::Type::"id"</c>.</summary>
/// <remarks>Immutable; equality is ordinal on both parts. The hash is computed once, because every lookup wants it.</remarks>
public sealed class EntityUid : IEquatable<EntityUid>
{
    private readonly int _hash;

    /// <summary>Creates a uid.</summary>
    /// <param name="type">The type's full name, such as <c>Docs::User</c>; see <see cref="Cedar.EntityType.IsValid"/>.</param>
    /// <param name="id">The id: any string, empty included.</param>
    /// <exception cref="ArgumentException">The type is not a Cedar name.</exception>
    public EntityUid(string type, string id)
        : this(type, id, EntityType.IsValid(type))
    {
    }

    private EntityUid(string type, string id, bool typeIsValid)
    {
        if (!typeIsValid)
            throw new ArgumentException($"`{type}` is not an entity type name", nameof(type));

        ArgumentNullException.ThrowIfNull(id);
        Type = type;
        Id = id;
        _hash = NameHash.Of(type, id);
    }

    /// <summary>The type's full name.</summary>
    public string Type { get; }

    /// <summary>The id.</summary>
    public string Id { get; }

    /// <summary>A uid whose type the caller has checked already: the parser, or a table of known types.</summary>
    internal static EntityUid OfCheckedType(string type, string id) => new(type, id, typeIsValid: true);

    /// <summary>Makes a uid of two strings that come from outside.</summary>
    /// <returns>False when the type is not a Cedar name.</returns>
    public static bool TryCreate(string type, string id, [NotNullWhen(true)] out EntityUid? uid)
    {
        uid = type is not null && id is not null && EntityType.IsValid(type) ? new EntityUid(type, id, typeIsValid: true) : null;
        return uid is not null;
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Equals(EntityUid? other) => ReferenceEquals(this, other)
        || (other is not null && _hash == other._hash && IsNamed(other.Type, other.Id));

    /// <summary>Whether these are the type and the id.</summary>
    internal bool IsNamed(string type, string id) =>
        Id.AsSpan().SequenceEqual(id) && (ReferenceEquals(Type, type) || Type.AsSpan().SequenceEqual(type));

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as EntityUid);

    /// <inheritdoc/>
    public override int GetHashCode() => _hash;

    /// <summary>The uid in Cedar syntax.</summary>
    public override string ToString() => $"{Type}::{StringLiteral.Quote(Id)}";
}

/// <summary>Names of entity types: identifiers joined by <c>::</c>.</summary>
public static class EntityType
{
    /// <summary>Whether entities of this type are actions: its last component is <c>Action</c>.</summary>
    public static bool IsAction(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return string.Equals(name, "Action", StringComparison.Ordinal) || name.EndsWith("::Action", StringComparison.Ordinal);
    }

    /// <summary>Whether the text is a normalized type name: no white space, no reserved word, no component <c>__cedar</c>.</summary>
    public static bool IsValid(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var rest = name.AsSpan();
        while (true)
        {
            var end = rest.IndexOf("::", StringComparison.Ordinal);
            if (!Identifier.IsName(end < 0 ? rest : rest[..end]))
                return false;

            if (end < 0)
                return true;

            rest = rest[(end + 2)..];
        }
    }
}
