using CsCheck;

namespace AuthSidecar.Cedar.Tests.EntityJson;

public sealed class EntityJsonTests
{
    private static readonly Gen<string> Text = Gen.OneOf(Gen.String.Select(s => new string([.. s.Where(c => !char.IsSurrogate(c))])), Gen.OneOfConst("", "\"", "\\", "\u00e9\U0001f600", "__entity", "</script>", "\u2028"));

    private static readonly Gen<EntityUid> Uid = Gen.Select(Gen.OneOfConst("U", "N::T", "Action"), Text, (type, id) => new EntityUid(type, id));

    private static readonly Gen<Value> Scalar = Gen.OneOf(
        Gen.Bool.Select(Value.Of),
        Gen.OneOf(Gen.Long, Gen.OneOfConst(long.MinValue, long.MaxValue)).Select(Value.Of),
        Text.Select(Value.Of),
        Uid.Select(Value.Of),
        Gen.OneOf(Gen.Long, Gen.OneOfConst(long.MinValue, long.MaxValue, 0)).Select(ms => Value.Of(new Instant(ms))),
        Gen.OneOf(Gen.Long, Gen.OneOfConst(long.MinValue, long.MaxValue, 0)).Select(ms => Value.Of(new Duration(ms))),
        Gen.OneOf(Gen.Long, Gen.OneOfConst(long.MinValue, long.MaxValue, 0)).Select(scaled => Value.Of(new CedarDecimal(scaled))),
        Gen.OneOfConst("10.0.0.1", "10.0.0.0/8", "::1", "2001:db8::/32", "0.0.0.0/0").Select(t => IpRange.TryParse(t, out var range) ? Value.Of(range) : default));

    private static readonly Gen<Value> Nested = Gen.Recursive<Value>((depth, value) => depth > 4 ? Scalar : Gen.OneOf(
        Scalar,
        value.Array[0, 3].Select(items => Value.Of(ValueSet.Create(items))),
        RecordOf(value).Select(Value.Of)));

    [Fact]
    public void ToJson_AnyEntity_ReadsBackAsItWas() =>
        Gen.Select(Uid, RecordOf(Nested), RecordOf(Nested), Gen.OneOfConst("a", "b", "c").Array[0, 3]).Sample(
            (uid, attributes, tags, parents) =>
            {
                var entity = new Entity(uid, attributes, tags, [.. parents.Select(p => new EntityUid("Action", p))]);
                Assert.True(Entity.TryParse(SourceText.Of(entity.ToJson()), out var again, out var faults), $"{entity.ToJson()}\n{faults.FirstOrDefault()}");
                Assert.Equal(entity.Uid, again.Uid);
                Assert.Equal(entity.Attributes, again.Attributes);
                Assert.Equal(entity.Tags, again.Tags);
                Assert.Equal(entity.Parents.ToArray(), again.Parents.ToArray());
            },
            iter: Iterations.Of(5_000));

    [Theory]
    [InlineData("[]")]
    [InlineData("""{"uid": {"type": "U", "id": "a"}, "attrs": {}}""")]
    [InlineData("""{"uid": {"type": "U", "id": "a"}, "attrs": {}, "parents": []} {}""")]
    [InlineData("")]
    public void TryParse_WhatIsNoEntity_RefusedWithItsPlace(string json)
    {
        Assert.False(Entity.TryParse(SourceText.Of(json, "entity"), out _, out var faults));
        Assert.StartsWith("entity:", Assert.Single(faults).ToString(), StringComparison.Ordinal);
    }

    /// <summary>What stands for a value that is no record is none.</summary>
    [Theory]
    [InlineData("""{"__entity": {"type": "U", "id": "a"}}""", "expected a record, found escape `__entity`")]
    [InlineData("""{"__extn": {"fn": "ip", "arg": "::1"}}""", "expected a record, found escape `__extn`")]
    [InlineData("""{"__expr": "1"}""", "expected a record, found escape `__expr`")]
    [InlineData("null", "expected a record")]
    [InlineData("""{"__entity": {"type": "U", "id": "a"}, "x": 1}""", null)]
    [InlineData("""{"__entity": 1}""", null)]
    [InlineData("""{"a": {"__extn": {"fn": "ip", "arg": "::1", "args": ["::1"]}}}""", "duplicate member: `arg` and `args` are synonyms")]
    public void TryParse_EscapeInPlaceOfARecord_Refused(string json, string? message)
    {
        Assert.Equal(message is null, ValueRecord.TryParse(SourceText.Of(json), null, out _, out var faults));
        Assert.Equal(message, faults.FirstOrDefault()?.Message);
    }

    // A record that looks like an escape would be read as what the escape stands for.
    private static Gen<ValueRecord> RecordOf(Gen<Value> value) => Gen.Dictionary(Text.Where(t => t != "__entity"), value)[0, 3].Select(d => ValueRecord.Create([.. d]));
}
