
namespace AuthSidecar.Tokens.Tests;

public sealed class UsedProofsTests
{
    [Fact]
    public void TryAdd_FloodOfOneKey_IsThatKeysLossAlone()
    {
        var used = new UsedProofs(perOwner: 3, inAll: 10);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(TokenError.None, used.TryAdd("flooder", $"{i}", 100, 50));
        }

        Assert.Equal(TokenError.ProofLimit, used.TryAdd("flooder", "3", 100, 50));
        Assert.Equal(TokenError.ProofReplayed, used.TryAdd("flooder", "2", 100, 50));
        Assert.Equal(TokenError.None, used.TryAdd("other", "0", 100, 50));
    }

    [Fact]
    public void TryAdd_FullOfOldProofs_MakesRoomAndStillKnowsTheRecentOnes()
    {
        var used = new UsedProofs(perOwner: 3, inAll: 4);
        Assert.Equal(TokenError.None, used.TryAdd("a", "old", 60, 50));
        Assert.Equal(TokenError.None, used.TryAdd("b", "old", 60, 50));
        Assert.Equal(TokenError.None, used.TryAdd("c", "recent", 100, 50));
        Assert.Equal(TokenError.None, used.TryAdd("c", "recent too", 100, 50));
        // Whoever has their share has no more; whoever has nothing has some.
        Assert.Equal(TokenError.ProofLimit, used.TryAdd("c", "new", 100, 51));
        Assert.Equal(TokenError.None, used.TryAdd("d", "new", 100, 51));
        Assert.Equal(TokenError.None, used.TryAdd("c", "new", 100, 61));
        Assert.Equal(TokenError.None, used.TryAdd("a", "new", 100, 61));
        Assert.Equal(TokenError.ProofReplayed, used.TryAdd("c", "recent", 100, 61));
        Assert.Equal(TokenError.ProofReplayed, used.TryAdd("d", "new", 100, 61));
    }
}
