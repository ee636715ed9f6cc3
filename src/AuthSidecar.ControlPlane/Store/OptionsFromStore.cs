using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace AuthSidecar.ControlPlane.Store;

/// <summary>Options of a library that are read from the store.</summary>
internal abstract class OptionsFromStore<TOptions>(StoreWatcher watcher, TimeProvider time, ILogger logger)
    : StoreFollower(watcher, time, logger), IConfigureOptions<TOptions>, IOptionsChangeTokenSource<TOptions>
    where TOptions : class
{
    private CancellationTokenSource _changed = new();

    string IOptionsChangeTokenSource<TOptions>.Name => Options.DefaultName;

    public abstract void Configure(TOptions options);

    public IChangeToken GetChangeToken() => new CancellationChangeToken(Volatile.Read(ref _changed).Token);

    /// <summary>Reconfigures the options, after <see cref="StoreFollower.LoadAsync"/> has read a change.</summary>
    protected Task ChangedAsync() => Interlocked.Exchange(ref _changed, new CancellationTokenSource()).CancelAsync();
}
