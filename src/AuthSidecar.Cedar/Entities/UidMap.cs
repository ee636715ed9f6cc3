using System.Diagnostics.CodeAnalysis;

namespace AuthSidecar.Cedar;

/// <summary>Something by uid: an open hash table that is also searched by strings, and grows as little as it must.</summary>
/// <remarks>Safe to share between threads once nobody writes any more.</remarks>
internal sealed class UidMap<T>
    where T : class
{
    // The hashes stand by themselves, so that a search runs over a line of memory and looks at nothing else before it has found. Zero: a gap.
    private int[] _hashes;
    private Slot[] _slots;

    public UidMap(int capacity = 0) => (_hashes, _slots) = Allocate(capacity);

    private UidMap(int[] hashes, Slot[] slots, int count) => (_hashes, _slots, Count) = (hashes, slots, count);

    public int Count { get; private set; }

    public IEnumerable<(EntityUid Uid, T Value)> Items
    {
        get
        {
            for (var at = 0; at < _slots.Length; at++)
            {
                if (_hashes[at] != 0)
                {
                    yield return (_slots[at].Uid, _slots[at].Value);
                }
            }
        }
    }

    public bool TryGet(EntityUid uid, [NotNullWhen(true)] out T? value)
    {
        var hashes = _hashes;
        var hash = uid.GetHashCode();
        for (var at = First(hash, hashes.Length); hashes[at] != 0; at = Next(at, hashes.Length))
        {
            if (hashes[at] == hash && _slots[at].Uid.Equals(uid))
            {
                value = _slots[at].Value;
                return true;
            }
        }

        value = null;
        return false;
    }

    /// <summary>Finds the uid of these names, which have this hash, that is in the map.</summary>
    public EntityUid? Find(int hash, string type, string id)
    {
        var hashes = _hashes;
        for (var at = First(hash, hashes.Length); hashes[at] != 0; at = Next(at, hashes.Length))
        {
            if (hashes[at] == hash && _slots[at].Uid.IsNamed(type, id))
            {
                return _slots[at].Uid;
            }
        }

        return null;
    }

    /// <summary>Puts a value in, in place of the one that is there.</summary>
    public void Set(EntityUid uid, T value)
    {
        if (TryFind(uid, out var at))
        {
            _slots[at].Value = value;
            return;
        }

        if (Count + 1 > _slots.Length * 2L / 3)
        {
            Resize((Count + 1) * 2);
            TryFind(uid, out at);
        }

        (_hashes[at], _slots[at]) = (uid.GetHashCode(), new Slot(uid, value));
        Count++;
    }

    /// <summary>Takes a uid out, if it is in.</summary>
    public void Remove(EntityUid uid)
    {
        if (!TryFind(uid, out var at))
        {
            return;
        }

        Free(at);
        // What comes behind it may have been pushed there by it: let each find its place again.
        for (at = Next(at, _slots.Length); _hashes[at] != 0; at = Next(at, _slots.Length))
        {
            var pushed = Free(at);
            Set(pushed.Uid, pushed.Value);
        }
    }

    public UidMap<T> Clone() => new((int[])_hashes.Clone(), (Slot[])_slots.Clone(), Count);

    /// <summary>Gives back what was set aside to grow into.</summary>
    public void Trim()
    {
        if (SlotsFor(Count) < _slots.Length)
        {
            Resize(Count);
        }
    }

    /// <returns>Whether the uid is in; if not, <paramref name="at"/> is the gap where it goes.</returns>
    private bool TryFind(EntityUid uid, out int at)
    {
        var hash = uid.GetHashCode();
        for (at = First(hash, _hashes.Length); _hashes[at] != 0; at = Next(at, _hashes.Length))
        {
            if (_hashes[at] == hash && _slots[at].Uid.Equals(uid))
            {
                return true;
            }
        }

        return false;
    }

    private Slot Free(int at)
    {
        var slot = _slots[at];
        (_hashes[at], _slots[at]) = (0, default);
        Count--;
        return slot;
    }

    private void Resize(int capacity)
    {
        var (hashes, slots) = (_hashes, _slots);
        (_hashes, _slots) = Allocate(capacity);
        for (var from = 0; from < slots.Length; from++)
        {
            if (hashes[from] != 0)
            {
                var at = First(hashes[from], _hashes.Length);
                while (_hashes[at] != 0)
                {
                    at = Next(at, _hashes.Length);
                }

                (_hashes[at], _slots[at]) = (hashes[from], slots[from]);
            }
        }
    }

    private static (int[] Hashes, Slot[] Slots) Allocate(int capacity) => (new int[SlotsFor(capacity)], new Slot[SlotsFor(capacity)]);

    // Three fifths full when it is made, and never without a gap, where every search ends.
    private static int SlotsFor(int count) => Math.Max(2, checked((int)((count * 5L / 3) + 1)));

    /// <summary>The hash as a fraction of the slots, so that there may be any number of them.</summary>
    private static int First(int hash, int slots) => (int)(((ulong)(uint)hash * (uint)slots) >> 32);

    private static int Next(int at, int slots) => at + 1 == slots ? 0 : at + 1;

    private struct Slot(EntityUid uid, T value)
    {
        public readonly EntityUid Uid = uid;
        public T Value = value;
    }
}

