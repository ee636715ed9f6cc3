using AuthSidecar.Decisions;

namespace AuthSidecar.Api.Calls;

/// <summary>What a connection is used for: whether a call is under way on it, and when one was last. One that is not used may be closed in
/// favour of others.</summary>
/// <param name="close">Closes it; told whether there ever was a call on it.</param>
/// <param name="number">Its place in the order in which connections were opened.</param>
/// <param name="openedAt">When it was opened, in milliseconds of a monotonic clock.</param>
/// <param name="peer">The process that opened it; null: not a Unix socket.</param>
/// <param name="network">The network it comes from; empty: that is not known, or it is a Unix socket.</param>
internal sealed class ConnectionUse(Action<bool> close, long number, long openedAt, PeerCredentials? peer = null, string network = "")
{
    private const int Closed = int.MinValue;

    /// <summary>How long the first call on a new connection may take to arrive, in milliseconds: until then it counts as used. Not where
    /// peers are not told apart: there a flood of new connections would be closed after those that others use.</summary>
    private const long FirstCallMs = 100;

    private readonly long _number = number;
    private int _calls;
    private volatile bool _wasUsed;

    /// <summary>The process that opened it; null: not a Unix socket.</summary>
    public PeerCredentials? Peer { get; } = peer;

    /// <summary>The workload that its client certificate names; null: none.</summary>
    public Caller? Caller { get; set; }

    /// <summary>When the certificate of its client expires; null: it has none.</summary>
    public DateTimeOffset? ClientCertificateEnd { get; set; }

    /// <summary>Whose it is, among those whose connections are counted together: a process as far as the kernel tells, else a
    /// network.</summary>
    public (int Process, uint User, string Network) Owner =>
        Peer is { } process ? (process.ProcessId, process.UserId, "") : (-1, 0, network);

    /// <summary>Whose it is, for the log; null: unknown.</summary>
    public string? Describe() => Peer?.ToString() ?? Caller?.SpiffeId;

    /// <summary>Whether it was used, or opened, before another: within a millisecond, the one that was opened first.</summary>
    public bool IsOlderThan(ConnectionUse other) => (LastUsedAt, _number).CompareTo((other.LastUsedAt, other._number)) < 0;

    /// <summary>When a call last ended on it, or the first is expected by, in milliseconds of a monotonic clock.</summary>
    public long LastUsedAt { get; private set; } = openedAt + (peer is { ProcessId: > 0 } ? FirstCallMs : 0);

    public bool IsIdle => Volatile.Read(ref _calls) == 0;

    /// <summary>Whether the call that ended last on it was canceled.</summary>
    public bool LastWasCancelled { get; private set; }

    /// <summary>A call on it was canceled, whether or not it had begun; after <see cref="End"/>.</summary>
    public void MarkCancelled() => LastWasCancelled = true;

    /// <summary>It had to wait for its turn: calls can arrive from now on.</summary>
    public void Start() => LastUsedAt = Environment.TickCount64 + FirstCallMs;

    public void Begin()
    {
        _wasUsed = true;
        Interlocked.Increment(ref _calls);
    }

    public void End()
    {
        LastUsedAt = Environment.TickCount64;
        if (LastWasCancelled)
            LastWasCancelled = false;

        Interlocked.Decrement(ref _calls);
    }

    /// <summary>Closes it once the calls on it have ended.</summary>
    public void RequestClose() => close(true);

    /// <summary>Closes it, unless a call has begun on it.</summary>
    public bool TryClose()
    {
        if (Interlocked.CompareExchange(ref _calls, Closed, 0) != 0)
            return false;

        close(_wasUsed);
        return true;
    }
}
