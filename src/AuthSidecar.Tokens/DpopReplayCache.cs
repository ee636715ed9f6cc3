using System.Collections.Concurrent;

namespace AuthSidecar.Tokens;

/// <summary>Remembers which DPoP proofs were used, until they are too old to be used again.</summary>
/// <remarks>Bounded per owner, who may have any number of keys, and in all, so that one client's flood is its own loss: where nothing can
/// be remembered, nothing is accepted. When there is no more room, those are refused who have more than their share of it; at twice of it,
/// everybody is.</remarks>
internal sealed class DpopReplayCache(int perOwner = 5_000, int inAll = 200_000)
{
    private readonly ConcurrentDictionary<string, OwnerProofs> _owners = new(StringComparer.Ordinal);
    private readonly int _perOwner = perOwner;
    private readonly int _inAll = inAll;
    private int _count;
    private int _ownerCount;
    private long _purgedAt;

    /// <summary>What each may have when there is no more room.</summary>
    private int Share => Math.Max(1, _inAll / Math.Max(1, Volatile.Read(ref _ownerCount)));

    /// <param name="owner">Whose it is: a subject of an issuer, or a key where there is no subject yet.</param>
    /// <param name="untilSeconds">Until when it could be used.</param>
    /// <param name="nowSeconds">Now.</param>
    /// <returns>None; or that it was used before; or that it cannot be remembered.</returns>
    public TokenRejection TryAdd(string owner, string proof, long untilSeconds, long nowSeconds)
    {
        if (Volatile.Read(ref _count) >= _inAll)
        {
            PurgeOnceASecond(nowSeconds);
            if (Volatile.Read(ref _count) >= 2 * _inAll)
            {
                // So many owners that their shares are more than there is.
                return _owners.TryGetValue(owner, out var proofs) && proofs.Contains(proof, nowSeconds) ? TokenRejection.ProofReplayed
                    : TokenRejection.ProofLimit;
            }
        }

        while (true)
        {
            // One that was dropped in between remembers nothing any more: ask for its successor.
            if (FindOrAdd(owner).TryAdd(this, proof, untilSeconds, nowSeconds) is { } result)
                return result;
        }
    }

    private OwnerProofs FindOrAdd(string owner)
    {
        if (_owners.TryGetValue(owner, out var known))
            return known;

        var added = new OwnerProofs();
        if (!_owners.TryAdd(owner, added))
            return _owners.GetValueOrDefault(owner) ?? FindOrAdd(owner);

        Interlocked.Increment(ref _ownerCount);
        return added;
    }

    private void PurgeOnceASecond(long nowSeconds)
    {
        if (Interlocked.Exchange(ref _purgedAt, nowSeconds) == nowSeconds)
            return;

        foreach (var (owner, proofs) in _owners)
        {
            if (proofs.PurgeAndDropIfEmpty(this, nowSeconds) && _owners.TryRemove(KeyValuePair.Create(owner, proofs)))
                Interlocked.Decrement(ref _ownerCount);
        }
    }

    private sealed class OwnerProofs
    {
        private readonly Dictionary<string, long> _until = new(StringComparer.Ordinal);
        private long _purgedAt;
        private bool _isDropped;

        public bool Contains(string proof, long nowSeconds)
        {
            lock (_until)
            {
                return _until.TryGetValue(proof, out var until) && until >= nowSeconds;
            }
        }

        /// <returns>Null when this was dropped.</returns>
        public TokenRejection? TryAdd(DpopReplayCache all, string proof, long untilSeconds, long nowSeconds)
        {
            lock (_until)
            {
                if (_isDropped)
                    return null;

                if (Contains(proof, nowSeconds))
                    return TokenRejection.ProofReplayed;

                if (_until.Count >= all._perOwner && _purgedAt != nowSeconds)
                {
                    _purgedAt = nowSeconds;
                    Purge_NeedsLock(all, nowSeconds);
                }

                if (_until.Count >= all._perOwner || (Volatile.Read(ref all._count) >= all._inAll && _until.Count >= all.Share))
                    return TokenRejection.ProofLimit;

                if (!_until.ContainsKey(proof))
                    Interlocked.Increment(ref all._count);

                _until[proof] = untilSeconds;
                return TokenRejection.None;
            }
        }

        public bool PurgeAndDropIfEmpty(DpopReplayCache all, long nowSeconds)
        {
            lock (_until)
            {
                Purge_NeedsLock(all, nowSeconds);
                return _isDropped = _until.Count == 0;
            }
        }

        private void Purge_NeedsLock(DpopReplayCache all, long nowSeconds)
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
}
