namespace AuthSidecar.Services;

/// <summary>What a connection is used for: whether a call is under way on it, and when one was last. One that is not used may be closed in favour of others.</summary>
internal sealed class ConnectionUse(Action close, long openedAt, PeerCredentials? peer = null)
{
    private const int Closed = int.MinValue;

    private int _calls;

    /// <summary>Who opened it; null: it is no Unix socket.</summary>
    public PeerCredentials? Peer { get; } = peer;

    /// <summary>When a call last ended on it, or it was opened, in milliseconds of a clock that nobody sets.</summary>
    public long LastUsedAt { get; private set; } = openedAt;

    /// <summary>Whether there was ever a call on it.</summary>
    public bool WasUsed { get; private set; }

    public bool IsIdle => Volatile.Read(ref _calls) == 0;

    public void Begin()
    {
        WasUsed = true;
        Interlocked.Increment(ref _calls);
    }

    public void End()
    {
        LastUsedAt = Environment.TickCount64;
        Interlocked.Decrement(ref _calls);
    }

    /// <summary>Closes it, unless a call has begun on it.</summary>
    public bool TryClose()
    {
        if (Interlocked.CompareExchange(ref _calls, Closed, 0) != 0)
        {
            return false;
        }

        close();
        return true;
    }
}
