namespace AuthSidecar.Cedar;

/// <summary>The type that the validator gives an expression. Finer than a schema's types: a boolean that can only be true or only be false
/// has a type of its own, which is how the validator knows what is never reached; and an entity may be of one of several types.</summary>
internal abstract record CheckedType
{
    // A message is no place for more.
    private const int PrintedDepth = 4;
    private const int PrintedBreadth = 12;

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
        public bool Equals(Record? other) => ReferenceEquals(this, other)
            || (other is not null && IsOpen == other.IsOpen && Attributes.SequenceEqual(other.Attributes));

        public override int GetHashCode() => Attributes.Count;

        protected override string Print(int depth)
        {
            var attributes = Attributes.Take(PrintedBreadth)
                .Select(a => $"{StringLiteral.Quote(a.Key)}{(a.Value.IsRequired ? "" : "?")}: {PrintWithin(depth, a.Value.Type)}");
            return $"{{{string.Join(", ", attributes)}{(IsOpen || Attributes.Count > PrintedBreadth ? ", …" : "")}}}";
        }
    }

    /// <summary>An entity of one of these types; none: of any.</summary>
    public sealed record Entity(ImmutableSortedSet<string> Types) : CheckedType
    {
        public bool IsAny => Types.IsEmpty;
        public bool Equals(Entity? other) => other is not null && Types.SequenceEqual(other.Types);
        public override int GetHashCode() => Types.Count;

        protected override string Print(int depth) => IsAny ? "entity"
            : $"{string.Join(" or ", Types.Take(PrintedBreadth).Select(t => $"`{t}`"))}{(Types.Count > PrintedBreadth ? " or …" : "")}";
    }

    public static readonly CheckedType Nothing = new Never();
    public static readonly CheckedType AnyBool = new Bool(Known: null);
    public static readonly CheckedType True = new Bool(Known: true);
    public static readonly CheckedType False = new Bool(Known: false);
    private static readonly CheckedType[] Kinds = [.. Enum.GetValues<ValueKind>().Select(kind => new Primitive(kind))];
    public static readonly CheckedType Long = OfKind(ValueKind.Long);
    public static readonly CheckedType String = OfKind(ValueKind.String);
    public static readonly CheckedType AnySet = new Set(null);
    public static readonly CheckedType AnyEntity = new Entity(ImmutableSortedSet.Create<string>(StringComparer.Ordinal));
    public static readonly CheckedType AnyRecord = new Record(
        ImmutableSortedDictionary.Create<string, CheckedAttribute>(StringComparer.Ordinal), IsOpen: true);

    /// <summary>The type as messages name it; what lies deep within it is left out.</summary>
    public sealed override string ToString() => Print(PrintedDepth);

    protected abstract string Print(int depth);

    private static string PrintWithin(int depth, CheckedType part) => depth == 0 ? "…" : part.Print(depth - 1);
    public static CheckedType OfEntity(string type) => new Entity(ImmutableSortedSet.Create(StringComparer.Ordinal, type));

    /// <summary>Of values without parts, other than booleans.</summary>
    public static CheckedType OfKind(ValueKind kind) => Kinds[(int)kind];

    public static CheckedType OfBool(bool? known) => known switch { true => True, false => False, _ => AnyBool };

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
}

/// <summary>An attribute of a record.</summary>
internal sealed record CheckedAttribute(CheckedType Type, bool IsRequired);
