using System.Collections;

namespace AuthSidecar.Cedar;

/// <summary>An immutable set of uids: a list while it is small, an open hash table beyond.</summary>
internal sealed class UidSet : IReadOnlyCollection<EntityUid>
{
    private const int HashedFrom = 5;

    // A list is full; a table has gaps, and a power of two of slots.
    private readonly EntityUid?[] _slots;

    private UidSet(EntityUid?[] slots, int count) => (_slots, Count) = (slots, count);

    public static readonly UidSet Empty = new([], 0);

    public static UidSet Of(HashSet<EntityUid> items)
    {
        if (items.Count < HashedFrom)
        {
            return items.Count == 0 ? Empty : new UidSet([.. items], items.Count);
        }

        var slots = new EntityUid?[System.Numerics.BitOperations.RoundUpToPowerOf2((uint)items.Count * 3 / 2)];
        foreach (var item in items)
        {
            var at = item.GetHashCode() & (slots.Length - 1);
            while (slots[at] is not null)
            {
                at = (at + 1) & (slots.Length - 1);
            }

            slots[at] = item;
        }

        return new UidSet(slots, items.Count);
    }

    public int Count { get; }

    public bool Contains(EntityUid uid)
    {
        var slots = _slots;
        if (slots.Length == Count)
        {
            foreach (var item in slots)
            {
                if (item!.Equals(uid))
                {
                    return true;
                }
            }

            return false;
        }

        for (var at = uid.GetHashCode() & (slots.Length - 1); slots[at] is { } item; at = (at + 1) & (slots.Length - 1))
        {
            if (item.Equals(uid))
            {
                return true;
            }
        }

        return false;
    }

    public IEnumerator<EntityUid> GetEnumerator()
    {
        foreach (var item in _slots)
        {
            if (item is not null)
            {
                yield return item;
            }
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
