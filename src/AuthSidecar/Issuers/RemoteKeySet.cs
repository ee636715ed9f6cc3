namespace AuthSidecar.Issuers;

/// <summary>One key set: what there is of it, and when it was asked for.</summary>
internal sealed class RemoteKeySet(KeySetSource source, Action want)
{
    private readonly Lock _completing = new();
    private KeySet _keys = KeySet.Empty;
    private ConditionalWeakTable<Issuer, Issuer> _completed = [];
    private long _attemptedAtMs;
    private int _isWanted;

    public KeySetSource Source => source;
    public Uri Url => source.Url;
    public string? ETag { get; private set; }
    public byte[] Text { get; private set; } = [];
    public DateTimeOffset FetchedAt { get; private set; }

    public Issuer Complete(Issuer issuer)
    {
        lock (_completing)
        {
            return _completed.GetValue(issuer, i => i with { Keys = _keys, LookForKeys = want });
        }
    }

    public bool IsDue(DateTimeOffset now, RemoteKeySetOptions options)
    {
        var sinceAttempt = now.ToUnixTimeMilliseconds() - Volatile.Read(ref _attemptedAtMs);
        return sinceAttempt >= options.RefreshEvery.TotalMilliseconds
            || ((Volatile.Read(ref _isWanted) == 1 || Text.Length == 0) && sinceAttempt >= options.Cooldown.TotalMilliseconds);
    }

    public void Attempted(DateTimeOffset now)
    {
        Volatile.Write(ref _attemptedAtMs, now.ToUnixTimeMilliseconds());
        Volatile.Write(ref _isWanted, 0);
    }

    /// <summary>Whether this is the first to ask since it may be fetched again.</summary>
    public bool TryWant(DateTimeOffset now, TimeSpan cooldown) =>
        now.ToUnixTimeMilliseconds() - Volatile.Read(ref _attemptedAtMs) >= cooldown.TotalMilliseconds
            && Interlocked.Exchange(ref _isWanted, 1) == 0;

    public int Keys => _keys.Count;

    /// <summary>Takes what was fetched; false: it is what it was, or no key set. With its faults, or what was passed over in
    /// it.</summary>
    public bool TryTake(byte[]? body, string? etag, DateTimeOffset now, out IReadOnlyList<Fault> faults)
    {
        faults = [];
        if (body is null || body.AsSpan().SequenceEqual(Text))
        {
            (FetchedAt, ETag) = (now, etag);
            return false;
        }

        var wrong = new List<Fault>();
        var keys = KeySetReader.Read(source.Url.AbsoluteUri, body, source.Rules, wrong);
        if (wrong.Count > 0)
        {
            faults = wrong;
            return false;
        }

        faults = keys.Ignored;
        (Text, ETag, FetchedAt) = (body, etag, now);
        Exchange(keys);
        return true;
    }

    public bool TryForget(DateTimeOffset before)
    {
        if (Text.Length == 0 || FetchedAt > before)
            return false;

        (Text, ETag) = ([], null);
        Exchange(KeySet.Empty);
        return true;
    }

    // The keys of before are not disposed of: somebody may be verifying with them at this moment.
    private void Exchange(KeySet keys)
    {
        lock (_completing)
        {
            (_keys, _completed) = (keys, []);
        }
    }
}
