namespace AuthSidecar.Common;

/// <summary>Limits a kind of log line that others can cause to one in a period, and counts those that are not logged.</summary>
internal sealed class LogPace(TimeProvider time, TimeSpan every)
{
    private long _last = time.GetTimestamp() - (long)(every.TotalSeconds * time.TimestampFrequency) - 1;
    private long _suppressed;

    /// <summary>Whether this one is logged.</summary>
    /// <param name="suppressed">How many were not since the one that was logged last.</param>
    public bool TryTake(out long suppressed)
    {
        var (last, now) = (Volatile.Read(ref _last), time.GetTimestamp());
        if (time.GetElapsedTime(last, now) < every || Interlocked.CompareExchange(ref _last, now, last) != last)
        {
            Interlocked.Increment(ref _suppressed);
            suppressed = 0;
            return false;
        }

        suppressed = Interlocked.Exchange(ref _suppressed, 0);
        return true;
    }
}
