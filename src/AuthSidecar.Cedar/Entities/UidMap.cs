namespace AuthSidecar.Cedar;

/// <summary>Something by uid: an open hash table that is also searched by strings, and grows as little as it must.</summary>
/// <remarks>Safe to share between threads once nobody writes any more.</remarks>
internal sealed class UidMap<T>
    where T : class
{
    // A hash in the upper half and the number of its item in the lower one, so that a search looks at nothing else before it has found.
    // Zero: a gap. Places are cheap beside items, and so many of them are left free that a search mostly ends where it begins.
    private ulong[] _places;
    private Item[] _items;

    public UidMap(int capacity = 0) => (_places, _items) = (new ulong[PlacesFor(capacity)], new Item[capacity]);
    private UidMap(ulong[] places, Item[] items, int count) => (_places, _items, Count) = (places, items, count);
    public int Count { get; private set; }
    public IEnumerable<(EntityUid Uid, T Value)> Items => _items.Take(Count).Select(i => (i.Uid, i.Value));

    public bool TryGet(EntityUid uid, [NotNullWhen(true)] out T? value)
    {
        var places = _places;
        var hash = (uint)uid.GetHashCode();
        for (var at = First(hash, places.Length); places[at] is var place && place != 0; at = Next(at, places.Length))
        {
            if (HashOf(place) == hash && _items[ItemOf(place)] is var item && item.Uid.Equals(uid))
            {
                value = item.Value;
                return true;
            }
        }

        value = null;
        return false;
    }

    /// <summary>Finds the uid of these names, which have this hash, that is in the map.</summary>
    public EntityUid? Find(int hash, string type, string id)
    {
        var places = _places;
        for (var at = First((uint)hash, places.Length); places[at] is var place && place != 0; at = Next(at, places.Length))
        {
            if (HashOf(place) == (uint)hash && _items[ItemOf(place)].Uid is var uid && uid.IsNamed(type, id))
                return uid;
        }

        return null;
    }

    /// <summary>Puts a value in, in place of the one that is there.</summary>
    public void Set(EntityUid uid, T value)
    {
        if (TryFind(uid, out var at))
        {
            _items[ItemOf(_places[at])].Value = value;
            return;
        }

        if (Count == _items.Length)
            Resize((Count + 1) * 2);

        _items[Count] = new Item(uid, value);
        Occupy((uint)uid.GetHashCode(), Count++);
    }

    /// <summary>Takes a uid out, if it is in.</summary>
    public void Remove(EntityUid uid)
    {
        if (!TryFind(uid, out var at))
            return;

        // The last item fills the hole.
        var hole = ItemOf(_places[at]);
        var last = _items[--Count];
        if (hole != Count)
        {
            TryFind(last.Uid, out var moved);
            _places[moved] = PlaceOf((uint)last.Uid.GetHashCode(), hole);
            _items[hole] = last;
        }

        _items[Count] = default;
        _places[at] = 0;
        // What comes behind it may have been pushed there by it: let each find its place again.
        for (at = Next(at, _places.Length); _places[at] is var pushed && pushed != 0; at = Next(at, _places.Length))
        {
            _places[at] = 0;
            Occupy(HashOf(pushed), ItemOf(pushed));
        }
    }

    public UidMap<T> Clone() => new((ulong[])_places.Clone(), (Item[])_items.Clone(), Count);

    /// <summary>Gives back what was set aside to grow into.</summary>
    public void Trim()
    {
        if (Count < _items.Length)
            Resize(Count);
    }

    private bool TryFind(EntityUid uid, out int at)
    {
        var hash = (uint)uid.GetHashCode();
        for (at = First(hash, _places.Length); _places[at] is var place && place != 0; at = Next(at, _places.Length))
        {
            if (HashOf(place) == hash && _items[ItemOf(place)].Uid.Equals(uid))
                return true;
        }

        return false;
    }

    private void Occupy(uint hash, int item)
    {
        var at = First(hash, _places.Length);
        while (_places[at] != 0)
            at = Next(at, _places.Length);

        _places[at] = PlaceOf(hash, item);
    }

    private void Resize(int capacity)
    {
        Array.Resize(ref _items, capacity);
        _places = new ulong[PlacesFor(capacity)];
        for (var i = 0; i < Count; i++)
            Occupy((uint)_items[i].Uid.GetHashCode(), i);
    }

    // Never without a gap, where every search ends.
    private static int PlacesFor(int items) => Math.Max(2, checked((int)((items * 5L / 2) + 1)));

    private static ulong PlaceOf(uint hash, int item) => ((ulong)hash << 32) | (uint)item;
    private static uint HashOf(ulong place) => (uint)(place >> 32);
    private static int ItemOf(ulong place) => (int)place;

    /// <summary>The hash as a fraction of the places, so that there may be any number of them.</summary>
    private static int First(uint hash, int places) => (int)(((ulong)hash * (uint)places) >> 32);

    private static int Next(int at, int places) => at + 1 == places ? 0 : at + 1;

    private struct Item(EntityUid uid, T value)
    {
        public readonly EntityUid Uid = uid;
        public T Value = value;
    }
}
