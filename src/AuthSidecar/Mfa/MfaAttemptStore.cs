using AuthSidecar.State;

namespace AuthSidecar.Mfa;

/// <summary>Which codes are redeemed, and how many were wrong: the local store of a sidecar on its own. A journal on disk; every change is
/// on disk before anybody hears of it.</summary>
/// <remarks>
/// One thread writes: it takes all attempts that wait, appends them, and flushes once for all. Nobody else ever waits for a disk on a
/// thread that decisions are made by.
/// <para/>
/// A line of the journal is the whole state of one counter; the last line wins. Damage stops the sidecar from starting: what is lost might
/// be a code that could then be used again.
/// </remarks>
internal sealed class MfaAttemptStore : IDisposable
{
    private const string AccountWide = "";
    private const int MaxLocks = 30;

    // 9999-12-31: no clock goes further.
    private const long LatestMs = 253_402_300_799_999;

    /// <summary>More than this wait for no disk that is worth waiting for.</summary>
    private const int MaxWaiting = 4_096;

    private readonly BlockingCollection<Waiting> _waiting = new(MaxWaiting);
    private readonly Thread _writer;
    private readonly ConcurrentDictionary<FactorKey, CounterState> _states = new();

    // What the attempts since the last flush have made of counters; the writer's alone.
    private readonly Dictionary<FactorKey, CounterState> _unflushed = [];

    private readonly Journal _journal;

    private MfaAttemptStore(string path, MfaAttemptLimits limits)
    {
        Limits = limits;
        _journal = Journal.Open(path, Replay, "restore it from a backup, or remove it and enrol every factor again");
        _writer = new Thread(Write) { IsBackground = true, Name = "MFA attempt store" };
        _writer.Start();
    }

    public MfaAttemptLimits Limits { get; }

    /// <summary>Opens the store, or makes an empty one.</summary>
    /// <exception cref="IOException">Another process has it, or the disk fails.</exception>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public static MfaAttemptStore Open(string path, MfaAttemptLimits limits) => new(path, limits);

    /// <summary>Looks at a code, counts it if it is wrong, redeems it if it is right, and answers once that is on disk: whoever is not
    /// answered has learned nothing, and whoever is answered has been counted. A code that is redeemed already is no failure: a caller may
    /// well ask twice.</summary>
    /// <param name="check">Looks at the code: right, and redeemed before or not, or wrong. Called by the writer, and not at all for a
    /// factor that is locked.</param>
    /// <param name="cancellation">The caller's patience: an attempt of a caller who has gone before it is looked at does not count.</param>
    /// <exception cref="IOException">It could not be stored, and so was not made.</exception>
    /// <exception cref="OperationCanceledException">The caller has gone.</exception>
    public Task<Attempt> AttemptAsync(
        FactorKey factor, DateTimeOffset now, Func<RedeemedCodes, CheckedCode> check, CancellationToken cancellation)
    {
        var waiting = new Waiting(factor, now, check, cancellation);
        try
        {
            return _waiting.TryAdd(waiting) ? waiting.Answer : Task.FromException<Attempt>(new MfaAttemptStoreBusyException());
        }
        catch (Exception e) when (e is InvalidOperationException or ObjectDisposedException)
        {
            return Task.FromException<Attempt>(new IOException("the second-factor store is closed"));
        }
    }

    /// <summary>How many codes of the subject were wrong since the last right one.</summary>
    public int FailuresOf(EntityUid subject) => _states.GetValueOrDefault(new FactorKey(subject, AccountWide))?.Failures ?? 0;

    // ------------------------------------------------------------------ the writer

    private void Write()
    {
        var batch = new List<Waiting>();
        foreach (var first in _waiting.GetConsumingEnumerable())
        {
            batch.Add(first);
            while (batch.Count < MaxWaiting && _waiting.TryTake(out var next))
                batch.Add(next);

            Write(batch);
            batch.Clear();
        }
    }

    private void Write(List<Waiting> batch)
    {
        try
        {
            foreach (var waiting in batch)
                waiting.Attempt = waiting.IsOver ? null : Try(waiting);

            Commit();
        }
        catch (Exception e)
        {
            // Nothing of it counts, and nobody is told anything but this.
            _unflushed.Clear();
            batch.ForEach(w => w.Fail(e as IOException ?? new IOException("an attempt could not be stored", e)));
            return;
        }

        batch.ForEach(w => w.Complete());
    }

