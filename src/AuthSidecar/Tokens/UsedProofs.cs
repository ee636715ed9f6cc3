using System.Collections.Concurrent;

namespace AuthSidecar.Tokens;

/// <summary>Remembers which DPoP proofs were used, until they are too old to be used again.</summary>
/// <remarks>Bounded per key and in all, so that one client's flood is its own loss: where nothing can be remembered, nothing is accepted.</remarks>
internal sealed class UsedProofs(int perKey = 5_000, int inAll = 200_000)
{
    private readonly ConcurrentDictionary<string, KeyProofs> _keys = new(StringComparer.Ordinal);
    private int _count;
    private long _purgedAt;

    /// <returns>None; or that it was used before; or that it cannot be remembered.</returns>
    public TokenError TryAdd(string key, string proof, long untilSeconds, long nowSeconds)
    {
        if (Volatile.Read(ref _count) >= inAll)
        {
            PurgeOnceASecond(nowSeconds);
        }

        return _keys.GetOrAdd(key, static _ => new KeyProofs()).TryAdd(this, proof, untilSeconds, nowSeconds);
    }

    private void PurgeOnceASecond(long nowSeconds)
    {
        if (Interlocked.Exchange(ref _purgedAt, nowSeconds) == nowSeconds)
        {
            return;
        }

        foreach (var proofs in _keys.Values)
        {
            proofs.Purge(this, nowSeconds);
        }
    }

    private sealed class KeyProofs
    {
        private readonly Dictionary<string, long> _until = new(StringComparer.Ordinal);
        private long _purgedAt;

        public TokenError TryAdd(UsedProofs all, string proof, long untilSeconds, long nowSeconds)
        {
            lock (_until)
            {
                if (_until.TryGetValue(proof, out var until) && until >= nowSeconds)
                {
                    return TokenError.ProofReplayed;
                }

                if (_until.Count >= all.PerKey && _purgedAt != nowSeconds)
                {
                    _purgedAt = nowSeconds;
                    Purge_NeedsLock(all, nowSeconds);
                }

                if (_until.Count >= all.PerKey || Volatile.Read(ref all._count) >= all.InAll)
                {
                    return TokenError.ProofLimit;
                }

                if (_until.TryAdd(proof, untilSeconds))
                {
                    Interlocked.Increment(ref all._count);
                }
                else
                {
                    _until[proof] = untilSeconds;
                }

                return TokenError.None;
            }
        }

        public void Purge(UsedProofs all, long nowSeconds)
        {
            lock (_until)
            {
                Purge_NeedsLock(all, nowSeconds);
            }
        }

        private void Purge_NeedsLock(UsedProofs all, long nowSeconds)
        {
            foreach (var (proof, until) in _until)
            {
                if (until < nowSeconds)
                {
                    _until.Remove(proof);
                    Interlocked.Decrement(ref all._count);
                }
            }
        }
    }

    private int PerKey => perKey;

    private int InAll => inAll;
}
