namespace AuthSidecar.Telemetry;

/// <summary>How many decisions the sidecar has made since it started.</summary>
internal sealed class DecisionCounter
{
    private long _count;

    public long Count => Volatile.Read(ref _count);
    public void Add() => Interlocked.Increment(ref _count);
}
