namespace AuthSidecar.Cedar;

/// <summary>A Cedar value: a boolean, a 64-bit integer, a string, an entity reference, a set, a record, or one of the extension
/// types.</summary>
/// <remarks>Sixteen bytes, so that it travels in two registers: small values live in the bits, the others behind the reference. The default
/// is no value at all (<see cref="ValueKind.None"/>); inside the evaluator that means "this erred", so a forgotten assignment can never
/// read as true. Immutable and safe to share between threads.</remarks>
public readonly struct Value : IEquatable<Value>
{
    private readonly object? _reference;
    private readonly long _bits;

    private Value(object reference, long bits = 0)
    {
        _reference = reference;
        _bits = bits;
    }

    /// <summary>The boolean true.</summary>
    public static readonly Value True = new(ScalarKind.Bool, 1);

    /// <summary>The boolean false.</summary>
    public static readonly Value False = new(ScalarKind.Bool, 0);

    /// <summary>A boolean.</summary>
    public static Value Of(bool value) => value ? True : False;

    /// <summary>A 64-bit integer; Cedar calls it Long.</summary>
    public static Value Of(long value) => new(ScalarKind.Long, value);

    /// <summary>A string of Unicode scalar values.</summary>
    public static Value Of(string value) => new(value);

    /// <summary>A reference to an entity, which need not exist.</summary>
    public static Value Of(EntityUid value) => new(value);

    /// <summary>A set.</summary>
    public static Value Of(ValueSet value) => new(value);

    /// <summary>A record.</summary>
    public static Value Of(ValueRecord value) => new(value);

    /// <summary>An <c>ipaddr</c>: an address or a range of addresses.</summary>
    public static Value Of(IpRange value) => new(value);

    /// <summary>A <c>decimal</c> with four digits after the point.</summary>
    public static Value Of(CedarDecimal value) => new(ScalarKind.Decimal, value.Scaled);

    /// <summary>A <c>datetime</c>: milliseconds since 1970-01-01T00:00:00Z.</summary>
    public static Value Of(Instant value) => new(ScalarKind.Datetime, value.UnixMs);

    /// <summary>A <c>duration</c> in milliseconds.</summary>
    public static Value Of(Duration value) => new(ScalarKind.Duration, value.TotalMs);

    /// <summary>What kind of value this is; <see cref="ValueKind.None"/> for the default.</summary>
    public ValueKind Kind => _reference switch
    {
        ScalarKind scalar => scalar.Kind,
        string => ValueKind.String,
        EntityUid => ValueKind.Entity,
        ValueRecord => ValueKind.Record,
        ValueSet => ValueKind.Set,
        IpRange => ValueKind.IpAddr,
        _ => ValueKind.None,
    };

    /// <summary>True for the default, which is not a Cedar value.</summary>
    public bool IsNone => _reference is null;

    internal bool IsTrue => ReferenceEquals(_reference, ScalarKind.Bool) && _bits != 0;
    internal bool IsFalse => ReferenceEquals(_reference, ScalarKind.Bool) && _bits == 0;

    /// <summary>Reads a boolean.</summary>
    public bool TryGet(out bool value)
    {
        var found = TryGetScalar(ScalarKind.Bool, out var bits);
        value = bits != 0;
        return found;
    }

    /// <summary>Reads a 64-bit integer.</summary>
    public bool TryGet(out long value) => TryGetScalar(ScalarKind.Long, out value);

    /// <summary>Reads a string.</summary>
    public bool TryGet([NotNullWhen(true)] out string? value) => (value = _reference as string) is not null;

    /// <summary>Reads an entity reference.</summary>
    public bool TryGet([NotNullWhen(true)] out EntityUid? value) => (value = _reference as EntityUid) is not null;

    /// <summary>Reads a set.</summary>
    public bool TryGet([NotNullWhen(true)] out ValueSet? value) => (value = _reference as ValueSet) is not null;

    /// <summary>Reads a record.</summary>
    public bool TryGet([NotNullWhen(true)] out ValueRecord? value) => (value = _reference as ValueRecord) is not null;

    /// <summary>Reads an <c>ipaddr</c>.</summary>
    public bool TryGet([NotNullWhen(true)] out IpRange? value) => (value = _reference as IpRange) is not null;

    /// <summary>Reads a <c>decimal</c>.</summary>
    public bool TryGet(out CedarDecimal value)
    {
        var found = TryGetScalar(ScalarKind.Decimal, out var bits);
        value = new CedarDecimal(bits);
        return found;
    }

    /// <summary>Reads a <c>datetime</c>.</summary>
    public bool TryGet(out Instant value)
    {
        var found = TryGetScalar(ScalarKind.Datetime, out var bits);
        value = new Instant(bits);
        return found;
    }

    /// <summary>Reads a <c>duration</c>.</summary>
    public bool TryGet(out Duration value)
    {
        var found = TryGetScalar(ScalarKind.Duration, out var bits);
        value = new Duration(bits);
        return found;
    }

    /// <summary>Cedar's <c>==</c>: never fails, false across kinds; sets compare as sets, records by key, extension values by
    /// value.</summary>
    public bool Equals(Value other)
    {
        if (_reference is ScalarKind)
            return ReferenceEquals(_reference, other._reference) && _bits == other._bits;

        return ReferenceEquals(_reference, other._reference) || (_reference is not null && _reference.Equals(other._reference));
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Value other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _reference is ScalarKind scalar
        ? ValueHash.OfBits(scalar.Kind, (ulong)_bits)
        : _reference?.GetHashCode() ?? 0;

    /// <summary>Cedar's <c>==</c>.</summary>
    public static bool operator ==(Value left, Value right) => left.Equals(right);

    /// <summary>Cedar's <c>!=</c>.</summary>
    public static bool operator !=(Value left, Value right) => !left.Equals(right);

    /// <summary>The value as a Cedar expression.</summary>
    public override string ToString() => Kind switch
    {
        ValueKind.None => "<none>",
        ValueKind.Bool => _bits != 0 ? "true" : "false",
        ValueKind.Long => _bits.ToString(CultureInfo.InvariantCulture),
        ValueKind.String => StringLiteral.Quote((string)_reference!),
        ValueKind.Decimal => $"decimal(\"{new CedarDecimal(_bits)}\")",
        ValueKind.Datetime => new Instant(_bits).ToExpression(),
        ValueKind.Duration => $"duration(\"{new Duration(_bits)}\")",
        ValueKind.IpAddr => $"ip(\"{_reference}\")",
        _ => _reference!.ToString()!,
    };

    private bool TryGetScalar(ScalarKind kind, out long bits)
    {
        var found = ReferenceEquals(_reference, kind);
        bits = found ? _bits : 0;
        return found;
    }

    /// <summary>Marks in the reference field which kind of value the bits hold: one instance a kind, compared by identity.</summary>
    private sealed class ScalarKind
    {
        public static readonly ScalarKind Bool = new() { Kind = ValueKind.Bool };
        public static readonly ScalarKind Long = new() { Kind = ValueKind.Long };
        public static readonly ScalarKind Decimal = new() { Kind = ValueKind.Decimal };
        public static readonly ScalarKind Datetime = new() { Kind = ValueKind.Datetime };
        public static readonly ScalarKind Duration = new() { Kind = ValueKind.Duration };

        public required ValueKind Kind { get; init; }
    }
}
