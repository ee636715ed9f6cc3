using AuthSidecar.Api.Calls;

namespace AuthSidecar.Tests.Api.Calls;

public sealed class DecisionIdTests
{
    [Fact]
    public void Create_Many_AreVersion7OfTheMomentAndAllDifferent()
    {
        var now = DateTimeOffset.FromUnixTimeMilliseconds(1_795_474_702_749);
        var ids = Enumerable.Range(0, 10_000).Select(_ => DecisionId.Create(now)).ToList();
        Assert.Equal(10_000, ids.Distinct().Count());
        Assert.All(ids, id => Assert.Equal((7, 8), (id.Version, id.Variant & 0xc)));
        Assert.All(ids, id => Assert.StartsWith($"{1_795_474_702_749:x12}", id.ToString().Replace("-", "", StringComparison.Ordinal), StringComparison.Ordinal));
    }
}
