namespace AuthSidecar.Cedar.Tests.Entities;

public sealed class EntityStoreTests
{
    [Fact]
    public void TryParse_Diamond_EveryAncestorOnce()
    {
        var store = Parse($"[{Entity("a", "b", "c")}, {Entity("b", "d")}, {Entity("c", "d")}]");
        Assert.True(store.TryGetEntity(new EntityUid("T", "a"), out var a));
        Assert.Equal(["b", "c", "d"], a.Ancestors.Select(u => u.Id).Order(StringComparer.Ordinal));
        Assert.False(store.TryGetEntity(new EntityUid("T", "d"), out _));
    }

    [Fact]
    public void TryParse_LongChain_NeitherOverflowsNorForgets()
    {
        var chain = Enumerable.Range(0, 3_000).Select(i => Entity($"{i}", $"{i + 1}"));
        var store = Parse($"[{string.Join(",", chain)}]");
        Assert.True(store.TryGetEntity(new EntityUid("T", "0"), out var first));
        Assert.True(first.IsIn(new EntityUid("T", "3000")));
    }

    [Theory]
    [InlineData("a", "a")]
    [InlineData("a", "b", "b", "a")]
    [InlineData("a", "b", "b", "c", "c", "a")]
    public void TryParse_Cycle_Refused(params string[] edges) =>
        Assert.Contains("is a member of itself", Fault($"[{string.Join(",", edges.Chunk(2).Select(e => Entity(e[0], e[1])))}]").Message, StringComparison.Ordinal);

    [Fact]
    public void TryParse_EntityTwice_AcceptedOnlyWhenItSaysTheSame()
    {
        Assert.Equal(1, Parse($"[{Entity("a", "b")}, {Entity("a", "b")}]").Count);
        Assert.Contains("given twice, differently", Fault($"[{Entity("a", "b")}, {Entity("a", "c")}]").Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TryParse_Escapes_BecomeEntitiesAndExtensionValues()
    {
        var store = Parse("""
            [{"uid": {"__entity": {"type": "A::B", "id": ""}}, "parents": [], "unknown": [null, 1.5],
              "attrs": {"e": {"__entity": {"type": "T", "id": "x"}}, "d": {"__extn": {"fn": "decimal", "arg": "1.5"}},
                        "t": {"__extn": {"fn": "offset", "args": [{"__extn": {"fn": "datetime", "arg": "2024-01-01"}}, {"__extn": {"fn": "duration", "arg": "1h"}}]}},
                        "n": 9223372036854775807, "s": [1, 1, {}], "__other": true}}]
            """);
        Assert.True(store.TryGetEntity(new EntityUid("A::B", ""), out var entity));
        Assert.Equal(
            """{"__other": true, "d": decimal("1.5"), "e": T::"x", "n": 9223372036854775807, "s": [1, {}], "t": datetime("2024-01-01T01:00:00.000Z")}""",
            entity.Attributes.ToString());
    }

    [Theory]
    [InlineData("", "1:1: this is not JSON")]
    [InlineData("{}", "1:1: expected an array of entities")]
    [InlineData("[1]", "1:2: expected an entity")]
    [InlineData("[{}]", "1:2: this entity has no `uid`")]
    [InlineData("""[{"uid": {"type": "T", "id": "x"}, "parents": []}]""", "1:2: this entity has no `attrs`")]
    [InlineData("""[{"uid": {"type": "T", "id": "x"}, "attrs": {}}]""", "1:2: this entity has no `parents`")]
    [InlineData("""[{"uid": "T::\"x\"", "attrs": {}, "parents": []}]""", "1:10: expected an entity uid")]
    [InlineData("""[{"uid": {"type": "T "}}]""", "1:10: an entity uid has a `type` and an `id`")]
    [InlineData("""[{"uid": {"type": "T ", "id": "x"}}]""", "1:10: `T ` is not an entity type name")]
    [InlineData("""[{"uid": {"type": "T", "id": "x"}, "attrs": {"a": null}, "parents": []}]""", "1:51: a value cannot be null; leave the attribute out")]
    [InlineData("""[{"uid": {"type": "T", "id": "x"}, "attrs": {"a": 1e3}, "parents": []}]""", "1:51: a number is a whole number of 64 bits")]
    [InlineData("""[{"uid": {"type": "T", "id": "x"}, "attrs": {"a": 9223372036854775808}, "parents": []}]""", "1:51: a number is a whole number of 64 bits")]
    [InlineData("""[{"uid": {"type": "T", "id": "x"}, "attrs": {"a": {"__expr": "1"}}, "parents": []}]""", "1:51: `__expr` is not supported any more")]
    [InlineData("""[{"uid": {"type": "T", "id": "x"}, "attrs": {"a": {"__extn": {"fn": "ip", "arg": "x"}}}, "parents": []}]""", "1:62: `x` is not an IP address or CIDR range")]
    [InlineData("""[{"uid": {"type": "T", "id": "x"}, "attrs": {"a": 1, "a": 1}, "parents": []}]""", "1:63: the attribute `a` occurs twice")]
    [InlineData("""[{"uid": {"type": "T", "id": "x"}, "attrs": {"a": "\ud800"}, "parents": []}]""", "1:51: this string is not valid Unicode")]
    [InlineData("[] 1", "1:4: this is not JSON")]
    public void TryParse_WhatIsNoEntities_RefusedWithItsPlace(string json, string fault) =>
        Assert.StartsWith(fault, Fault(json).ToString(), StringComparison.Ordinal);

    [Fact]
    public void TryParse_NestedTooDeep_Refused() =>
        Assert.NotNull(Fault("""[{"uid": {"type": "T", "id": "x"}, "parents": [], "attrs": {"a": """ + new string('[', 100_000) + new string(']', 100_000) + "}}]"));

    private static string Entity(string id, params string[] parents) => $$"""
        {"uid": {"type": "T", "id": "{{id}}"}, "attrs": {}, "parents": [{{string.Join(",", parents.Select(p => $$"""{"type": "T", "id": "{{p}}"}"""))}}]}
        """;

    private static EntityStore Parse(string json) =>
        EntityStore.TryParse(SourceText.Of(json), out var store, out var faults) ? store : throw new InvalidOperationException(faults[0].ToString());

    private static Fault Fault(string json)
    {
        Assert.False(EntityStore.TryParse(SourceText.Of(json), out var store, out var faults));
        Assert.Null(store);
        return faults[0];
    }
}
