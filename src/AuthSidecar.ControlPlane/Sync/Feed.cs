using AuthSidecar.ControlPlane.Store;
using Microsoft.EntityFrameworkCore;

namespace AuthSidecar.ControlPlane.Sync;

/// <summary>Tells streams that there is something new: what this node commits, and what it hears, or sees, that others do.</summary>
internal sealed partial class Feed : BackgroundService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    /// <summary>A node that has not seen the store for this long no longer says that anything is current.</summary>
    private static readonly TimeSpan FreshFor = TimeSpan.FromSeconds(10);

    private readonly Database _database;
    private readonly IHostApplicationLifetime _lifetime;
    private readonly TimeProvider _time;
    private readonly ILogger<Feed> _logger;
    private readonly Lock _advancing = new();
    private long _head;
    private long _seenAt;
    private TaskCompletionSource _advanced = NewSignal();

    public Feed(Database database, ControlStore store, IHostApplicationLifetime lifetime, TimeProvider time, ILogger<Feed> logger)
    {
        (_database, _lifetime, _time, _logger) = (database, lifetime, time, logger);
        // Fresh only after the first look.
        _seenAt = time.GetTimestamp() - (long)(FreshFor.TotalSeconds * time.TimestampFrequency);
        store.Committed += Advance;
    }

    /// <summary>The newest revision that is known here.</summary>
    public long Head => Volatile.Read(ref _head);

    /// <summary>Whether what is known here is known to be all there is.</summary>
    public bool IsFresh => _time.GetElapsedTime(Volatile.Read(ref _seenAt)) < FreshFor;

    /// <summary>Completes when there is a newer revision than this.</summary>
    public Task WhenNewer(long revision)
    {
        // The signal is taken before the head is looked at: an advance in between completes it.
        var advanced = Volatile.Read(ref _advanced).Task;
        return Head > revision ? Task.CompletedTask : advanced;
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(LookAsync(stoppingToken), ListenAsync(stoppingToken));

    private async Task LookAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(LookEvery, _time);
        do
        {
            try
            {
                await using var context = _database.Open();
                var head = await context.Head.Select(h => h.Revision).SingleAsync(stoppingToken);
                if (head < Head)
                {
                    // Put back behind us, by a failover or a restore: what is in memory is of a history that is no more.
                    Log.WentBack(_logger, head, Head);
                    _lifetime.StopApplication();
                    return;
                }

                Advance(head);
                Volatile.Write(ref _seenAt, _time.GetTimestamp());
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                // Streams go on with what they know; their heartbeats do not say that it is current.
                Log.LookFailed(_logger, e);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    private async Task ListenAsync(CancellationToken stopping)
    {
        while (true)
        {
            try
            {
                await _database.ListenAsync(Advance, stopping);
            }
            catch (Exception e) when (!stopping.IsCancellationRequested)
            {
                // Until it hears again, it looks.
                Log.ListenFailed(_logger, e.Message);
            }

            await Task.Delay(LookEvery, _time, stopping);
        }
    }

    private void Advance(long head)
    {
        TaskCompletionSource waiting;
        lock (_advancing)
        {
            if (head <= _head)
            {
                return;
            }

            Volatile.Write(ref _head, head);
            waiting = Interlocked.Exchange(ref _advanced, NewSignal());
        }

        waiting.SetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Error, "the store cannot be read", EventName = "LookFailed")]
        public static partial void LookFailed(ILogger logger, Exception exception);

        [LoggerMessage(3, LogLevel.Critical, "the store is at revision {Revision} and was at {Before}: it was put back, and this node ends to begin with what there is", EventName = "StoreWentBack")]
        public static partial void WentBack(ILogger logger, long revision, long before);

        [LoggerMessage(2, LogLevel.Warning, "the store does not tell what other nodes commit: {Why}", EventName = "ListenFailed")]
        public static partial void ListenFailed(ILogger logger, string why);
    }
}
