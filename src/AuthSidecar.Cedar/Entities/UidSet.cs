using System.Collections;

namespace AuthSidecar.Cedar;

/// <summary>An immutable set of uids: a list while it is small, an open hash table beyond.</summary>
internal sealed class UidSet : IReadOnlyCollection<EntityUid>
{
    private const int HashedFrom = 5;

    // The hashes by themselves, as in UidMap. A list is full; a table has gaps, which are zero, and a power of two of slots.
    private readonly int[] _hashes;
    private readonly EntityUid?[] _items;
    private readonly UidFilter _filter;

    private UidSet(EntityUid?[] items, int count)
    {
        (_items, Count) = (items, count);
        _hashes = Array.ConvertAll(items, item => item?.GetHashCode() ?? 0);
        foreach (var item in this)
            _filter.Add(item);
    }

    public static readonly UidSet Empty = new([], 0);

    public static UidSet Of(HashSet<EntityUid> items)
    {
        if (items.Count < HashedFrom)
            return items.Count == 0 ? Empty : new UidSet([.. items], items.Count);

        var slots = new EntityUid?[System.Numerics.BitOperations.RoundUpToPowerOf2((uint)items.Count * 3 / 2)];
        foreach (var item in items)
        {
            var at = item.GetHashCode() & (slots.Length - 1);
            while (slots[at] is not null)
                at = (at + 1) & (slots.Length - 1);

            slots[at] = item;
        }

        return new UidSet(slots, items.Count);
    }

    public int Count { get; }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Contains(EntityUid uid) => _filter.MayContain(uid) && Find(uid);

    /// <summary>Whether an element of the other set is one of this.</summary>
    public bool Overlaps(ValueSet others)
    {
        if (!_filter.MayOverlap(others.Uids))
            return false;

        // Of the two, the one with fewer elements is gone through.
        if (others.Count <= Count)
        {
            foreach (ref readonly var other in others.Items)
            {
                if (other.TryGet(out EntityUid? uid) && Contains(uid))
                    return true;
            }

            return false;
        }

        foreach (var item in _items)
        {
            if (item is not null && others.Contains(item))
                return true;
        }

        return false;
    }

    private bool Find(EntityUid uid)
    {
        var hashes = _hashes;
        var hash = uid.GetHashCode();
        if (hashes.Length == Count)
        {
            for (var i = 0; i < hashes.Length; i++)
            {
                if (hashes[i] == hash && _items[i]!.Equals(uid))
                    return true;
            }

            return false;
        }

        for (var at = hash & (hashes.Length - 1); hashes[at] != 0; at = (at + 1) & (hashes.Length - 1))
        {
            if (hashes[at] == hash && _items[at]!.Equals(uid))
                return true;
        }

        return false;
    }

    public IEnumerator<EntityUid> GetEnumerator()
    {
        foreach (var item in _items)
        {
            if (item is not null)
                yield return item;
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
