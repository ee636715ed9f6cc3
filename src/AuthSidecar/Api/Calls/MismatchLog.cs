namespace AuthSidecar.Api.Calls;

/// <summary>Logs requests that do not conform to the schema: at most one a minute, because a client that sends one such request sends
/// many.</summary>
internal sealed partial class MismatchLog(TimeProvider time, ILogger<MismatchLog> logger)
{
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(1);

    private long _count;
    private long _loggedAt;

    public void Note(EntityUid action, string mismatch)
    {
        var count = Interlocked.Increment(ref _count);
        var (last, now) = (Volatile.Read(ref _loggedAt), time.GetTimestamp());
        if ((count == 1 || time.GetElapsedTime(last, now) >= Every) && Interlocked.CompareExchange(ref _loggedAt, now, last) == last)
            Log.Mismatch(logger, action, mismatch, count);
    }

    private static partial class Log
    {
        [LoggerMessage(23, LogLevel.Warning,
            "request for {Action} does not conform to the schema: {Mismatch} ({Count} such requests since start)",
            EventName = "RequestMismatch")]
        public static partial void Mismatch(ILogger logger, EntityUid action, string mismatch, long count);
    }
}
