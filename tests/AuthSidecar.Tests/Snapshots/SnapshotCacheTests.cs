using AuthSidecar.Snapshots;
using AuthSidecar.Tests.Testing;

namespace AuthSidecar.Tests.Snapshots;

public sealed class SnapshotCacheTests : IDisposable
{
    private readonly TestBundle _bundle = new();
    private readonly SnapshotCache _cache = new(TimeProvider.System);

    [Fact]
    public void Publish_RevisionThatIsNotNewer_Refused()
    {
        var snapshot = _bundle.Build();
        _cache.Publish(snapshot);
        Assert.Throws<InvalidOperationException>(() => _cache.Publish(snapshot));
        Assert.Throws<InvalidOperationException>(() => _cache.Publish(snapshot.At(new Revision(default, 0))));
        _cache.Publish(snapshot.At(new Revision(default, 2)));
        Assert.Equal(2UL, _cache.Current!.Revision.Number);
    }

    [Fact]
    public async Task WaitFor_ManyWaitersAndPublications_EachGetsItsRevisionOrALaterOne()
    {
        var snapshot = _bundle.Build();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var waiters = Enumerable.Range(1, 200).Select(async i =>
        {
            await Task.Yield();
            return (Wanted: (ulong)i, Got: (await _cache.WaitForAsync(new Revision(default, (ulong)i), patience.Token))!.Revision.Number);
        }).ToList();
        for (var i = 1; i <= 200; i++)
        {
            _cache.Publish(snapshot.At(new Revision(default, (ulong)i)));
            await Task.Yield();
        }

        Assert.All(await Task.WhenAll(waiters), w => Assert.True(w.Got >= w.Wanted));
    }

    public void Dispose() => _bundle.Dispose();
}
