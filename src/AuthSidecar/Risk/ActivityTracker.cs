namespace AuthSidecar.Risk;

/// <summary>Counts requests per subject over the last minute, for a bounded number of subjects.</summary>
/// <remarks>A sliding window of two halves: the running minute, and what is still inside of the one before it.</remarks>
internal sealed class ActivityTracker(TimeProvider time, int capacity = 100_000)
{
    private const long WindowMs = 60_000;

    private readonly ConcurrentDictionary<EntityUid, Counter> _counters = new();
    private long _purgedInWindow;

    /// <summary>Counts one request and returns how many there were within a minute; null where there is no room to count.</summary>
    public int? Count(EntityUid subject)
    {
        var nowMs = time.GetUtcNow().ToUnixTimeMilliseconds();
        if (!_counters.TryGetValue(subject, out var counter))
        {
            if (_counters.Count >= capacity)
                Purge(nowMs / WindowMs);

            if (_counters.Count >= capacity)
                return null;

            counter = _counters.GetOrAdd(subject, static _ => new Counter());
        }

        return counter.Count(nowMs);
    }

    /// <summary>Drops the subjects that were not seen within the last two windows; at most once a window, so that a flood does not turn it
    /// into work.</summary>
    private void Purge(long window)
    {
        if (Interlocked.Exchange(ref _purgedInWindow, window) == window)
            return;

        foreach (var (subject, counter) in _counters)
        {
            if (counter.IsIdleIn(window))
                _counters.TryRemove(subject, out _);
        }
    }

    private sealed class Counter
    {
        private readonly Lock _lock = new();
        private long _window;
        private int _current;
        private int _previous;

        public int Count(long nowMs)
        {
            lock (_lock)
            {
                var window = nowMs / WindowMs;
                if (window != _window)
                {
                    _previous = window == _window + 1 ? _current : 0;
                    (_window, _current) = (window, 0);
                }

                _current = Math.Min(_current + 1, int.MaxValue / 2);
                var leftOfPrevious = 1 - ((double)(nowMs % WindowMs) / WindowMs);
                return _current + (int)(_previous * leftOfPrevious);
            }
        }

        public bool IsIdleIn(long window)
        {
            lock (_lock)
            {
                return _window < window - 1;
            }
        }
    }
}
