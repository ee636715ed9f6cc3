using System.Collections;

namespace AuthSidecar.Cedar;

/// <summary>An immutable set of uids: an array while it is small, a hash table beyond.</summary>
internal sealed class UidSet : IReadOnlyCollection<EntityUid>
{
    private const int HashedFrom = 8;

    private readonly EntityUid[] _items;
    private readonly HashSet<EntityUid>? _table;

    private UidSet(EntityUid[] items, HashSet<EntityUid>? table)
    {
        _items = items;
        _table = table;
    }

    public static readonly UidSet Empty = new([], null);

    public static UidSet Of(HashSet<EntityUid> items) => items.Count switch
    {
        0 => Empty,
        < HashedFrom => new UidSet([.. items], null),
        _ => new UidSet([.. items], items),
    };

    public int Count => _items.Length;

    public bool Contains(EntityUid uid)
    {
        if (_table is not null)
        {
            return _table.Contains(uid);
        }

        foreach (var item in _items)
        {
            if (item.Equals(uid))
            {
                return true;
            }
        }

        return false;
    }

    public IEnumerator<EntityUid> GetEnumerator() => ((IEnumerable<EntityUid>)_items).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
