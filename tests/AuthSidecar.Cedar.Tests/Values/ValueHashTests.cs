using System.Globalization;
using CsCheck;

namespace AuthSidecar.Cedar.Tests.Values;

public sealed class ValueHashTests
{
    private const int Many = 1_024;

    /// <summary>
    /// Values that would meet in one place of a table by the way they are made. A table compares what has the same hash, so that as many hashes
    /// as there are values is as little comparing as there can be.
    /// </summary>
    public static TheoryData<string, Func<int, Value>> Alike() => new()
    {
        { "a set within a set, and so on", i => Wrapped(Value.Of(1), i % 64 + 1, i / 64) },
        { "each wrapped a number of times that is its own", i => Set(Wrapped(Value.Of(1), i % 16, 0), Wrapped(Value.Of(2), i / 16 % 16, 0), Wrapped(Value.Of(3), i / 256, 0)) },
        { "pairs with the same sum", i => Set(Value.Of(i), Value.Of(Many * 2 - i)) },
        { "pairs of sets with the same sum", i => Set(Set(Value.Of(i)), Set(Value.Of(Many * 2 - i))) },
        { "triples of strings that are shared", i => Set(Value.Of($"{i % 32}"), Value.Of($"{i / 32 + 100}"), Set(Value.Of($"{i % 32}"))) },
        { "records with values changed about", i => Record(Bits(i)) },
        { "records with names changed about", i => Record([Value.Of(1)], name: $"{i}") },
        { "records within records", i => Enumerable.Range(0, i).Aggregate(Value.Of(1), (v, _) => Record([v])) },
        { "a record and its values as a set", i => i % 2 == 0 ? Record([Value.Of(i / 2)]) : Set(Value.Of("a0"), Value.Of(i / 2)) },
        { "numbers whose halves are alike", i => Value.Of(((long)i << 32) | (uint)i) },
        { "numbers whose halves cancel out", i => Value.Of(((long)i << 32) | (uint)~i) },
        { "durations whose halves are alike", i => Value.Of(new Duration(((long)i << 32) | (uint)i)) },
        { "decimals and numbers of the same bits", i => i % 2 == 0 ? Value.Of((long)i / 2) : Value.Of(new CedarDecimal(i / 2)) },
        { "addresses whose halves are alike", i => Value.Of(Ip(string.Create(CultureInfo.InvariantCulture, $"::{i:x}:{i:x}:{i:x}:{i:x}"))) },
        { "ranges of one address", i => Value.Of(Ip(string.Create(CultureInfo.InvariantCulture, $"{i / 129}::/{i % 129}"))) },
    };

    [Theory]
    [MemberData(nameof(Alike))]
    public void Create_ManyMadeAlike_MeetNoOftenerThanByChance(string _, Func<int, Value> make)
    {
        var values = Enumerable.Range(0, Many).Select(make).ToArray();
        Assert.Equal(Many, ValueSet.Create(values).Count);
        // By chance, n (n - 1) / 2 / 2^32 pairs meet: one in eight thousand runs.
        Assert.InRange(values.Select(v => v.GetHashCode()).Distinct().Count(), Many - 2, Many);
    }

    [Fact]
    public void GetHashCode_Nesting_Matters()
    {
        var one = Set(Value.Of(1));
        Value[] nested = [Value.Of(1), one, Set(one), Set(Set(one)), Set(one, Value.Of(1)), Record([Value.Of(1)]), Record([one]), Set(Record([Value.Of(1)])), Value.Of(ValueSet.Empty), Set(Value.Of(ValueSet.Empty)), Value.Of(ValueRecord.Empty)];
        Assert.Equal(nested.Length, nested.Select(v => v.GetHashCode()).Distinct().Count());
    }

    [Fact]
    public void GetHashCode_SameElementsInAnotherOrder_Same() => Gen.Int[-5, 50].Array[0, 30].Sample(numbers =>
    {
        Value[] values = [.. numbers.Select(n => n % 3 == 0 ? Set(Value.Of(n), Value.Of("x")) : Value.Of(n))];
        var set = ValueSet.Create(values);
        var turned = ValueSet.Create([.. values.Reverse(), .. values]);
        Assert.Equal(set, turned);
        Assert.Equal(set.GetHashCode(), turned.GetHashCode());
    });

    /// <summary>Small sets have no table: what differs deep inside of them is told apart by what is kept of each, not at every level anew.</summary>
    [Fact]
    public void Equals_SmallSetsThatDifferDeepInside_ComparedOnce()
    {
        var (a, b) = (Layers(0, 6), Layers(1, 6));
        Assert.NotEqual(a, b);
        Assert.Equal(a, Layers(0, 6));
        Assert.NotEqual(a.GetHashCode(), b.GetHashCode());
    }

    [Fact]
    public void TryAdd_ManyInAnyOrder_SortedAndNoneTwice() => Gen.Int[0, 400].Array[0, 300].Sample(numbers =>
    {
        var builder = new ValueRecordBuilder(0);
        var expected = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (var number in numbers)
        {
            var name = $"a{number}";
            Assert.Equal(expected.TryAdd(name, number), builder.TryAdd(name, Value.Of(number)));
        }

        var record = builder.ToRecord();
        Assert.Equal(expected.Select(e => KeyValuePair.Create(e.Key, Value.Of(e.Value))), record.Fields.ToArray());
        Assert.All(expected, e => Assert.True(record.TryGet(e.Key, out var value) && value == Value.Of(e.Value)));
        Assert.False(record.TryGet("b", out _));
    });

    private static Value Layers(int leaf, int depth) => depth == 0
        ? Value.Of(leaf)
        : Set([.. Enumerable.Range(0, 5).Select(i => Set(Value.Of(i), Layers(leaf, depth - 1)))]);

    private static Value Set(params Value[] items) => Value.Of(ValueSet.Create(items));

    private static Value Record(Value[] values, string name = "a") =>
        Value.Of(ValueRecord.Create([.. values.Select((v, i) => KeyValuePair.Create(string.Create(CultureInfo.InvariantCulture, $"{name}{i}"), v))]));

    /// <summary>The value, with so many brackets around it; the innermost has another element, if there is to be one.</summary>
    private static Value Wrapped(Value value, int times, int beside)
    {
        for (var i = 0; i < times; i++)
        {
            value = i == 0 && beside != 0 ? Set(value, Value.Of($"{beside}")) : Set(value);
        }

        return value;
    }

    private static Value[] Bits(int number) => [.. Enumerable.Range(0, 10).SelectMany(bit => (number >> bit & 1) == 0 ? new[] { Value.Of(1), Value.Of(2) } : [Value.Of(2), Value.Of(1)])];

    private static IpRange Ip(string text) => IpRange.TryParse(text, out var ip) ? ip : throw new InvalidOperationException(text);
}
