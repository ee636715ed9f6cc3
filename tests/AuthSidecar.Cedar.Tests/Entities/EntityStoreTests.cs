using CsCheck;

namespace AuthSidecar.Cedar.Tests.Entities;

public sealed class EntityStoreTests
{
    [Fact]
    public void TryParse_Diamond_EveryAncestorOnce()
    {
        var store = Parse($"[{Entity("a", "b", "c")}, {Entity("b", "d")}, {Entity("c", "d")}]");
        Assert.True(store.TryGetEntity(new EntityUid("T", "a"), out var a));
        Assert.Equal(["b", "c", "d"], store.AncestorsOf(a.Uid).Select(u => u.Id).Order(StringComparer.Ordinal));
        Assert.False(store.TryGetEntity(new EntityUid("T", "d"), out _));
    }

    [Fact]
    public void TryParse_LongChain_NeitherOverflowsNorForgets()
    {
        var chain = Enumerable.Range(0, 3_000).Select(i => Entity($"{i}", $"{i + 1}"));
        var store = Parse($"[{string.Join(",", chain)}]");
        Assert.True(store.TryGetEntity(new EntityUid("T", "0"), out var first));
        Assert.True(store.IsIn(first.Uid, new EntityUid("T", "3000")));
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
        Assert.Contains("duplicate entity `T::\"a\"` with different content", Fault($"[{Entity("a", "b")}, {Entity("a", "c")}]").Message, StringComparison.Ordinal);
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
    [InlineData("", "1:1: empty: expected JSON")]
    [InlineData("[{", "1:3: unexpected end of JSON; the text is incomplete")]
    [InlineData("{}", "1:1: expected an array of entities")]
    [InlineData("[1]", "1:2: expected an entity")]
    [InlineData("[{}]", "1:2: missing `uid`")]
    [InlineData("""[{"uid": {"type": "T", "id": "x"}, "parents": []}]""", "1:2: missing `attrs`")]
    [InlineData("""[{"uid": {"type": "T", "id": "x"}, "attrs": {}}]""", "1:2: missing `parents`")]
    [InlineData("""[{"uid": "T::\"x\"", "attrs": {}, "parents": []}]""", "1:10: expected an entity uid")]
    [InlineData("""[{"uid": {"type": "T "}}]""", "1:10: an entity uid must have a `type` and an `id`")]
    [InlineData("""[{"uid": {"type": "T ", "id": "x"}}]""", "1:10: `T ` is not an entity type name")]
    [InlineData("""[{"uid": {"type": "T", "id": "x"}, "attrs": {"a": null}, "parents": []}]""", "1:51: a value cannot be null; omit the attribute")]
    [InlineData("""[{"uid": {"type": "T", "id": "x"}, "attrs": {"a": 1e3}, "parents": []}]""", "1:51: a number must be a 64-bit integer")]
    [InlineData("""[{"uid": {"type": "T", "id": "x"}, "attrs": {"a": 9223372036854775808}, "parents": []}]""", "1:51: a number must be a 64-bit integer")]
    [InlineData("""[{"uid": {"type": "T", "id": "x"}, "attrs": {"a": {"__expr": "1"}}, "parents": []}]""", "1:51: unsupported escape `__expr`")]
    [InlineData("""[{"uid": {"type": "T", "id": "x"}, "attrs": {"a": {"__extn": {"fn": "ip", "arg": "x"}}}, "parents": []}]""", "1:62: `x` is not an IP address or CIDR range")]
    [InlineData("""[{"uid": {"type": "T", "id": "x"}, "attrs": {"a": 1, "a": 1}, "parents": []}]""", "1:63: the attribute `a` occurs twice")]
    [InlineData("""[{"uid": {"type": "T", "id": "x"}, "attrs": {"a": "\ud800"}, "parents": []}]""", "1:51: the string is not valid Unicode")]
    [InlineData("[] 1", "1:4: invalid JSON")]
    public void TryParse_WhatIsNoEntities_RefusedWithItsPlace(string json, string fault) =>
        Assert.StartsWith(fault, Fault(json).ToString(), StringComparison.Ordinal);

    [Fact]
    public void TryParse_NestedTooDeep_Refused() =>
        Assert.NotNull(Fault("""[{"uid": {"type": "T", "id": "x"}, "parents": [], "attrs": {"a": """ + new string('[', 100_000) + new string(']', 100_000) + "}}]"));

    /// <summary>Any hierarchy changed in any way is the one that would have been read as a whole; and the old store answers as before.</summary>
    [Fact]
    public void TryUpdate_AnyChanges_AnswersAsAStoreReadAsAWhole()
    {
        const int Size = 12;
        // Parents lie further down the list, which keeps the hierarchy free of cycles. Null: no entity.
        var one = Gen.Frequency((1, Gen.Const((int[]?)null)), (3, Gen.Int[0, Size - 1].Array[0, 3].Select(p => (int[]?)p)));
        Gen.Select(one.Array[Size], Gen.Select(Gen.Int[0, Size - 1], one).Array[0, 4].Array[1, 3]).Sample(
            (start, rounds) =>
            {
                var world = start.ToArray();
                var store = Parse(Json(world, Enumerable.Range(0, Size)));
                foreach (var changes in rounds)
                {
                    var (oldStore, oldWorld) = (store, world.ToArray());
                    AssertSame(oldStore, oldWorld);
                    foreach (var (i, parents) in changes)
                    {
                        world[i] = parents;
                    }

                    var changed = changes.Select(c => c.Item1).Distinct().ToList();
                    Assert.True(store.TryUpdate(SourceText.Of(Json(world, changed)), changed.Where(i => world[i] is null).Select(Uid), null, out store, out _));
                    AssertSame(store, world);
                    AssertSame(oldStore, oldWorld);
                }
            },
            iter: 3_000);

        static EntityUid Uid(int i) => new("T", $"{i}");

        static IEnumerable<int> ParentsOf(int[]?[] world, int i) => (world[i] ?? []).Where(p => p > i);

        static string Json(int[]?[] world, IEnumerable<int> which) =>
            $"[{string.Join(",", which.Where(i => world[i] is not null).Select(i => Entity($"{i}", [.. ParentsOf(world, i).Select(p => $"{p}")])))}]";

        static void AssertSame(EntityStore store, int[]?[] world)
        {
            Assert.Equal(world.Count(w => w is not null), store.Count);
            for (var i = Size - 1; i >= 0; i--)
            {
                var above = new HashSet<int>();
                var left = new Queue<int>([i]);
                while (left.TryDequeue(out var next))
                {
                    foreach (var parent in ParentsOf(world, next).Where(above.Add))
                    {
                        left.Enqueue(parent);
                    }
                }

                Assert.Equal(world[i] is not null, store.TryGetEntity(Uid(i), out _));
                Assert.Equal(above.Select(Uid).ToHashSet(), store.AncestorsOf(Uid(i)).ToHashSet());
            }
        }
    }

    [Fact]
    public void TryUpdate_WhatDidNotChange_IsShared()
    {
        var store = Parse($"[{string.Join(",", Enumerable.Range(0, 5_000).Select(i => Entity($"{i}", "group")))}]");
        Assert.True(store.TryUpdate(SourceText.Of($"[{Entity("1", "other")}]"), [new EntityUid("T", "2")], null, out var updated, out _));
        Assert.Equal(4_999, updated.Count);
        for (var i = 3; i < 5_000; i++)
        {
            var uid = new EntityUid("T", $"{i}");
            Assert.True(store.TryGetEntity(uid, out var before) && updated.TryGetEntity(uid, out var after) && ReferenceEquals(before, after));
        }
    }

    [Fact]
    public void TryUpdate_CycleThroughWhatWasThere_RefusedAndTheStoreStays()
    {
        var store = Parse($"[{Entity("a", "b")}, {Entity("b", "c")}]");
        Assert.False(store.TryUpdate(SourceText.Of($"[{Entity("c", "a")}]"), [], null, out var updated, out var faults));
        Assert.Null(updated);
        Assert.Contains("is a member of itself", Assert.Single(faults).Message, StringComparison.Ordinal);
        Assert.False(store.TryUpdate([new Entity(new EntityUid("T", "c"), ValueRecord.Empty, ValueRecord.Empty, new EntityUid("T", "c"))], [], null, out _, out faults));
        Assert.Equal("the entity `T::\"c\"` is a member of itself, directly or through its parents; remove one of these parents", Assert.Single(faults).ToString());
        Assert.Equal(2, store.Count);
    }

    /// <summary>What one store has found out about an entity, or what was fixed when it was made, is not believed in another store.</summary>
    [Fact]
    public void TryUpdate_SameObjectsInTwoStores_EachAnswersForItself()
    {
        EntityUid user = new("T", "user"), group = new("T", "group"), one = new("T", "one"), two = new("T", "two");
        var shared = new Entity(user, ValueRecord.Empty, ValueRecord.Empty, group);
        var inOne = With(Member(group, one), shared);
        var inTwo = With(Member(group, two), shared);
        Assert.True(inOne.IsIn(user, one));
        Assert.True(inTwo.IsIn(user, two));
        Assert.False(inTwo.IsIn(user, one));
        Assert.False(inOne.IsIn(user, two));

        var overOne = Cedar.Entity.CreateOver(inOne, user, ValueRecord.Empty, ValueRecord.Empty, [group]);
        Assert.False(With(Member(group, two), overOne).IsIn(user, one));

        static Entity Member(EntityUid uid, EntityUid parent) => new(uid, ValueRecord.Empty, ValueRecord.Empty, parent);

        static EntityStore With(params Entity[] entities) =>
            EntityStore.Empty.TryUpdate(entities, [], null, out var store, out var faults) ? store : throw new InvalidOperationException(faults[0].ToString());
    }

    [Fact]
    public void TryUpdate_WithASchema_ChecksWhatIsGivenAndKeepsTheActions()
    {
        Assert.True(Schema.TryParse(SourceText.Of("entity G; entity U in [G] = { n: Long }; action read appliesTo { principal: U, resource: U };"), out var schema, out _));
        Assert.True(EntityStore.TryParse(SourceText.Of("[]"), schema, out var store, out _));
        var read = new EntityUid("Action", "read");
        Assert.False(store.TryUpdate(SourceText.Of("""[{"uid": {"type": "U", "id": "x"}, "attrs": {}, "parents": []}]"""), [], schema, out _, out var faults));
        Assert.Equal("1:45: `U::\"x\"` does not conform to the schema: the attribute `n` is missing", Assert.Single(faults).ToString());
        Assert.True(store.TryUpdate(SourceText.Of("""[{"uid": {"type": "U", "id": "x"}, "attrs": {"n": 1}, "parents": []}]"""), [read], schema, out var updated, out _));
        Assert.True(updated.TryGetEntity(read, out _));
        Assert.Equal(2, updated.Count);
    }

    /// <summary>A chain of 50,000 has 1.25 thousand million pairs; remembering them all is not to be thought of.</summary>
    [Fact]
    public void IsIn_VeryLongChain_AnswersWithoutRememberingEveryPair()
    {
        const int Length = 50_000;
        var store = Parse($"[{string.Join(",", Enumerable.Range(0, Length).Select(i => Entity($"{i}", $"{i + 1}")))}]");
        for (var i = 0; i < Length; i += 2_500)
        {
            Assert.True(store.IsIn(new EntityUid("T", $"{i}"), new EntityUid("T", $"{Length}")));
        }

        var remembered = store.Entities.Where(e => e.Memo is not null).ToList();
        Assert.All(remembered, e => Assert.InRange(e.Memo!.Ancestors.Count, 1, EntityMemo.MaxAncestors));
        Assert.Equal([$"{Length - 2_500}"], remembered.Select(e => e.Uid.Id));
    }

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
