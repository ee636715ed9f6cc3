using System.Collections.Immutable;

namespace AuthSidecar.Cedar;

/// <summary>
/// The type that the validator gives an expression. Finer than a schema's types: a boolean that can only be true or only be false has a type
/// of its own, which is how the validator knows what is never reached; and an entity may be of one of several types.
/// </summary>
internal abstract record CheckedType
{
    // A message is no place for more.
    private const int PrintedDepth = 4;

    /// <summary>The type without values: of the elements of the empty set.</summary>
    public sealed record Never : CheckedType
    {
        protected override string Print(int depth) => "never";
    }

    /// <param name="Known">The only value there can be; null: both can.</param>
    public sealed record Bool(bool? Known) : CheckedType
    {
        protected override string Print(int depth) => Known switch { true => "true", false => "false", _ => "bool" };
    }

    /// <summary>Long, String, and the extension types.</summary>
    public sealed record Primitive(ValueKind Kind) : CheckedType
    {
        protected override string Print(int depth) => Kind.Name();
    }

    /// <param name="Element">The type of the elements; null: any.</param>
    public sealed record Set(CheckedType? Element) : CheckedType
    {
        protected override string Print(int depth) => Element is null ? "set" : $"set of {PrintWithin(depth, Element)}";
    }

    /// <summary>A record.</summary>
    /// <param name="Attributes">Its attributes, by name.</param>
    /// <param name="IsOpen">Whether there may be others that are not known.</param>
    public sealed record Record(ImmutableSortedDictionary<string, CheckedAttribute> Attributes, bool IsOpen) : CheckedType
    {
        public bool Equals(Record? other) => other is not null && IsOpen == other.IsOpen && Attributes.SequenceEqual(other.Attributes);

        public override int GetHashCode() => Attributes.Count;

        protected override string Print(int depth) =>
            $"{{{string.Join(", ", Attributes.Select(a => $"{StringLiteral.Quote(a.Key)}{(a.Value.IsRequired ? "" : "?")}: {PrintWithin(depth, a.Value.Type)}"))}{(IsOpen ? ", …" : "")}}}";
    }

    /// <summary>An entity of one of these types; none: of any.</summary>
    public sealed record Entity(ImmutableSortedSet<string> Types) : CheckedType
    {
        public bool IsAny => Types.IsEmpty;

        public bool Equals(Entity? other) => other is not null && Types.SequenceEqual(other.Types);

        public override int GetHashCode() => Types.Count;

        protected override string Print(int depth) => IsAny ? "entity" : string.Join(" or ", Types.Select(t => $"`{t}`"));
    }

    public static readonly CheckedType AnyBool = new Bool(Known: null);
    public static readonly CheckedType True = new Bool(Known: true);
    public static readonly CheckedType False = new Bool(Known: false);
    public static readonly CheckedType Long = new Primitive(ValueKind.Long);
    public static readonly CheckedType String = new Primitive(ValueKind.String);
    public static readonly CheckedType AnySet = new Set(null);
    public static readonly CheckedType AnyEntity = new Entity(ImmutableSortedSet.Create<string>(StringComparer.Ordinal));
    public static readonly CheckedType AnyRecord = new Record(ImmutableSortedDictionary.Create<string, CheckedAttribute>(StringComparer.Ordinal), IsOpen: true);

    /// <summary>The type as messages name it; what lies deep within it is left out.</summary>
    public sealed override string ToString() => Print(PrintedDepth);

    protected abstract string Print(int depth);

    private static string PrintWithin(int depth, CheckedType part) => depth == 0 ? "…" : part.Print(depth - 1);

    public static CheckedType OfEntity(string type) => new Entity(ImmutableSortedSet.Create(StringComparer.Ordinal, type));

    public static CheckedType Of(SchemaType type) => type switch
    {
        SchemaType.Primitive { Kind: ValueKind.Bool } => AnyBool,
        SchemaType.Primitive primitive => new Primitive(primitive.Kind),
        SchemaType.Set set => new Set(Of(set.Element)),
        SchemaType.Entity entity => OfEntity(entity.Type),
        SchemaType.Record record => Of(record),
        _ => throw new InvalidOperationException($"no type for {type.GetType().Name}"),
    };

    public static Record Of(SchemaType.Record record) => new(
        record.Attributes.ToImmutableSortedDictionary(a => a.Key, a => new CheckedAttribute(Of(a.Value.Type), a.Value.IsRequired), StringComparer.Ordinal),
        IsOpen: false);

    /// <summary>Whether every value of this type is one of the other.</summary>
    public bool IsSubtypeOf(CheckedType other) => (this, other) switch
    {
        (Never, _) => true,
        (Bool a, Bool b) => b.Known is null || a.Known == b.Known,
        (Set, Set { Element: null }) => true,
        (Set { Element: { } a }, Set { Element: { } b }) => a.IsSubtypeOf(b),
        (Entity, Entity { IsAny: true }) => true,
        (Entity { IsAny: false } a, Entity b) => a.Types.IsSubsetOf(b.Types),
        (Record a, Record b) => a.Equals(b) || (b.IsOpen && b.Attributes.IsEmpty),
        _ => Equals(other),
    };

    /// <summary>The least type that has the values of both; null when there is none.</summary>
    /// <param name="a">One.</param>
    /// <param name="b">The other.</param>
    /// <param name="isStrict">Whether the two have to be the same, but for what is known of booleans.</param>
    public static CheckedType? Join(CheckedType a, CheckedType b, bool isStrict) => (a, b) switch
    {
        (Never, _) => b,
        (_, Never) => a,
        (Bool x, Bool y) => x.Known == y.Known ? x : AnyBool,
        (Set { Element: { } x }, Set { Element: { } y }) => Join(x, y, isStrict) is { } element ? new Set(element) : null,
        (Set, Set) => AnySet,
        (Record x, Record y) => Join(x, y, isStrict),
        (Entity x, Entity y) when x.Equals(y) => x,
        (Entity x, Entity y) => isStrict ? null : x.IsAny || y.IsAny ? AnyEntity : new Entity(x.Types.Union(y.Types)),
        _ => a.Equals(b) ? a : null,
    };

    private static Record? Join(Record a, Record b, bool isStrict)
    {
        var joined = ImmutableSortedDictionary.CreateBuilder<string, CheckedAttribute>(StringComparer.Ordinal);
        foreach (var (name, x) in a.Attributes)
        {
            var type = b.Attributes.TryGetValue(name, out var y) ? Join(x.Type, y.Type, isStrict) : null;
            if (type is not null && (!isStrict || x.IsRequired == y!.IsRequired))
            {
                joined.Add(name, new CheckedAttribute(type, x.IsRequired && y!.IsRequired));
            }
            else if (isStrict)
            {
                return null;
            }
        }

        var isSame = joined.Count == a.Attributes.Count && joined.Count == b.Attributes.Count;
        return isStrict && !isSame ? null : new Record(joined.ToImmutable(), a.IsOpen || b.IsOpen || !isSame);
    }
}

/// <summary>An attribute of a record.</summary>
internal sealed record CheckedAttribute(CheckedType Type, bool IsRequired);
