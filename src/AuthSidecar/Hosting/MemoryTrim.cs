namespace AuthSidecar.Hosting;

/// <summary>Gives memory back that a burst has left behind: where little is allocated, the runtime has no occasion to collect, and keeps all of it.</summary>
internal sealed class MemoryTrim(TimeProvider time) : IHostedService, IDisposable
{
    private const long MiB = 1024 * 1024;

    /// <summary>What is left behind without anybody minding.</summary>
    private const long MostLeft = 32 * MiB;

    /// <summary>What is allocated between two looks while there is little to do; to stop everything for a moment then keeps hardly anybody waiting.</summary>
    private const long MostAllocatedWhenQuiet = 64 * MiB;

    /// <summary>What is compacted in some milliseconds; more is collected in the background.</summary>
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
        {
            return;
        }

        if (info.HeapSizeBytes <= MostCompacted)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        }
        else
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: false);
        }

        _committed = GC.GetGCMemoryInfo(GCKind.Any).TotalCommittedBytes;
    }
}
