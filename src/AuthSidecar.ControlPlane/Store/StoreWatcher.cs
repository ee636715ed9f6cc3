namespace AuthSidecar.ControlPlane.Store;

/// <summary>Tells streams that there is something new: what this node commits, and what it hears, or sees, that others do.</summary>
internal sealed partial class StoreWatcher : BackgroundService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    /// <summary>Of a database that nobody else writes to: what is lost is told of once a minute, and else there is nothing to be
    /// seen.</summary>
    private static readonly TimeSpan LookAloneEvery = TimeSpan.FromMinutes(1);

    /// <summary>A node that has not seen the store for this long no longer says that anything is current.</summary>
    private static readonly TimeSpan FreshFor = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan TellLostEvery = TimeSpan.FromMinutes(1);

    private readonly Database _database;
    private readonly ControlStore _store;
    private readonly IHostApplicationLifetime _lifetime;
    private readonly TimeProvider _time;
    private readonly ILogger<StoreWatcher> _logger;
    private readonly Lock _advancing = new();
    private StrongBox<StoreHead> _head = new();
    private long _toldLostAt;
    private long? _seenAt;
    private bool _isFailing;
    private readonly Dictionary<Placement, TaskCompletionSource> _waiting = [];
    private TaskCompletionSource _advanced = NewSignal();
    private readonly Dictionary<Placement, Revision> _changed = [];

    public StoreWatcher(
        Database database, ControlStore store, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<StoreWatcher> logger)
    {
        (_database, _store, _lifetime, _time, _logger) = (database, store, lifetime, time, logger);
        store.Committed += Advance;
    }

    /// <summary>The newest revision that is known here.</summary>
    public Revision Head => Volatile.Read(ref _head).Value.Revision;

    /// <summary>The newest note that is known here.</summary>
    public long Notes => Volatile.Read(ref _head).Value.Notes;

    /// <summary>A revision that there was, and is not: the store was put back, and nobody has confirmed that. Null: none is
    /// known.</summary>
    public Revision? Lost => Volatile.Read(ref _head).Value.Lost;

    /// <summary>Whether what is known here is known to be all there is. What nobody else writes to has been seen once and for
    /// all.</summary>
    public bool IsFresh
    {
        get
        {
            lock (_advancing)
            {
                return _seenAt is { } at && ((!_database.IsShared && !_isFailing) || _time.GetElapsedTime(at) < FreshFor);
            }
        }
    }

    /// <summary>Completes when there is a newer revision than this.</summary>
    public Task WhenNewer(Revision revision)
    {
        // The signal is taken before the head is looked at: an advance in between completes it.
        var advanced = Volatile.Read(ref _advanced).Task;
        return Head > revision ? Task.CompletedTask : advanced;
    }

    /// <summary>Completes when there is a newer revision than this by which sidecars of this placement get something else, or
    /// may.</summary>
    /// <param name="placement">Whose sidecars.</param>
    /// <param name="revision">That of what they have; what came since concerned nobody of them, or has been looked at.</param>
    public Task WhenChanged(Placement placement, Revision revision)
    {
        lock (_advancing)
        {
            if (_changed.TryGetValue(placement, out var changed) && changed > revision)
                return Task.CompletedTask;

            if (!_waiting.TryGetValue(placement, out var signal))
            {
                _waiting.Add(placement, signal = NewSignal());
                // What came before anybody waited may have been for them.
                _changed[placement] = Head;
                if (Head > revision)
                    return Task.CompletedTask;
            }

            return signal.Task;
        }
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(
        WatchAsync(stoppingToken), ListenAsync(stoppingToken));

    private async Task WatchAsync(CancellationToken stopping)
    {
        using var timer = new PeriodicTimer(_database.IsShared ? LookEvery : LookAloneEvery, _time);
        var outage = new Outage(_time);
        do
        {
            try
            {
                await LookAsync(stopping);
                timer.Period = _database.IsShared ? LookEvery : LookAloneEvery;
                if (outage.End(out var lasted))
                    Log.LooksAgain(_logger, lasted.TotalSeconds);
            }
            catch (Exception e) when (!stopping.IsCancellationRequested)
            {
                // Streams go on with what they know; their heartbeats do not say that it is current.
                NoteFailing();
                timer.Period = LookEvery;
                var before = outage.Lasted;
                if (outage.Fail())
                    Log.LookFailed(_logger, before.TotalSeconds, ConnectionFailure.Describe(e));
            }
        }
        while (await timer.WaitForNextTickAsync(stopping));
    }

    /// <summary>Looks what there is, and what is known to be lost.</summary>
    public async Task LookAsync(CancellationToken cancellation)
    {
        var before = Head;
        var there = await _store.LookAsync(cancellation);
        if (there.Revision < before)
        {
            // Put back behind us, by a failover or a restore: what is in memory is of a history that is no more.
            Log.WentBack(_logger, there.Revision, before);
            _lifetime.StopApplication();
            return;
        }

        Advance(there, touched: null);
        lock (_advancing)
        {
            (_seenAt, _isFailing) = (_time.GetTimestamp(), false);
        }

        if (there.Lost is { } lost && (_toldLostAt == 0 || _time.GetElapsedTime(_toldLostAt) >= TellLostEvery))
        {
            _toldLostAt = _time.GetTimestamp();
            Log.Lost(_logger, there.Revision, lost);
        }
    }

    /// <summary>A database that nobody else writes to counts as seen until the first failure.</summary>
    private void NoteFailing()
    {
        lock (_advancing)
        {
            if (!_isFailing && !_database.IsShared && _seenAt is not null)
                _seenAt = _time.GetTimestamp();

            _isFailing = true;
        }
    }

    private async Task ListenAsync(CancellationToken stopping)
    {
        var outage = new Outage(_time);
        while (true)
        {
            try
            {
                await _database.ListenAsync(Hear, () => outage.End(out _), stopping);
            }
            catch (Exception e) when (!stopping.IsCancellationRequested)
            {
                // Until it hears again, it looks.
                if (outage.Fail())
                    Log.ListenFailed(_logger, ConnectionFailure.Describe(e));
            }

            await Task.Delay(LookEvery, _time, stopping);
        }
    }

    /// <param name="there">How far the store is.</param>
    /// <param name="touched">Whose sidecars get something else; null: that is not known, and it may be everybody.</param>
    private void Advance(StoreHead there, IReadOnlySet<Placement>? touched)
    {
        var woken = new List<TaskCompletionSource>();
        lock (_advancing)
        {
            var known = _head.Value;
            // Notes have a count of their own; and what is known to be lost stays so until a new history begins.
            var notes = Math.Max(known.Notes, there.Notes);
            var isKnownLost = there.Revision.History == known.Revision.History && known.Proved > there.Proved;
            var (proved, certain) = isKnownLost || there.Revision.History < known.Revision.History
                ? (known.Proved, known.Certain)
                : (there.Proved, there.Certain);
            if (there.Revision < known.Revision)
            {
                // Of before what is known already.
                there = known;
            }

            there = there with { Notes = notes, Proved = proved, Certain = certain };
            Volatile.Write(ref _head, new StrongBox<StoreHead>(there));
            if (there.Revision > known.Revision)
            {
                woken.Add(_advanced);
                Volatile.Write(ref _advanced, NewSignal());
                // Of what lies between, nobody has said whom it concerns.
                var all = touched is null || there.Revision != known.Revision.At((long)known.Revision.Number + 1);
                foreach (var placement in _waiting.Keys.Where(s => all || touched!.Any(s.Covers)).ToList())
                {
                    _changed[placement] = there.Revision;
                    woken.Add(_waiting[placement]);
                    _waiting[placement] = NewSignal();
                }
            }
        }

        woken.ForEach(w => w.SetResult());
    }

    private void Hear(Announcement announcement)
    {
        var known = Volatile.Read(ref _head).Value;
        // A history that is not known here is looked for: what came with it is more than a number.
        if (announcement.Revision.History == known.Revision.History)
            Advance(known with { Revision = announcement.Revision, Notes = announcement.Notes }, announcement.Touched);
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Error, "failed to read the database, for {Seconds:F0} s so far: {Error}",
            EventName = "DatabaseReadFailed")]
        public static partial void LookFailed(ILogger logger, double seconds, string error);

        [LoggerMessage(5, LogLevel.Information, "database reachable again after {Seconds:F0} s", EventName = "DatabaseReadRecovered")]
        public static partial void LooksAgain(ILogger logger, double seconds);

        [LoggerMessage(3, LogLevel.Critical,
            "database rollback detected: the newest revision is {Revision} and was {Before}; this node stops, to load the database again "
                + "at its next start", EventName = "DatabaseRollbackDetected")]
        public static partial void WentBack(ILogger logger, Revision revision, Revision before);

        [LoggerMessage(
            4,
            LogLevel.Critical,
            "database rollback detected: the newest revision is {Revision}, but sidecars have {Lost}. Their streams and all writes are "
                + "refused until `authsidecar-control restore --confirm` begins a new history",
            EventName = "DatabaseRollbackReported")]
        public static partial void Lost(ILogger logger, Revision revision, Revision lost);

        [LoggerMessage(2, LogLevel.Warning, "failed to LISTEN for commits of other nodes, polling once a second: {Error}",
            EventName = "ListenFailed")]
        public static partial void ListenFailed(ILogger logger, string error);
    }
}
