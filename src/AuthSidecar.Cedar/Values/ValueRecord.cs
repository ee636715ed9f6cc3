using System.Collections;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace AuthSidecar.Cedar;

/// <summary>A record: attribute names to values.</summary>
/// <remarks>Immutable; the names are kept in ordinal order, and equality is by name and value.</remarks>
public sealed class ValueRecord : IEquatable<ValueRecord>, IReadOnlyCollection<KeyValuePair<string, Value>>
{
    private readonly KeyValuePair<string, Value>[] _fields;

    // Made when it is asked for: most records are never put into a set. Zero: not yet; to make it twice does no harm.
    private int _hash;

    private ValueRecord(KeyValuePair<string, Value>[] sortedFields) => _fields = sortedFields;

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
        record = null;
        duplicate = null;
        if (fields.IsEmpty)
        {
            record = Empty;
            return true;
        }

        var sorted = fields.ToArray();
        Array.Sort(sorted, static (a, b) => string.CompareOrdinal(a.Key, b.Key));
        for (var i = 1; i < sorted.Length; i++)
        {
            if (string.Equals(sorted[i].Key, sorted[i - 1].Key, StringComparison.Ordinal))
            {
                duplicate = sorted[i].Key;
                return false;
            }
        }

        record = new ValueRecord(sorted);
        return true;
    }

    /// <summary>How many attributes there are.</summary>
    public int Count => _fields.Length;

    /// <summary>The attributes in ordinal order of their names.</summary>
    public ReadOnlySpan<KeyValuePair<string, Value>> Fields => _fields;

    /// <summary>Finds an attribute.</summary>
    public bool TryGet(string name, out Value value)
    {
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
            var hash = new HashCode();
            foreach (ref readonly var field in _fields.AsSpan())
            {
                hash.Add(field.Key);
                hash.Add(field.Value);
            }

            _hash = hash.ToHashCode();
        }

        return _hash;
    }

    /// <inheritdoc/>
    public IEnumerator<KeyValuePair<string, Value>> GetEnumerator() => ((IEnumerable<KeyValuePair<string, Value>>)_fields).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>The record as a Cedar expression.</summary>
    public override string ToString() =>
        new StringBuilder("{").AppendJoin(", ", _fields.Select(f => $"{StringLiteral.Quote(f.Key)}: {f.Value}")).Append('}').ToString();
}
