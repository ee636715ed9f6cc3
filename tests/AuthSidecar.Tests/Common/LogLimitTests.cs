using AuthSidecar.Common;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.Tests.Common;

public sealed class LogLimitTests
{
    [Fact]
    public void Take_MoreThanSomeAMinute_LeavesTheirNumber()
    {
        var time = new FakeTimeProvider();
        time.Advance(TimeSpan.FromHours(1));
        var limit = new LogLimit(time);
        Assert.Empty(limit.TakeSuppressed());
        Assert.Equal(5, Enumerable.Range(0, 8).Count(_ => limit.Take("kind", "a")));
        Assert.True(limit.Take("kind", "b"));
        Assert.True(limit.Take("another", "a"));
        Assert.Empty(limit.TakeSuppressed());
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal([("kind", "a", 3)], limit.TakeSuppressed());
        Assert.False(limit.HasAny);
        Assert.True(limit.Take("kind", "a"));
    }

    /// <summary>Whoever has many addresses fills neither memory nor a disk.</summary>
    [Fact]
    public void Take_OfMoreSubjectsThanAreCounted_TheRestIsCountedTogether()
    {
        var limit = new LogLimit(new FakeTimeProvider());
        var logged = Enumerable.Range(0, 30_000).Count(i => limit.Take("kind", $"{i}"));
        Assert.InRange(logged, 10_000, 10_006);
    }
}
