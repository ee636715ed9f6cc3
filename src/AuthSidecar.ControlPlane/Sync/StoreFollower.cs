namespace AuthSidecar.ControlPlane.Sync;

/// <summary>What a node has in memory of the store: read again whenever this node hears of a change there, and when the time of something in it has come.</summary>
internal abstract partial class StoreFollower(Feed feed, TimeProvider time, ILogger logger) : BackgroundService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan AtLeast = TimeSpan.FromMilliseconds(50);

    /// <summary>For the log.</summary>
    protected abstract string What { get; }

    protected TimeProvider Time => time;

    /// <summary>When something in it changes because of the time alone; null: that is not known to happen.</summary>
    protected virtual DateTimeOffset? ChangesAt => null;

    /// <summary>Reads what there is.</summary>
    protected abstract Task LoadAsync(CancellationToken cancellation);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var head = feed.Head;
            try
            {
                await LoadAsync(stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                // What is in memory goes on; what changed counts as soon as it can be read.
                Log.LoadFailed(logger, What, e.Message);
            }

            var wait = ChangesAt - time.GetUtcNow() is { } until && until < LookEvery ? until : LookEvery;
            await Task.WhenAny(feed.WhenNewer(head), Task.Delay(wait < AtLeast ? AtLeast : wait, time, stoppingToken));
        }
    }

    private static partial class Log
    {
        [LoggerMessage(30, LogLevel.Error, "failed to read the {What}, using those in memory: {Why}", EventName = "LoadFailed")]
        public static partial void LoadFailed(ILogger logger, string what, string why);
    }
}
