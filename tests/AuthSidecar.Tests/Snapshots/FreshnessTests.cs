using AuthSidecar.Snapshots;
using AuthSidecar.Tests.Testing;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.Tests.Snapshots;

public sealed class FreshnessTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Age_NeverConfirmed_OlderThanAnyLimit()
    {
        var ages = new DataAges(Confirmations.None, Now, TimeProvider.System);
        Assert.All(DataTypes.All, t => Assert.Equal(t, MaxStaleness.Default.FindStale(t, ages)));
        Assert.Null(MaxStaleness.Unlimited.FindStale(DataTypeSet.All, ages));
    }

    [Fact]
    public void FindStale_RevocationsAfterFiveMinutes_OthersAfterADay()
    {
        var time = new FakeTimeProvider(Now);
        var cache = new SnapshotCache(time);
        cache.Confirm(DataTypeSet.All);
        time.Advance(TimeSpan.FromMinutes(5));
        Assert.Null(Stale());
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(RevocationData.Type, Stale());
        cache.Confirm(RevocationData.Type);
        Assert.Null(Stale());
        time.Advance(TimeSpan.FromHours(24));
        cache.Confirm(DataTypeSet.All.Except(RiskData.Type));
        Assert.Equal(RiskData.Type, Stale());

        DataType? Stale() => MaxStaleness.Default.FindStale(DataTypeSet.All, cache.AgesAt(time.GetUtcNow()));
    }

    /// <summary>Whoever sets the clock back does not make old data young.</summary>
    [Fact]
    public void Age_ClockSetBack_GrowsAllTheSame()
    {
        var time = new SteppingTime(Now);
        var cache = new SnapshotCache(time);
        cache.Confirm(DataTypeSet.All);
        time.Elapse(TimeSpan.FromMinutes(6));
        time.Now -= TimeSpan.FromHours(1);
        Assert.Equal(TimeSpan.FromMinutes(6), cache.AgesAt(time.GetUtcNow()).Of(PolicyData.Type));
        // What was confirmed in the past goes on from the age that it had.
        cache.Confirm(PolicyData.Type, time.Now - TimeSpan.FromMinutes(3));
        time.Elapse(TimeSpan.FromMinutes(1));
        time.Now -= TimeSpan.FromHours(1);
        Assert.Equal(TimeSpan.FromMinutes(4), cache.AgesAt(time.GetUtcNow()).Of(PolicyData.Type));
        // Set forward, or after a sleep of the machine: the wall's clock counts.
        time.Now += TimeSpan.FromHours(5);
        Assert.True(cache.AgesAt(time.GetUtcNow()).Of(PolicyData.Type) > TimeSpan.FromHours(2));
    }

    [Theory]
    [InlineData("revocations=5m", "revocations", 5 * 60)]
    [InlineData("Policies=24h", "policies", 24 * 3600)]
    [InlineData("risk=30s", "risk", 30)]
    public void With_TypeAndTime_Counts(string text, string type, int seconds)
    {
        var limits = MaxStaleness.Unlimited.With([text], out var fault)!;
        Assert.Null(fault);
        var time = new FakeTimeProvider(Now);
        var cache = new SnapshotCache(time);
        cache.Confirm(DataTypeSet.All);
        time.Advance(TimeSpan.FromSeconds(seconds));
        Assert.Null(limits.FindStale(DataTypeSet.All, cache.AgesAt(time.GetUtcNow())));
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(type, limits.FindStale(DataTypeSet.All, cache.AgesAt(time.GetUtcNow()))!.Name);
    }

    [Theory]
    [InlineData("revocations")]
    [InlineData("revocations=5")]
    [InlineData("revocations=0m")]
    [InlineData("revocations=-1m")]
    [InlineData("revocations=m")]
    [InlineData("tokens=5m")]
    [InlineData("all=5m")]
    [InlineData("none=5m")]
    [InlineData("8=5m")]
    [InlineData("revocations=5m=5m")]
    [InlineData("revocations=99999999999h")]
    public void With_AnythingElse_RefusedWithAnExample(string text)
    {
        Assert.Null(MaxStaleness.Default.With([text], out var fault));
        Assert.Contains("`revocations=5m`", fault, StringComparison.Ordinal);
    }
}
