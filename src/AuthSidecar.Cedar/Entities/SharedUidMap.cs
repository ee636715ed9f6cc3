namespace AuthSidecar.Cedar;

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
                (_pieces[i], _isOwn[i]) = (new UidMap<T>(PieceSize), true);

            foreach (var (uid, value) in from._pieces.SelectMany(p => p.Items))
                PieceOf(_pieces, uid.GetHashCode()).Set(uid, value);
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
                    _pieces[i].Trim();
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
                (_pieces[at], _isOwn[at]) = (_pieces[at].Clone(), true);

            return _pieces[at];
        }
    }
}
