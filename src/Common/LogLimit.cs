namespace AuthSidecar.Common;

/// <summary>Limits log lines that others can cause: of each kind and subject some a minute one by one, and then their number.</summary>
internal sealed class LogLimit(TimeProvider time)
{
    private const int EachPerMinute = 5;
    private const int MaxKeys = 10_000;

    private readonly ConcurrentDictionary<(string Kind, string Subject), int> _counts = [];
    private long _minute;

    /// <summary>Whether there are lines to report by <see cref="TakeSuppressed"/>.</summary>
    public bool HasAny => !_counts.IsEmpty;

    /// <summary>Whether this one is logged by itself.</summary>
    /// <param name="kind">Of a fixed set.</param>
    /// <param name="subject">What it is counted for, such as an address. Of too many, all others are counted together.</param>
    public bool Take(string kind, string subject)
    {
        var key = (kind, _counts.Count < MaxKeys ? subject : "");
        return _counts.AddOrUpdate(key, 1, (_, n) => n + 1) <= EachPerMinute;
    }

    /// <summary>Once the minute is over, the numbers of those that were not logged by themselves. Not for several threads at
    /// once.</summary>
    public IEnumerable<(string Kind, string Subject, int Count)> TakeSuppressed()
    {
        var minute = time.GetUtcNow().ToUnixTimeMilliseconds() / 60_000;
        if (minute == _minute)
            yield break;

        _minute = minute;
        foreach (var (key, _) in _counts)
        {
            if (_counts.TryRemove(key, out var count) && count > EachPerMinute)
                yield return (key.Kind, key.Subject, count - EachPerMinute);
        }
    }
}
