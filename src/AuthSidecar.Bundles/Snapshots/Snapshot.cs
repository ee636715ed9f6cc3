namespace AuthSidecar.Bundles;

/// <summary>What bundles become in memory: a value of each data type, and one revision for all of it. Immutable. One object instead of one
/// per type, so that a single read gives a request a coherent whole: policies never meet the keys or entities of another moment.</summary>
internal sealed class Snapshot
{
    /// <summary>Of no type anything: every request is denied.</summary>
    public static readonly Snapshot Empty = new(default, []);

    // By the number of the type; what is absent or null is empty.
    private readonly object?[] _values;

    private Snapshot(Revision revision, object?[] values) => (Revision, _values) = (revision, values);
    public Revision Revision { get; }

    /// <summary>The value of a type. Each type has a property for it, such as <c>Policies</c>.</summary>
    public Revisioned<T> Get<T>(DataType<T> type)
        where T : class => type.Number < _values.Length && _values[type.Number] is { } value ? (Revisioned<T>)value : type.Nothing;

    /// <summary>The same, with another value of one type.</summary>
    public Snapshot With<T>(DataType<T> type, Revisioned<T> value)
        where T : class
    {
        var values = new object?[Math.Max(_values.Length, type.Number + 1)];
        _values.CopyTo(values, 0);
        values[type.Number] = value;
        return new Snapshot(Revision, values);
    }

    /// <inheritdoc cref="With{T}(DataType{T}, Revisioned{T})"/>
    public Snapshot With<T>(DataType<T> type, T value, Revision revision)
        where T : class => With(type, new Revisioned<T>(value, revision));

    /// <summary>The same values, at another revision.</summary>
    public Snapshot At(Revision revision) => new(revision, _values);

    /// <summary>Whether both have the same values.</summary>
    public bool HasSameValuesAs(Snapshot other) => ReferenceEquals(_values, other._values) || _values.AsSpan().SequenceEqual(other._values);
}
