namespace AuthSidecar.Tests.Testing;

/// <summary>The wall's clock and the one that nobody sets, apart.</summary>
internal sealed class SteppingTime(DateTimeOffset now) : TimeProvider
{
    private long _elapsed;

    public DateTimeOffset Now { get; set; } = now;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public void Elapse(TimeSpan time)
    {
        Now += time;
        _elapsed += time.Ticks;
    }

    public override DateTimeOffset GetUtcNow() => Now;

    public override long GetTimestamp() => _elapsed;
}