/// <summary>Something by uid, in pieces: a changed map shares with the one it came from every piece in which nothing changed.</summary>
/// <remarks>Immutable and safe to share between threads; changed by an <see cref="Editor"/>.</remarks>
internal sealed class SharedUidMap<T>
    where T : class
{
    private const int PieceSize = 512;

    private readonly UidMap<T>[] _pieces;

    private SharedUidMap(UidMap<T>[] pieces, int count) => (_pieces, Count) = (pieces, count);

    public static readonly SharedUidMap<T> Empty = new([new UidMap<T>()], 0);

    public int Count { get; }

    public IEnumerable<T> Values => _pieces.SelectMany(p => p.Items).Select(i => i.Value);

    public bool TryGet(EntityUid uid, [NotNullWhen(true)] out T? value) => PieceOf(_pieces, uid.GetHashCode()).TryGet(uid, out value);

    /// <summary>Finds the uid of these names that is in the map.</summary>
    public EntityUid? Find(string type, string id)
    {
        var hash = NameHash.Of(type, id);
        return PieceOf(_pieces, hash).Find(hash, type, id);
    }

    // A piece is chosen by the low bits; within it, the high bits count.
    private static UidMap<T> PieceOf(UidMap<T>[] pieces, int hash) => pieces[hash & (pieces.Length - 1)];

    /// <summary>Copies a piece before it changes for the first time.</summary>
    public sealed class Editor
    {
        private UidMap<T>[] _pieces;
        private bool[] _isOwn;
        private int _count;

        /// <param name="from">The map to start from, which stays as it is.</param>
        /// <param name="added">About how many more there will be.</param>
        public Editor(SharedUidMap<T> from, int added)
        {
            _count = from.Count;
            var pieces = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)((from.Count + (long)added) / PieceSize) + 1);
            if (pieces <= from._pieces.Length * 4)
            {
                (_pieces, _isOwn) = ((UidMap<T>[])from._pieces.Clone(), new bool[from._pieces.Length]);
                return;
            }

            // Grown out of its pieces: everything moves, which happens once in a fourfold growth.
            (_pieces, _isOwn) = (new UidMap<T>[pieces], new bool[pieces]);
            for (var i = 0; i < pieces; i++)
            {
                (_pieces[i], _isOwn[i]) = (new UidMap<T>(PieceSize), true);
            }

            foreach (var (uid, value) in from._pieces.SelectMany(p => p.Items))
            {
                PieceOf(_pieces, uid.GetHashCode()).Set(uid, value);
            }
        }

        public bool TryGet(EntityUid uid, [NotNullWhen(true)] out T? value) => PieceOf(_pieces, uid.GetHashCode()).TryGet(uid, out value);

        public void Set(EntityUid uid, T value)
        {
            var piece = OwnPieceOf(uid);
            var before = piece.Count;
            piece.Set(uid, value);
            _count += piece.Count - before;
        }

        public void Remove(EntityUid uid)
        {
            var piece = OwnPieceOf(uid);
            var before = piece.Count;
            piece.Remove(uid);
            _count += piece.Count - before;
        }

        public SharedUidMap<T> ToMap()
        {
            for (var i = 0; i < _pieces.Length; i++)
            {
                if (_isOwn[i])
                {
                    _pieces[i].Trim();
                }
            }

            // Whoever wrote on would write into the map.
            var map = new SharedUidMap<T>(_pieces, _count);
            (_pieces, _isOwn) = ([], []);
            return map;
        }

        private UidMap<T> OwnPieceOf(EntityUid uid)
        {
            var at = uid.GetHashCode() & (_pieces.Length - 1);
            if (!_isOwn[at])
            {
                (_pieces[at], _isOwn[at]) = (_pieces[at].Clone(), true);
            }

            return _pieces[at];
        }
    }
}
