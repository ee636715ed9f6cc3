namespace AuthSidecar.Cedar;

/// <summary>Makes the types of one validation, each once: two that are the same are the same object. A schema's types share their parts, so
/// that a few lines may stand for a tree of any size; here they are looked at once for each part, or for each pair of parts, and not once
/// for each way to it.</summary>
/// <remarks>Not safe to share between threads.</remarks>
internal sealed class TypeTable(bool isStrict)
{
    /// <summary>What may have been meant, for all that is checked together.</summary>
    public Suggestions Suggestions { get; } = new();

    private readonly Dictionary<SchemaType, CheckedType> _ofSchema = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, CheckedType> _entities = new(StringComparer.Ordinal);
    private readonly Dictionary<CheckedType.Entity, CheckedType.Entity> _unions = [];
    private readonly Dictionary<CheckedType, CheckedType> _sets = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<CheckedType.Record, CheckedType.Record> _records = new(new ByParts());
    private readonly Dictionary<(CheckedType A, CheckedType B, bool IsStrict), CheckedType?> _joined = new(new ByPair());

    public CheckedType Of(SchemaType type)
    {
        if (!_ofSchema.TryGetValue(type, out var made))
        {
            _ofSchema.Add(type, made = type switch
            {
                SchemaType.Primitive { Kind: ValueKind.Bool } => CheckedType.AnyBool,
                SchemaType.Primitive primitive => CheckedType.OfKind(primitive.Kind),
                SchemaType.Set set => SetOf(Of(set.Element)),
                SchemaType.Entity entity => OfEntity(entity.Type),
                SchemaType.Record record => RecordOf(
                    record.Attributes.ToImmutableSortedDictionary(a => a.Key,
                        a => new CheckedAttribute(Of(a.Value.Type), a.Value.IsRequired), StringComparer.Ordinal), isOpen: false),
                _ => throw new InvalidOperationException($"no type for {type.GetType().Name}"),
            });
        }

        return made;
    }

    public CheckedType OfEntity(string type)
    {
        if (!_entities.TryGetValue(type, out var made))
            _entities.Add(type, made = CheckedType.OfEntity(type));

        return made;
    }

    public CheckedType SetOf(CheckedType element)
    {
        if (!_sets.TryGetValue(element, out var made))
            _sets.Add(element, made = new CheckedType.Set(element));

        return made;
    }

    public CheckedType.Record RecordOf(ImmutableSortedDictionary<string, CheckedAttribute> attributes, bool isOpen)
    {
        var record = new CheckedType.Record(attributes, isOpen);
        if (!_records.TryGetValue(record, out var made))
            _records.Add(record, made = record);

        return made;
    }

    /// <summary>The least type that has the values of both, as the mode of validation has it; null when there is none.</summary>
    public CheckedType? Join(CheckedType a, CheckedType b) => Join(a, b, isStrict);

    /// <summary>The least type that has the values of both; null when there is none.</summary>
    /// <param name="a">One.</param>
    /// <param name="b">The other.</param>
    /// <param name="strictly">Whether the two have to be the same, but for what is known of booleans.</param>
    public CheckedType? Join(CheckedType a, CheckedType b, bool strictly) => (a, b) switch
    {
        _ when ReferenceEquals(a, b) => a,
        (CheckedType.Never, _) => b,
        (_, CheckedType.Never) => a,
        (CheckedType.Bool x, CheckedType.Bool y) => x.Known == y.Known ? x : CheckedType.AnyBool,
        (CheckedType.Set { Element: { } x }, CheckedType.Set { Element: { } y }) => Join(x, y, strictly) is { } element ? SetOf(element)
            : null,
        (CheckedType.Set, CheckedType.Set) => CheckedType.AnySet,
        (CheckedType.Record x, CheckedType.Record y) => JoinOnce(x, y, strictly),
        (CheckedType.Entity x, CheckedType.Entity y) when x.Equals(y) => x,
        (CheckedType.Entity x, CheckedType.Entity y) => strictly ? null : x.IsAny || y.IsAny ? CheckedType.AnyEntity : UnionOf(x, y),
        _ => a.Equals(b) ? a : null,
    };

    private CheckedType.Entity UnionOf(CheckedType.Entity a, CheckedType.Entity b)
    {
        var union = new CheckedType.Entity(a.Types.Union(b.Types));
        if (!_unions.TryGetValue(union, out var made))
            _unions.Add(union, made = union);

        return made;
    }

    private CheckedType? JoinOnce(CheckedType.Record a, CheckedType.Record b, bool strictly)
    {
        if (!_joined.TryGetValue((a, b, strictly), out var joined))
            _joined.Add((a, b, strictly), joined = JoinRecords(a, b, strictly));

        return joined;
    }

    private CheckedType.Record? JoinRecords(CheckedType.Record a, CheckedType.Record b, bool strictly)
    {
        var joined = ImmutableSortedDictionary.CreateBuilder<string, CheckedAttribute>(StringComparer.Ordinal);
        foreach (var (name, x) in a.Attributes)
        {
            var type = b.Attributes.TryGetValue(name, out var y) ? Join(x.Type, y.Type, strictly) : null;
            if (type is not null && (!strictly || x.IsRequired == y!.IsRequired))
                joined.Add(name, new CheckedAttribute(type, x.IsRequired && y!.IsRequired));
            else if (strictly)
                return null;
        }

        var isSame = joined.Count == a.Attributes.Count && joined.Count == b.Attributes.Count;
        return strictly && !isSame ? null : RecordOf(joined.ToImmutable(), a.IsOpen || b.IsOpen || !isSame);
    }

    /// <summary>Records by their attributes, whose types are there already and so are compared as objects.</summary>
    private sealed class ByParts : IEqualityComparer<CheckedType.Record>
    {
        public bool Equals(CheckedType.Record? x, CheckedType.Record? y)
        {
            if (ReferenceEquals(x, y) || x is null || y is null || x.IsOpen != y.IsOpen || x.Attributes.Count != y.Attributes.Count)
                return ReferenceEquals(x, y);

            foreach (var ((name, a), (other, b)) in x.Attributes.Zip(y.Attributes))
            {
                if (!ReferenceEquals(a.Type, b.Type) || a.IsRequired != b.IsRequired
                    || !string.Equals(name, other, StringComparison.Ordinal))
                {
                    return false;
                }
            }

            return true;
        }

        public int GetHashCode(CheckedType.Record record)
        {
            var hash = new HashCode();
            foreach (var (name, attribute) in record.Attributes)
            {
                hash.Add(name, StringComparer.Ordinal);
                hash.Add(RuntimeHelpers.GetHashCode(attribute.Type));
                hash.Add(attribute.IsRequired);
            }

            return hash.ToHashCode();
        }
    }

    private sealed class ByPair : IEqualityComparer<(CheckedType A, CheckedType B, bool IsStrict)>
    {
        public bool Equals((CheckedType A, CheckedType B, bool IsStrict) x, (CheckedType A, CheckedType B, bool IsStrict) y) =>
            ReferenceEquals(x.A, y.A) && ReferenceEquals(x.B, y.B) && x.IsStrict == y.IsStrict;

        public int GetHashCode((CheckedType A, CheckedType B, bool IsStrict) pair) =>
            HashCode.Combine(RuntimeHelpers.GetHashCode(pair.A), RuntimeHelpers.GetHashCode(pair.B), pair.IsStrict);
    }
}
