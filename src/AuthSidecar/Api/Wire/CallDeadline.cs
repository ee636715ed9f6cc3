namespace AuthSidecar.Api.Wire;

/// <summary>How long a caller waits for an answer. Costs nothing unless somebody has to wait.</summary>
internal readonly struct CallDeadline
{
    private const int MaxDigits = 8;

    /// <summary>For those who do not say how long they wait.</summary>
    private static readonly TimeSpan Default = TimeSpan.FromSeconds(10);

    /// <summary>For those who would wait longer: what waits for a revision that never comes holds a place that others need.</summary>
    private static readonly TimeSpan Most = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan MostHeadStart = TimeSpan.FromMilliseconds(50);

    private readonly HttpContext _context;
    private readonly TimeProvider _time;
    private readonly long _started;
    private readonly TimeSpan _timeout;

    /// <param name="context">The call. Its cancellation token is read as late as possible: the server allocates a source for the first
    /// reader.</param>
    /// <param name="timeout">The header `grpc-timeout`; null: 10 seconds. At most 60 seconds count.</param>
    /// <exception cref="RpcException">The header is malformed.</exception>
    public CallDeadline(HttpContext context, string? timeout, TimeProvider time)
    {
        (_context, _time, _timeout) = (context, time, timeout is null ? Default : Read(timeout));
        _started = time.GetTimestamp();
    }

    private bool IsPastDeadline => _time.GetElapsedTime(_started) >= _timeout;

    /// <summary>A call that is over for its caller must not be answered as if it were not: an ALLOW that comes late may be enforced
    /// late.</summary>
    /// <exception cref="RpcException">The deadline is exceeded, or the call is cancelled.</exception>
    public void ThrowIfPastDeadline()
    {
        if (IsPastDeadline)
            throw ApiErrors.DeadlineExceeded();
    }

    /// <summary>Ends what has taken a while already for a caller who is not there any more.</summary>
    /// <exception cref="RpcException">The deadline is exceeded, or the call is cancelled.</exception>
    public void ThrowIfOver()
    {
        ThrowIfPastDeadline();
        if (_context.RequestAborted.IsCancellationRequested)
            throw ApiErrors.Cancelled();
    }

    /// <summary>Is cancelled when the call is over; to be disposed of by whoever has waited.</summary>
    /// <param name="isEarly">Whether it is to be a little earlier, so that the caller hears what was waited for before its own clock ends
    /// the call.</param>
    public CancellationTokenSource BeginWait(bool isEarly = false)
    {
        var waiting = CancellationTokenSource.CreateLinkedTokenSource(_context.RequestAborted);
        var left = _timeout - _time.GetElapsedTime(_started);
        if (isEarly)
            left -= left / 10 < MostHeadStart ? left / 10 : MostHeadStart;

        waiting.CancelAfter(left > TimeSpan.Zero ? left : TimeSpan.Zero);
        return waiting;
    }

    /// <summary>Digits and a unit (PROTOCOL-HTTP2 of gRPC, "Requests").</summary>
    private static TimeSpan Read(string text)
    {
        if (text.Length is < 2 or > MaxDigits + 1
            || !long.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            throw ApiErrors.MalformedTimeout();
        }

        var timeout = text[^1] switch
        {
            'H' => TimeSpan.FromHours(number),
            'M' => TimeSpan.FromMinutes(number),
            'S' => TimeSpan.FromSeconds(number),
            'm' => TimeSpan.FromMilliseconds(number),
            'u' => TimeSpan.FromMicroseconds(number),
            'n' => TimeSpan.FromTicks(number / TimeSpan.NanosecondsPerTick),
            _ => throw ApiErrors.MalformedTimeout(),
        };
        return timeout < Most ? timeout : Most;
    }
}
