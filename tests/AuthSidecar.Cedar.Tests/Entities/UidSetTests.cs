using CsCheck;

namespace AuthSidecar.Cedar.Tests.Entities;

public sealed class UidSetTests
{
    private static readonly Gen<HashSet<EntityUid>> Uids = Gen.Int[0, 200].Select(i => new EntityUid("T", $"{i}")).HashSet[0, 40];

    [Fact]
    public void ContainsAndOverlaps_AnySets_AreThoseOfTheirElements() =>
        Gen.Select(Uids, Uids).Sample(
            (some, others) =>
            {
                var set = UidSet.Of(some);
                Assert.Equal(some, set.ToHashSet());
                Assert.Equal(some.Count, set.Count);
                Assert.All(some.Union(others), u => Assert.Equal(some.Contains(u), set.Contains(u)));
                Assert.Equal(some.Overlaps(others), set.Overlaps(ValueSet.Create([.. others.Select(Value.Of)])));
            },
            iter: 5_000);
}
