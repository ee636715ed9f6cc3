using AuthSidecar.ControlPlane.Hosting;
using AuthSidecar.ControlPlane.Store;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Hosting;

public sealed class AttemptLimitsTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly AttemptLimits _limits;

    public AttemptLimitsTests() => _limits = new AttemptLimits(new ServeOptions { State = "/nowhere", AdminSocket = "/nowhere/socket", Database = new SqliteDatabase("/nowhere") }, _time);

    [Fact]
    public void Try_AsManyAsAreAllowedAtOnce_ThenOneForEachShareOfTheMinute()
    {
        Assert.All(Enumerable.Range(0, 30), _ => Assert.Null(_limits.Try("a", 30)));
        Assert.Equal(TimeSpan.FromSeconds(2), _limits.Try("a", 30));
        // Who is refused uses up nothing.
        Assert.Equal(TimeSpan.FromSeconds(2), _limits.Try("a", 30));
        Assert.Null(_limits.Try("b", 30));
        _time.Advance(TimeSpan.FromMilliseconds(1_999));
        Assert.NotNull(_limits.Try("a", 30));
        _time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Null(_limits.Try("a", 30));
        Assert.NotNull(_limits.Try("a", 30));
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.All(Enumerable.Range(0, 30), _ => Assert.Null(_limits.Try("a", 30)));
        Assert.NotNull(_limits.Try("a", 30));
    }

    /// <summary>Whoever has many addresses fills no memory, and does not free the one that is at its limit.</summary>
    [Fact]
    public void Try_FromMoreAddressesThanAreRemembered_ForgetsThoseThatTriedLeast()
    {
        Assert.All(Enumerable.Range(0, 30), _ => Assert.Null(_limits.Try("attacker", 30)));
        for (var i = 0; i < 3 * AttemptLimits.MaxAddresses; i++)
        {
            _limits.Try($"{i}", 30);
        }

        Assert.InRange(_limits.Count, 1, AttemptLimits.MaxAddresses);
        Assert.NotNull(_limits.Try("attacker", 30));
    }
}
