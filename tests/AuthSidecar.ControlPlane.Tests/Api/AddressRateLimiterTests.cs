using AuthSidecar.ControlPlane.Api;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Api;

public sealed class AddressRateLimiterTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly AddressRateLimiter _limits;

    public AddressRateLimiterTests() => _limits = new AddressRateLimiter(new AddressOptions(), _time);

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
        for (var i = 0; i < 3 * AddressRateLimiter.MaxAddresses; i++)
        {
            _limits.Try($"{i}", 30);
        }

        Assert.InRange(_limits.Count, 1, AddressRateLimiter.MaxAddresses);
        Assert.NotNull(_limits.Try("attacker", 30));
    }
}
