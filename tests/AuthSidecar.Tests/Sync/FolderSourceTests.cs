using AuthSidecar.Snapshots;
using AuthSidecar.Sync;
using AuthSidecar.Sync.Bundles;
using AuthSidecar.Tests.Testing;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.Tests.Sync;

public sealed class FolderSourceTests : IDisposable
{
    private readonly TestBundle _bundle = new();
    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly FakeLogger<FolderSource> _logger = new();
    private readonly SnapshotCache _cache;
    private readonly FolderSource _source;

    public FolderSourceTests()
    {
        _cache = new SnapshotCache(_time);
        _source = new FolderSource(_bundle.Path, new BundleBuilder(TestBundle.WrappingKey), _cache, _time, _logger);
    }

    [Fact]
    public void Look_First_PublishesAtOnce()
    {
        _source.Look();
        Assert.NotNull(_cache.Current);
    }

    [Fact]
    public void Look_Change_PublishedWhenItHasSettled()
    {
        _source.Look();
        var first = _cache.Current!;
        _bundle.Write("policies/more.cedar", "permit (principal, action, resource);");
        _source.Look();
        Assert.Same(first, _cache.Current);
        _source.Look();
        Assert.True(_cache.Current!.Revision > first.Revision);
        Assert.Equal(12, _cache.Current.Policies.Value.Policies.Policies.Length);
    }

    [Fact]
    public void Look_BrokenPolicy_KeepsTheLastGoodOneAndReportsItsPlaceOnce()
    {
        _source.Look();
        var good = _cache.Current;
        _bundle.Write("policies/more.cedar", "permit (principal, action, resource)\nwhn { true };");
        for (var i = 0; i < 5; i++)
        {
            _source.Look();
        }

        Assert.Same(good, _cache.Current);
        var fault = Assert.Single(_logger.Collector.GetSnapshot(), r => r.Id.Name == "BundleFault");
        Assert.Equal("bundle: policies/more.cedar:2:1: expected `when`, `unless`, or `;` to end the policy, found `whn`", fault.Message);
        Assert.Single(_logger.Collector.GetSnapshot(), r => r.Id.Name == "BundleRefused");
    }

    [Fact]
    public void Look_PolicyThatCanNeverApply_ServedWithAWarning()
    {
        _bundle.Write("policies/more.cedar", "permit (principal, action, resource) when { false };");
        _source.Look();
        Assert.Equal(12, _cache.Current!.Policies.Value.Policies.Policies.Length);
        var warnings = _logger.Collector.GetSnapshot().Where(r => r.Id.Name == "BundleWarning").Select(r => r.Message);
        Assert.Single(warnings, w => w.StartsWith("bundle: policies/more.cedar:1:1: ", StringComparison.Ordinal));
    }

    [Fact]
    public void Look_BrokenAndMendedAgain_ServesTheMendedOne()
    {
        _source.Look();
        _bundle.Write("policies/more.cedar", "permit");
        _source.Look();
        _source.Look();
        _bundle.Write("policies/more.cedar", "@id(\"mended\") permit (principal, action, resource);");
        _source.Look();
        _source.Look();
        Assert.Contains(_cache.Current!.Policies.Value.Policies.Policies, p => p.Id == "mended");
    }

    [Fact]
    public void Look_NothingToServe_SaysSoAndServesWhenMended()
    {
        _bundle.Write("policies/more.cedar", "permit");
        _source.Look();
        Assert.Null(_cache.Current);
        Assert.Single(_logger.Collector.GetSnapshot(), r => r.Id.Name == "NothingToServe");
        _bundle.Delete("policies/more.cedar");
        _source.Look();
        Assert.NotNull(_cache.Current);
    }

    [Fact]
    public void Look_FolderGone_KeepsTheLastGoodOne()
    {
        _source.Look();
        var good = _cache.Current;
        Directory.Move(_bundle.Path, _bundle.Path + "-gone");
        try
        {
            _source.Look();
            _source.Look();
            Assert.Same(good, _cache.Current);
            Assert.Single(_logger.Collector.GetSnapshot(), r => r.Id.Name == "BundleRefused");
        }
        finally
        {
            Directory.Move(_bundle.Path + "-gone", _bundle.Path);
        }
    }

    [Fact]
    public void Age_WhileTheSourceIsBroken_Grows()
    {
        _source.Look();
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal(TimeSpan.FromSeconds(10), _cache.AgesAt(_time.GetUtcNow()).Of(ResourceTypes.Policies));
        _source.Look();
        Assert.Equal(TimeSpan.Zero, _cache.AgesAt(_time.GetUtcNow()).Of(ResourceTypes.Policies));
        _bundle.Write("policies/more.cedar", "permit");
        _source.Look();
        _source.Look();
        _time.Advance(TimeSpan.FromSeconds(10));
        _source.Look();
        Assert.Equal(TimeSpan.FromSeconds(10), _cache.AgesAt(_time.GetUtcNow()).Of(ResourceTypes.Policies));
    }

    [Fact]
    public void Look_RestoredOldFile_RevisionStillGrows()
    {
        _source.Look();
        var first = _cache.Current!.Revision;
        var path = _bundle.Write("policies/more.cedar", "permit (principal, action, resource);");
        File.SetLastWriteTimeUtc(path, new DateTime(2001, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        _source.Look();
        _source.Look();
        Assert.True(_cache.Current!.Revision > first);
    }

    public void Dispose()
    {
        _source.Dispose();
        _bundle.Dispose();
    }
}
