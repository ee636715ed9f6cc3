namespace AuthSidecar.ControlPlane.Store;

/// <summary>A cache of a part of the store, reloaded when the store changes and at scheduled times.</summary>
internal abstract partial class StoreFollower(StoreWatcher watcher, TimeProvider time, ILogger logger) : BackgroundService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan AtLeast = TimeSpan.FromMilliseconds(50);

    /// <summary>After a write: streams go first, and of a series of writes one reload reads all.</summary>
    private static readonly TimeSpan Coalesce = TimeSpan.FromMilliseconds(100);

    /// <summary>What is cached, for log messages.</summary>
    protected abstract string What { get; }

    protected TimeProvider Time => time;

    /// <summary>When to reload although the store has not changed; null: not scheduled.</summary>
    protected virtual DateTimeOffset? ChangesAt => null;

    /// <summary>Reloads the cache.</summary>
    protected abstract Task LoadAsync(CancellationToken cancellation);

    /// <summary>Logs what is cached, after it has changed.</summary>
    protected void LogChange(string cached) => Log.Changed(logger, What, cached);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var head = watcher.Head;
            try
            {
                await LoadAsync(stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                // What is in memory goes on; what changed counts as soon as it can be read.
                Log.LoadFailed(logger, What, ConnectionFailure.Describe(e));
            }

            var wait = ChangesAt - time.GetUtcNow() is { } until && until < LookEvery ? until : LookEvery;
            var newer = watcher.WhenNewer(head);
            await Task.WhenAny(newer, Task.Delay(wait < AtLeast ? AtLeast : wait, time, stoppingToken));
            if (newer.IsCompleted)
                await Task.Delay(Coalesce, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(29, LogLevel.Information, "{What} changed: {Cached}", EventName = "CacheChanged")]
        public static partial void Changed(ILogger logger, string what, string cached);

        [LoggerMessage(30, LogLevel.Error, "failed to read the {What}, using those in memory: {Error}", EventName = "LoadFailed")]
        public static partial void LoadFailed(ILogger logger, string what, string error);
    }
}