    private Attempt Try(Waiting waiting)
    {
        var account = Find(waiting.Factor with { FactorId = AccountWide });
        var own = Find(waiting.Factor);
        if (LatestLock(account, own) is { } lockedUntil && lockedUntil > waiting.Now)
            return new Attempt(AttemptOutcome.Locked, 0, lockedUntil);

        var code = waiting.Check(new RedeemedCodes(own));
        switch (code.Kind)
        {
            case CodeKind.Right:
                own = code.Hash is null ? own with { LastStep = code.Step }
                    : own with { Used = [.. own.Used, RedeemedCodes.NameOf(code.Hash)] };
                Keep(own with { Failures = 0, Locks = 0, LockedUntilMs = 0 });
                Keep(account with { Failures = 0, Locks = 0, LockedUntilMs = 0 });
                return new Attempt(AttemptOutcome.Redeemed, Limits.PerFactor, null);
            case CodeKind.Redeemed: return new Attempt(AttemptOutcome.AlreadyRedeemed, AttemptsLeft(account, own), null);
            default:
                account = Failed(account, Limits.PerAccount, waiting.Now);
                own = Failed(own, Limits.PerFactor, waiting.Now);
                Keep(account);
                Keep(own);
                return new Attempt(AttemptOutcome.Wrong, AttemptsLeft(account, own), LatestLock(account, own));
        }
    }

    private void Keep(CounterState state) => _unflushed[state.Key] = state;

    private CounterState Find(FactorKey key) =>
        _unflushed.GetValueOrDefault(key)
            ?? _states.GetValueOrDefault(key) ?? new CounterState { Type = key.Subject.Type, Id = key.Subject.Id, Factor = key.FactorId };

    /// <summary>An attempt that waits for the writer, and its caller for the disk.</summary>
    private sealed class Waiting(
        FactorKey factor, DateTimeOffset now, Func<RedeemedCodes, CheckedCode> check, CancellationToken cancellation)
    {
        // Continued elsewhere: the writer writes.
        private readonly TaskCompletionSource<Attempt> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public FactorKey Factor => factor;
        public DateTimeOffset Now => now;
        public Task<Attempt> Answer => _answer.Task;
        public bool IsOver => cancellation.IsCancellationRequested;

        /// <summary>What came of it; null: its caller had gone.</summary>
        public Attempt? Attempt { get; set; }

        public CheckedCode Check(RedeemedCodes redeemed) => check(redeemed);

        public void Complete()
        {
            if (Attempt is { } attempt)
                _answer.TrySetResult(attempt);
            else
                _answer.TrySetCanceled(cancellation);
        }

        public void Fail(IOException exception) => _answer.TrySetException(exception);
    }

    private static DateTimeOffset? LatestLock(CounterState a, CounterState b)
    {
        var latest = Math.Max(a.LockedUntilMs, b.LockedUntilMs);
        return latest == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(latest);
    }

    private int AttemptsLeft(CounterState account, CounterState own) => Math.Min(
        AttemptsLeft(account, Limits.PerAccount), AttemptsLeft(own, Limits.PerFactor));

    private static int AttemptsLeft(CounterState state, int limit) => state.LockedUntilMs > 0 ? 0 : limit - state.Failures;

    /// <summary>One more wrong code; the one that reaches the limit locks, and the count begins anew behind the lock.</summary>
    private CounterState Failed(CounterState state, int limit, DateTimeOffset now)
    {
        // A lock that has run out is over, but remembered in the number of locks.
        state = state with { Failures = (state.LockedUntilMs > 0 ? 0 : state.Failures) + 1, LockedUntilMs = 0 };
        if (state.Failures < limit)
            return state;

        var lasts = TimeSpan.FromMinutes(
            Math.Min(Limits.FirstLock.TotalMinutes * Math.Pow(2, state.Locks), Limits.LongestLock.TotalMinutes));
        return state with { Locks = Math.Min(state.Locks + 1, MaxLocks), LockedUntilMs = (now + lasts).ToUnixTimeMilliseconds() };
    }

    // ------------------------------------------------------------------ the journal

    /// <summary>Writes to disk, and only then to memory.</summary>
    private void Commit()
    {
        if (_unflushed.Count == 0)
            return;

        _journal.Append(_unflushed.Values.Select(ToLine));
        foreach (var (key, state) in _unflushed)
            _states[key] = state;

        _unflushed.Clear();
        if (_journal.IsLong)
            _journal.Compact(_states.Values.Select(ToLine));
    }

    private static byte[] ToLine(CounterState state) => JsonSerializer.SerializeToUtf8Bytes(state, MfaAttemptJson.Default.CounterState);

    private bool Replay(ReadOnlySpan<byte> line)
    {
        try
        {
            if (JsonSerializer.Deserialize(line, MfaAttemptJson.Default.CounterState)
                is not { Failures: >= 0, Locks: >= 0 and <= MaxLocks, LockedUntilMs: >= 0 and <= LatestMs, LastStep: >= 0 } state
                || !EntityType.IsValid(state.Type))
            {
                return false;
            }

            _states[state.Key] = state;
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    public void Dispose()
    {
        _waiting.CompleteAdding();
        // What waits is written; a disk that hangs is not waited for.
        _writer.Join(TimeSpan.FromSeconds(5));

        _journal.Dispose();
    }
}
