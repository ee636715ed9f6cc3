using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace AuthSidecar.ControlPlane.Sync;

/// <summary>Options of a library that are made of what is in the store: read again whenever this node hears of a change there, and now and then because of the time.</summary>
internal abstract partial class OptionsFromStore<TOptions>(Feed feed, TimeProvider time, ILogger logger) : BackgroundService, IConfigureOptions<TOptions>, IOptionsChangeTokenSource<TOptions>
    where TOptions : class
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(10);

    private CancellationTokenSource _changed = new();

    string IOptionsChangeTokenSource<TOptions>.Name => Options.DefaultName;

    /// <summary>For the log.</summary>
    protected abstract string What { get; }

    protected TimeProvider Time => time;

    public abstract void Configure(TOptions options);

    public IChangeToken GetChangeToken() => new CancellationChangeToken(Volatile.Read(ref _changed).Token);

    /// <summary>Reads what there is, and says <see cref="ChangedAsync"/> when it is not what it was.</summary>
    protected abstract Task LoadAsync(CancellationToken cancellation);

    /// <summary>The options are to be configured anew.</summary>
    protected Task ChangedAsync() => Interlocked.Exchange(ref _changed, new CancellationTokenSource()).CancelAsync();

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
        [LoggerMessage(30, LogLevel.Error, "the {What} cannot be read, and those of before are used on: {Why}", EventName = "LoadFailed")]
        public static partial void LoadFailed(ILogger logger, string what, string why);
    }
}
