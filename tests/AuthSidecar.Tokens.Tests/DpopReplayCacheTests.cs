
namespace AuthSidecar.Tokens.Tests;

public sealed class DpopReplayCacheTests
{
    [Fact]
    public void TryAdd_FloodOfOneKey_IsThatKeysLossAlone()
    {
        var used = new DpopReplayCache(perOwner: 3, inAll: 10);
        for (var i = 0; i < 3; i++)
        {
            Assert.Equal(TokenRejection.None, used.TryAdd("flooder", $"{i}", 100, 50));
        }

        Assert.Equal(TokenRejection.ProofLimit, used.TryAdd("flooder", "3", 100, 50));
        Assert.Equal(TokenRejection.ProofReplayed, used.TryAdd("flooder", "2", 100, 50));
        Assert.Equal(TokenRejection.None, used.TryAdd("other", "0", 100, 50));
    }

    [Fact]
    public void TryAdd_FullOfOldProofs_MakesRoomAndStillKnowsTheRecentOnes()
    {
        var used = new DpopReplayCache(perOwner: 3, inAll: 4);
        Assert.Equal(TokenRejection.None, used.TryAdd("a", "old", 60, 50));
        Assert.Equal(TokenRejection.None, used.TryAdd("b", "old", 60, 50));
        Assert.Equal(TokenRejection.None, used.TryAdd("c", "recent", 100, 50));
        Assert.Equal(TokenRejection.None, used.TryAdd("c", "recent too", 100, 50));
        // Whoever has their share has no more; whoever has nothing has some.
        Assert.Equal(TokenRejection.ProofLimit, used.TryAdd("c", "new", 100, 51));
        Assert.Equal(TokenRejection.None, used.TryAdd("d", "new", 100, 51));
        Assert.Equal(TokenRejection.None, used.TryAdd("c", "new", 100, 61));
        Assert.Equal(TokenRejection.None, used.TryAdd("a", "new", 100, 61));
        Assert.Equal(TokenRejection.ProofReplayed, used.TryAdd("c", "recent", 100, 61));
        Assert.Equal(TokenRejection.ProofReplayed, used.TryAdd("d", "new", 100, 61));
    }

    [Fact]
    public void TryAdd_OwnersWithoutEnd_AreRefusedAtTwiceOfWhatThereIsRoomFor()
    {
        var used = new DpopReplayCache(perOwner: 3, inAll: 10);
        var accepted = Enumerable.Range(0, 1_000).Count(i => used.TryAdd($"owner{i}", "p", 100, 50) == TokenRejection.None);
        Assert.Equal(20, accepted);
        Assert.Equal(TokenRejection.ProofLimit, used.TryAdd("another", "p", 100, 51));
        Assert.Equal(TokenRejection.ProofReplayed, used.TryAdd("owner0", "p", 100, 51));
        // Until they are too old to be used again.
        Assert.Equal(TokenRejection.None, used.TryAdd("another", "p", 200, 101));
    }

    [Fact]
    public void TryAdd_OfManyAtOnce_EveryProofIsAcceptedOnce()
    {
        var used = new DpopReplayCache(perOwner: 1_000, inAll: 500);
        var accepted = 0;
        Parallel.For(0, 8, _ =>
        {
            for (var i = 0; i < 400; i++)
            {
                if (used.TryAdd($"owner{i % 20}", $"{i}", 100, 50) == TokenRejection.None)
                {
                    Interlocked.Increment(ref accepted);
                }
            }
        });
        Assert.Equal(400, accepted);
    }
}
