using System.Collections;

namespace AuthSidecar.Cedar;

/// <summary>A record: attribute names to values.</summary>
/// <remarks>Immutable; the names are kept in ordinal order, and equality is by name and value.</remarks>
public sealed class ValueRecord : IEquatable<ValueRecord>, IReadOnlyCollection<KeyValuePair<string, Value>>
{
    private const int MostSearchedInOrder = 16;

    private readonly KeyValuePair<string, Value>[] _fields;

    // Made when it is asked for: most records are never put into a set. Zero: not yet; to make it twice does no harm.
    private int _hash;

    internal ValueRecord(KeyValuePair<string, Value>[] sortedFields) => _fields = sortedFields;

    /// <summary>The record without attributes.</summary>
    public static readonly ValueRecord Empty = new([]);

    /// <summary>Makes a record.</summary>
    /// <exception cref="ArgumentException">A name occurs twice.</exception>
    public static ValueRecord Create(ReadOnlySpan<KeyValuePair<string, Value>> fields) =>
        TryCreate(fields, out var record, out var duplicate)
            ? record
            : throw new ArgumentException($"the attribute `{duplicate}` occurs twice", nameof(fields));

    internal static bool TryCreate(
        ReadOnlySpan<KeyValuePair<string, Value>> fields,
        [NotNullWhen(true)] out ValueRecord? record,
        [NotNullWhen(false)] out string? duplicate)
    {
        duplicate = null;
        var builder = new ValueRecordBuilder(fields.Length);
        foreach (ref readonly var field in fields)
        {
            if (!builder.TryAdd(field.Key, field.Value))
            {
                record = null;
                duplicate = field.Key;
                return false;
            }
        }

        record = builder.ToRecord();
        return true;
    }

    /// <summary>How many attributes there are.</summary>
    public int Count => _fields.Length;

    /// <summary>The attributes in ordinal order of their names.</summary>
    public ReadOnlySpan<KeyValuePair<string, Value>> Fields => _fields;

    /// <summary>Finds an attribute.</summary>
    public bool TryGet(string name, out Value value)
    {
        if (_fields.Length > MostSearchedInOrder)
            return TryFind(name, out _, out value);

        foreach (ref readonly var field in _fields.AsSpan())
        {
            if (string.Equals(field.Key, name, StringComparison.Ordinal))
            {
                value = field.Value;
                return true;
            }
        }

        value = default;
        return false;
    }

    /// <summary>Finds an attribute for somebody who will ask many records for it: the name is replaced by the record's own, which is the
    /// same text. The records of a store share their names, so that next time a look at the reference is enough.</summary>
    internal bool TryGet(ref string name, out Value value)
    {
        if (_fields.Length > MostSearchedInOrder)
            return TryFind(name, out name, out value);

        var known = name;
        foreach (ref readonly var field in _fields.AsSpan())
        {
            if (ReferenceEquals(field.Key, known))
            {
                value = field.Value;
                return true;
            }
        }

        foreach (ref readonly var field in _fields.AsSpan())
        {
            if (string.Equals(field.Key, known, StringComparison.Ordinal))
            {
                name = field.Key;
                value = field.Value;
                return true;
            }
        }

        value = default;
        return false;
    }

    /// <summary>Finds an attribute by halves.</summary>
    private bool TryFind(string name, out string known, out Value value)
    {
        var at = _fields.AsSpan().BinarySearch(new ByName(name));
        (known, value) = at < 0 ? (name, default) : (_fields[at].Key, _fields[at].Value);
        return at >= 0;
    }

    /// <inheritdoc/>
    public bool Equals(ValueRecord? other)
    {
        if (ReferenceEquals(this, other))
            return true;

        if (other is null || Count != other.Count)
            return false;

        for (var i = 0; i < _fields.Length; i++)
        {
            if (!string.Equals(_fields[i].Key, other._fields[i].Key, StringComparison.Ordinal)
                || _fields[i].Value != other._fields[i].Value)
            {
                return false;
            }
        }

        return true;
    }

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as ValueRecord);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        if (_hash == 0)
        {
            var hash = ValueHash.Begin(ValueKind.Record);
            foreach (ref readonly var field in _fields.AsSpan())
            {
                hash = ValueHash.Mix(hash, (uint)field.Key.GetHashCode(StringComparison.Ordinal));
                hash = ValueHash.Mix(hash, (uint)field.Value.GetHashCode());
            }

            _hash = ValueHash.Fold(ValueHash.Mix(hash, (ulong)Count));
        }

        return _hash;
    }

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, Value>> GetEnumerator() => ((IEnumerable<KeyValuePair<string, Value>>)_fields).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>The record as a Cedar expression.</summary>
    public override string ToString() =>
        new StringBuilder("{").AppendJoin(", ", _fields.Select(f => $"{StringLiteral.Quote(f.Key)}: {f.Value}")).Append('}').ToString();

    internal readonly struct ByName(string name) : IComparable<KeyValuePair<string, Value>>
    {
        public int CompareTo(KeyValuePair<string, Value> other) => string.CompareOrdinal(name, other.Key);
    }
}
