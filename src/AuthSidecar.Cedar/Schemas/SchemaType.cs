namespace AuthSidecar.Cedar;

/// <summary>The type of an attribute, a tag or a context, with all names resolved.</summary>
public abstract record SchemaType
{
    private SchemaType()
    {
    }

    /// <summary><c>Bool</c>.</summary>
    public static readonly SchemaType Bool = new Primitive(ValueKind.Bool);

    /// <summary><c>Long</c>.</summary>
    public static readonly SchemaType Long = new Primitive(ValueKind.Long);

    /// <summary><c>String</c>.</summary>
    public static readonly SchemaType String = new Primitive(ValueKind.String);

    /// <summary>A type without parts: <c>Bool</c>, <c>Long</c>, <c>String</c> and the extension types.</summary>
    /// <param name="Kind">The kind of its values.</param>
    public sealed record Primitive(ValueKind Kind) : SchemaType;

    /// <summary>A set of elements of one type.</summary>
    /// <param name="Element">The type of the elements.</param>
    public sealed record Set(SchemaType Element) : SchemaType;

    /// <summary>A record.</summary>
    /// <param name="Attributes">Its attributes by name.</param>
    public sealed record Record(FrozenDictionary<string, SchemaAttribute> Attributes) : SchemaType
    {
        /// <summary>The record without attributes.</summary>
        public static readonly Record Empty = new(FrozenDictionary<string, SchemaAttribute>.Empty);

        // Derived from the attributes when it is first asked for, and no part of what the type is; made twice it does no harm.
        private RecordShape? _shape;

        internal RecordShape Shape => _shape is { } made && ReferenceEquals(made.Attributes, Attributes) ? made
            : _shape = new RecordShape(Attributes);

        /// <inheritdoc/>
        public bool Equals(Record? other) => other is not null && Attributes.Equals(other.Attributes);

        /// <inheritdoc/>
        public override int GetHashCode() => Attributes.GetHashCode();
    }

    /// <summary>A reference to an entity of one type.</summary>
    /// <param name="Type">The entity type's full name.</param>
    public sealed record Entity(string Type) : SchemaType;
}

/// <summary>An attribute of a record.</summary>
/// <param name="Type">Its type.</param>
/// <param name="IsRequired">Whether it is always there.</param>
public sealed record SchemaAttribute(SchemaType Type, bool IsRequired);

/// <summary>The attributes of a record type in the order of their names, in which the fields of records are as well: to compare them is to
/// walk along both.</summary>
internal sealed class RecordShape
{
    private readonly string[] _names;
    private readonly SchemaAttribute[] _inOrder;

    public RecordShape(FrozenDictionary<string, SchemaAttribute> attributes)
    {
        Attributes = attributes;
        _names = [.. attributes.Keys.Order(StringComparer.Ordinal)];
        _inOrder = [.. _names.Select(n => attributes[n])];
    }

    public FrozenDictionary<string, SchemaAttribute> Attributes { get; }

    /// <summary>Whether a record has all required attributes and no others than these, each of its type.</summary>
    public bool Conforms(Schema schema, ValueRecord record)
    {
        var at = 0;
        foreach (ref readonly var field in record.Fields)
        {
            while (at < _names.Length && !string.Equals(_names[at], field.Key, StringComparison.Ordinal))
            {
                if (_inOrder[at++].IsRequired)
                    return false;
            }

            if (at == _names.Length || !Conformance.Conforms(schema, field.Value, _inOrder[at++].Type))
                return false;
        }

        while (at < _names.Length)
        {
            if (_inOrder[at++].IsRequired)
                return false;
        }

        return true;
    }
}

/// <summary>The types that every schema has, which any namespace may name, and <c>__cedar::</c> always does.</summary>
internal static class BuiltInTypes
{
    public const string Namespace = "__cedar::";

    private static readonly FrozenDictionary<string, SchemaType> ByName = new Dictionary<string, SchemaType>
    {
        ["Bool"] = SchemaType.Bool,
        ["Long"] = SchemaType.Long,
        ["String"] = SchemaType.String,
        ["decimal"] = new SchemaType.Primitive(ValueKind.Decimal),
        ["ipaddr"] = new SchemaType.Primitive(ValueKind.IpAddr),
        ["datetime"] = new SchemaType.Primitive(ValueKind.Datetime),
        ["duration"] = new SchemaType.Primitive(ValueKind.Duration),
    }.ToFrozenDictionary(StringComparer.Ordinal);

    public static IEnumerable<string> Names => ByName.Keys;
    public static SchemaType? Find(string name) => ByName.GetValueOrDefault(name);
}
