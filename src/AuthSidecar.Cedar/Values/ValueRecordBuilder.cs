namespace AuthSidecar.Cedar;

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
            throw new ArgumentException($"the attribute `{name}` occurs twice", nameof(name));
    }

    /// <summary>Adds an attribute in its place by ordinal order: they are few, and often in order already.</summary>
    /// <returns>False when the name is there already; then nothing is added.</returns>
    public bool TryAdd(string name, Value value)
    {
        var at = _count;
        if (_unsortedNames is not null)
        {
            if (!_unsortedNames.Add(name))
                return false;
        }
        else if (_count > 0 && string.CompareOrdinal(_fields[_count - 1].Key, name) >= 0)
        {
            at = _fields.AsSpan(0, _count).BinarySearch(new ValueRecord.ByName(name));
            if (at >= 0)
                return false;

            at = ~at;
            if (_count >= MostMoved)
            {
                at = _count;
                StopSorting(name);
            }
        }

        if (_count == _fields.Length)
            Array.Resize(ref _fields, Math.Max(4, _count * 2));

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
            _unsortedNames.Add(field.Key);
    }

    /// <summary>Makes the record. The builder is empty afterwards.</summary>
    public ValueRecord ToRecord()
    {
        var fields = _count == _fields.Length ? _fields : _fields[.._count];
        if (_unsortedNames is not null)
            Array.Sort(fields, static (a, b) => string.CompareOrdinal(a.Key, b.Key));

        (_fields, _count, _unsortedNames) = ([], 0, null);
        return fields.Length == 0 ? ValueRecord.Empty : new ValueRecord(fields);
    }
}
