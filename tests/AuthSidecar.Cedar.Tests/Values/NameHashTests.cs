using CsCheck;

namespace AuthSidecar.Cedar.Tests.Values;

public sealed class NameHashTests
{
    [Fact]
    public void Of_SameNames_SameHashAndNeverZero() => Gen.Select(Gen.String, Gen.String).Sample((type, id) =>
    {
        var hash = NameHash.Of(type, id);
        Assert.NotEqual(0, hash);
        Assert.Equal(hash, NameHash.Of(new string(type), new string(id)));
    });

    /// <summary>Names as people give them, and those that differ in one place only, or in where the type ends: as good as no two meet.</summary>
    [Fact]
    public void Of_NamesMuchAlike_MeetNoOftenerThanByChance()
    {
        var names = new HashSet<(string, string)>();
        for (var i = 0; i < 20_000; i++)
        {
            names.Add(("User", $"user_{i}"));
            names.Add(("Group", $"{i}"));
            names.Add(("T", $"{i:D40}"));
            names.Add(($"T{i}", ""));
        }

        for (var length = 0; length < 2_000; length++)
        {
            names.Add((new string('a', length), "b"));
            names.Add(("b", new string('a', length)));
        }

        // By chance, n (n - 1) / 2 / 2^32 pairs meet: less than one.
        var hashes = names.Select(n => NameHash.Of(n.Item1, n.Item2)).Distinct().Count();
        Assert.InRange(names.Count - hashes, 0, 20);
    }
}
