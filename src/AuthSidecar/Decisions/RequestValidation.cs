using AuthSidecar.Cedar;

namespace AuthSidecar.Decisions;

/// <summary>What is done about requests that do not conform to the schema.</summary>
internal enum RequestValidation
{
    /// <summary>Nothing.</summary>
    Off = 0,

    /// <summary>They are decided, and the answer's detail says what does not conform.</summary>
    Warn,

    /// <summary>They are denied.</summary>
    Reject,
}

/// <summary>Logs requests that do not conform to the schema: one a minute, since whoever sends one such request sends many.</summary>
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
        {
            Log.Mismatch(logger, action, mismatch, count);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(23, LogLevel.Warning, "request for {Action} does not conform to the schema: {Mismatch} ({Count} such requests since start)", EventName = "RequestMismatch")]
        public static partial void Mismatch(ILogger logger, EntityUid action, string mismatch, long count);
    }
}
