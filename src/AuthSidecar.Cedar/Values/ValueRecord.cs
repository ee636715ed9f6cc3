using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Text;

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

    /// <summary>Reads a record of values in Cedar's JSON format, such as a request's context.</summary>
    /// <param name="json">The record.</param>
    /// <param name="type">The type that it is to be of, which then need not be repeated in escapes; null: any will do.</param>
    /// <param name="record">The record. Whether it conforms to the type is for <see cref="Schema.Check"/> to say.</param>
    /// <param name="faults">What is wrong, at its place.</param>
    /// <returns>False when there is a fault.</returns>
    public static bool TryParse(SourceText json, SchemaType.Record? type, [NotNullWhen(true)] out ValueRecord? record, out IReadOnlyList<Fault> faults)
    {
        var found = new List<Fault>();
        faults = found;
        record = EntityJson.ReadRecord(json, type, found);
        return record is not null;
    }

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
        {
            return TryFind(name, out _, out value);
        }

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

    /// <summary>
    /// Finds an attribute for somebody who will ask many records for it: the name is replaced by the record's own, which is the same text. The
    /// records of a store share their names, so that next time a look at the reference is enough.
    /// </summary>
    internal bool TryGet(ref string name, out Value value)
    {
        if (_fields.Length > MostSearchedInOrder)
        {
            return TryFind(name, out name, out value);
        }

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
        {
            return true;
        }

        if (other is null || Count != other.Count)
        {
            return false;
        }

        for (var i = 0; i < _fields.Length; i++)
        {
            if (!string.Equals(_fields[i].Key, other._fields[i].Key, StringComparison.Ordinal) || _fields[i].Value != other._fields[i].Value)
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

/// <summary>Collects the attributes of a record, without copying them once more in the end.</summary>
/// <remarks>Not safe to share between threads, nor to copy.</remarks>
/// <param name="capacity">How many attributes there will be; more are taken too.</param>
public ref struct ValueRecordBuilder(int capacity)
{
    private const int MostMoved = 64;

    private KeyValuePair<string, Value>[] _fields = capacity == 0 ? [] : new KeyValuePair<string, Value>[capacity];
    private int _count;

    // The names so far, once they are many and come in no order; then sorted in the end.
    private HashSet<string>? _unsortedNames;

    /// <summary>Adds an attribute.</summary>
    /// <exception cref="ArgumentException">The name is there already.</exception>
    public void Add(string name, Value value)
    {
        if (!TryAdd(name, value))
        {
            throw new ArgumentException($"the attribute `{name}` occurs twice", nameof(name));
        }
    }

    /// <summary>Adds an attribute in its place by ordinal order: they are few, and often in order already.</summary>
    /// <returns>False when the name is there already; then nothing is added.</returns>
    public bool TryAdd(string name, Value value)
    {
        var at = _count;
        if (_unsortedNames is not null)
        {
            if (!_unsortedNames.Add(name))
            {
                return false;
            }
        }
        else if (_count > 0 && string.CompareOrdinal(_fields[_count - 1].Key, name) >= 0)
        {
            at = _fields.AsSpan(0, _count).BinarySearch(new ValueRecord.ByName(name));
            if (at >= 0)
            {
                return false;
            }

            at = ~at;
            if (_count >= MostMoved)
            {
                at = _count;
                StopSorting(name);
            }
        }

        if (_count == _fields.Length)
        {
            Array.Resize(ref _fields, Math.Max(4, _count * 2));
        }

        _fields.AsSpan(at, _count - at).CopyTo(_fields.AsSpan(at + 1));
        _fields[at] = new(name, value);
        _count++;
        return true;
    }

    // To move many for each that comes out of order would take the square of their number.
    private void StopSorting(string name)
    {
        _unsortedNames = new HashSet<string>(_count * 2, StringComparer.Ordinal) { name };
        foreach (ref readonly var field in _fields.AsSpan(0, _count))
        {
            _unsortedNames.Add(field.Key);
        }
    }

    /// <summary>Makes the record. The builder is empty afterwards.</summary>
    public ValueRecord ToRecord()
    {
        var fields = _count == _fields.Length ? _fields : _fields[.._count];
        if (_unsortedNames is not null)
        {
            Array.Sort(fields, static (a, b) => string.CompareOrdinal(a.Key, b.Key));
        }

        (_fields, _count, _unsortedNames) = ([], 0, null);
        return fields.Length == 0 ? ValueRecord.Empty : new ValueRecord(fields);
    }
}
