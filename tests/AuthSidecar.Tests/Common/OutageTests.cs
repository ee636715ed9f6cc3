using AuthSidecar.Common;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.Tests.Common;

/// <summary>What is tried again and again is told when it begins, once a minute, and when it is over.</summary>
public sealed class OutageTests
{
    [Fact]
    public void Fail_AgainAndAgain_ToldOnceAMinute()
    {
        var time = new FakeTimeProvider();
        var outage = new Outage(time);
        Assert.False(outage.End(out _));
        var told = new List<int>();
        for (var second = 0; second < 150; second++)
        {
            if (outage.Fail())
            {
                told.Add(second);
            }

            time.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal([0, 60, 120], told);
        Assert.Equal(150, outage.Failures);
        Assert.True(outage.End(out var lasted));
        Assert.Equal(TimeSpan.FromSeconds(150), lasted);
        Assert.False(outage.End(out _));

        // The next one is another.
        Assert.True(outage.Fail());
        Assert.Equal(1, outage.Failures);
    }

    /// <summary>The cause that is the news, such as a rollback after a restart, is not hidden by the one before it.</summary>
    [Fact]
    public void Fail_WithAnotherCause_LoggedAtOnceAndEachOnceAMinute()
    {
        var time = new FakeTimeProvider();
        var outage = new Outage(time);
        Assert.True(outage.Fail(cause: "a"));
        Assert.False(outage.Fail(cause: "a"));
        Assert.True(outage.Fail(cause: "b"));
        // Two nodes that fail differently alternate.
        Assert.False(outage.Fail(cause: "a"));
        Assert.False(outage.Fail(cause: "b"));
        time.Advance(Outage.LogEvery);
        Assert.True(outage.Fail(cause: "b"));
        Assert.True(outage.Fail(cause: "a"));
        Assert.True(outage.End(out _));
        Assert.True(outage.Fail(cause: "a"));
    }
}
