namespace AuthSidecar.Cedar;

/// <summary>What uids a set may have: a bit for each, by its hash, so that mostly one look tells that a uid is not among a few.</summary>
internal struct UidFilter
{
    private ulong _bits;

    public void Add(EntityUid uid) => _bits |= BitOf(uid);
    public readonly bool MayContain(EntityUid uid) => (_bits & BitOf(uid)) != 0;
    public readonly bool MayOverlap(UidFilter other) => (_bits & other._bits) != 0;

    // By the upper bits of the hash; the tables begin with the lower ones.
    private static ulong BitOf(EntityUid uid) => 1ul << (uid.GetHashCode() >>> 26);
}
