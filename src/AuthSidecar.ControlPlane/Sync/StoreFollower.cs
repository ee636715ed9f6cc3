namespace AuthSidecar.ControlPlane.Sync;

/// <summary>What a node has in memory of the store: read again whenever this node hears of a change there, and now and then because of the time.</summary>
internal abstract partial class StoreFollower(Feed feed, TimeProvider time, ILogger logger) : BackgroundService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(10);

    /// <summary>For the log.</summary>
    protected abstract string What { get; }

    protected TimeProvider Time => time;

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

            // Something may have changed, or only the time.
            await Task.WhenAny(feed.WhenNewer(head), Task.Delay(LookEvery, time, stoppingToken));
        }
    }

    private static partial class Log
    {
        [LoggerMessage(30, LogLevel.Error, "failed to read the {What}, using those in memory: {Why}", EventName = "LoadFailed")]
        public static partial void LoadFailed(ILogger logger, string what, string why);
    }
}
