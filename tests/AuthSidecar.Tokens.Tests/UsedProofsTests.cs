
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

    [Fact]
    public void TryAdd_OwnersWithoutEnd_AreRefusedAtTwiceOfWhatThereIsRoomFor()
    {
        var used = new UsedProofs(perOwner: 3, inAll: 10);
        var accepted = Enumerable.Range(0, 1_000).Count(i => used.TryAdd($"owner{i}", "p", 100, 50) == TokenError.None);
        Assert.Equal(20, accepted);
        Assert.Equal(TokenError.ProofLimit, used.TryAdd("another", "p", 100, 51));
        Assert.Equal(TokenError.ProofReplayed, used.TryAdd("owner0", "p", 100, 51));
        // Until they are too old to be used again.
        Assert.Equal(TokenError.None, used.TryAdd("another", "p", 200, 101));
    }

    [Fact]
    public void TryAdd_OfManyAtOnce_EveryProofIsAcceptedOnce()
    {
        var used = new UsedProofs(perOwner: 1_000, inAll: 500);
        var accepted = 0;
        Parallel.For(0, 8, _ =>
        {
            for (var i = 0; i < 400; i++)
            {
                if (used.TryAdd($"owner{i % 20}", $"{i}", 100, 50) == TokenError.None)
                {
                    Interlocked.Increment(ref accepted);
                }
            }
        });
        Assert.Equal(400, accepted);
    }
}
