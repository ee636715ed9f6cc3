namespace AuthSidecar.Api.Calls;

/// <summary>Logs requests that do not conform to the schema: at most one a minute, because a client that sends one such request sends
/// many.</summary>
internal sealed partial class MismatchLog(TimeProvider time, ILogger<MismatchLog> logger)
{
    private static readonly TimeSpan Every = TimeSpan.FromMinutes(1);

    private readonly LogPace _pace = new(time, Every);
    private long _count;

    public void Note(EntityUid action, string mismatch)
    {
        var count = Interlocked.Increment(ref _count);
        if (_pace.TryTake(out _))
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
