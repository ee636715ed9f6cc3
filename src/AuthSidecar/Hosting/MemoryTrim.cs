namespace AuthSidecar.Hosting;

/// <summary>Returns memory to the operating system after a burst: while little is allocated, the runtime does not collect, and keeps all of
/// it.</summary>
internal sealed class MemoryTrim(TimeProvider time) : IHostedService, IDisposable
{
    private const long MiB = 1024 * 1024;

    /// <summary>How much may stay committed above what was there after the last collection.</summary>
    private const long MostLeft = 32 * MiB;

    /// <summary>How much is allocated between two checks while there is little to do: a blocking collection then delays few
    /// calls.</summary>
    private const long MostAllocatedWhenQuiet = 64 * MiB;

    /// <summary>The largest heap that is compacted, in some milliseconds; a larger one is collected in the background.</summary>
    private const long MostCompacted = 128 * MiB;

    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(15);

    private ITimer? _timer;
    private long _allocated;
    private long _committed;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _timer = time.CreateTimer(_ => Look(), null, LookEvery, LookEvery);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    public void Dispose() => _timer?.Dispose();

    private void Look()
    {
        var (before, info) = (_allocated, GC.GetGCMemoryInfo(GCKind.Any));
        _allocated = GC.GetTotalAllocatedBytes();
        // What was allocated since the last collection is not in what that one saw.
        var committed = Math.Max(info.TotalCommittedBytes, GC.GetTotalMemory(forceFullCollection: false));
        if (_allocated - before > MostAllocatedWhenQuiet || committed < _committed + MostLeft)
            return;

        if (info.HeapSizeBytes <= MostCompacted)
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        else
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: false);

        _committed = GC.GetGCMemoryInfo(GCKind.Any).TotalCommittedBytes;
    }
}
