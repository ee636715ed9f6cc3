using System.Collections;

namespace AuthSidecar.Cedar;

/// <summary>A set of values, of one kind or several.</summary>
/// <remarks>Immutable. Small sets are searched in order; larger ones carry a hash table.</remarks>
public sealed class ValueSet : IEquatable<ValueSet>, IReadOnlyCollection<Value>
{
    private const int HashedFrom = 8;

    private readonly Value[] _items;
    private readonly HashSet<Value>? _table;

    // Made when it is asked for. Zero: not yet; to make it twice does no harm.
    private int _hash;

    private readonly UidFilter _uids;

    // Whether an element is a set or a record.
    private readonly bool _nests;

    private ValueSet(Value[] distinctItems, HashSet<Value>? table)
    {
        (_items, _table) = (distinctItems, table);
        AreEntities = true;
        foreach (var item in distinctItems)
        {
            if (item.TryGet(out EntityUid? uid))
            {
                _uids.Add(uid);
                continue;
            }

            AreEntities = false;
            _nests |= item.Kind is ValueKind.Set or ValueKind.Record;
        }
    }

    /// <summary>The empty set.</summary>
    public static readonly ValueSet Empty = new([], null);

    /// <summary>Makes a set; repeated elements are kept once, in the order of their first appearance.</summary>
    public static ValueSet Create(ReadOnlySpan<Value> items)
    {
        if (items.IsEmpty)
            return Empty;

        if (items.Length >= HashedFrom)
        {
            var table = new HashSet<Value>(items.Length);
            var distinct = new List<Value>(items.Length);
            foreach (var item in items)
            {
                if (table.Add(item))
                    distinct.Add(item);
            }

            return new ValueSet([.. distinct], distinct.Count >= HashedFrom ? table : null);
        }

        var kept = new Value[items.Length];
        var count = 0;
        foreach (var item in items)
        {
            if (!kept.AsSpan(0, count).Contains(item))
                kept[count++] = item;
        }

        return new ValueSet(count == kept.Length ? kept : kept[..count], null);
    }

    /// <summary>How many distinct elements there are.</summary>
    public int Count => _items.Length;

    /// <summary>The distinct elements.</summary>
    public ReadOnlySpan<Value> Items => _items;

    /// <summary>Whether no element is anything but an entity.</summary>
    internal bool AreEntities { get; }

    /// <summary>The elements that are entities, roughly.</summary>
    internal UidFilter Uids => _uids;

    /// <summary>Whether the entity is an element.</summary>
    internal bool Contains(EntityUid uid) => _uids.MayContain(uid) && Contains(Value.Of(uid));

    /// <summary>Whether the value is an element.</summary>
    public bool Contains(Value value) => _table?.Contains(value) ?? _items.AsSpan().Contains(value);

    /// <summary>Whether every element of the other set is one of this.</summary>
    public bool ContainsAll(ValueSet other)
    {
        foreach (var item in other._items)
        {
            if (!Contains(item))
                return false;
        }

        return true;
    }

    /// <summary>Whether the two sets share an element.</summary>
    public bool ContainsAny(ValueSet other)
    {
        var (small, large) = Count <= other.Count ? (this, other) : (other, this);
        foreach (var item in small._items)
        {
            if (large.Contains(item))
                return true;
        }

        return false;
    }

    /// <inheritdoc/>
    public bool Equals(ValueSet? other) => ReferenceEquals(this, other)
        || (other is not null && Count == other.Count && _nests == other._nests && MayEqual(other) && ContainsAll(other));

    // Every element is looked for among all others: where they nest, comparing what differs deep inside would multiply at every level.
    // Their hashes are kept; those of plain values would take longer than comparing them.
    private bool MayEqual(ValueSet other) => !_nests || GetHashCode() == other.GetHashCode();

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as ValueSet);

    /// <inheritdoc/>
    public override int GetHashCode()
    {
        if (_hash == 0)
        {
            // A sum, so that the order of the elements does not matter; but of what each is mixed to, and mixed again in the end: else a
            // set would hash as its only element, and whatever has parts that add up to the same would meet.
            var begin = ValueHash.Begin(ValueKind.Set);
            var sum = 0ul;
            foreach (var item in _items)
                sum = unchecked(sum + ValueHash.Mix(begin, (uint)item.GetHashCode()));

            _hash = ValueHash.Fold(ValueHash.Mix(ValueHash.Mix(begin, sum), (ulong)Count));
        }

        return _hash;
    }

    /// <inheritdoc/>
    public IEnumerator<Value> GetEnumerator() => ((IEnumerable<Value>)_items).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>The set as a Cedar expression.</summary>
    public override string ToString() => new StringBuilder("[").AppendJoin(", ", _items).Append(']').ToString();
}
