using CsCheck;

namespace AuthSidecar.Tests.Common;

/// <summary>A revision has one form as text, and a later history is later whatever its numbers are.</summary>
public sealed class RevisionTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 29, 12, 0, 0, TimeSpan.Zero);

    private static readonly Gen<Revision> Revisions = Gen.Select(
        Gen.OneOf(Gen.Const(0UL), Gen.ULong[1, 40], Gen.ULong[1, (1UL << 60) - 1]),
        Gen.OneOf(Gen.ULong[0, 40], Gen.ULong[0, long.MaxValue]),
        (history, number) => new Revision(new History(history), number));

    [Fact]
    public void Parse_WhatIsWritten_IsIt() => Revisions.Sample(revision =>
    {
        Assert.True(Revision.TryParse(revision.ToString(), out var read));
        Assert.Equal(revision, read);
        Assert.True(revision.ToString().Length <= Revision.MaxLength);
    });

    /// <summary>Whatever is read is written again as it was: there are no two texts of one revision.</summary>
    [Fact]
    public void Parse_AnyText_HasOneForm() => Gen.Char["0123456789abcfoldertz. -+A"].Array[0, 20].Sample(text =>
    {
        if (Revision.TryParse(text, out var revision))
        {
            Assert.Equal(new string(text), revision.ToString());
        }
    });

    [Fact]
    public void Compare_LaterHistory_IsLater() => Gen.Select(Revisions, Revisions).Sample((a, b) =>
    {
        Assert.Equal(a.History == b.History ? a.Number.CompareTo(b.Number) : a.History.Value.CompareTo(b.History.Value), a.CompareTo(b));
        Assert.Equal(a.History == b.History && a.Number <= b.Number, a.IsIn(b));
        Assert.False(a.IsIn(b) && a > b);
    });

    /// <summary>As sync.proto says it: of two histories, the later one is the greater as text.</summary>
    [Fact]
    public void Texts_OfHistories_CompareAsTheyDo() => Gen.Select(Gen.ULong[1, (1UL << 60) - 1], Gen.ULong[1, (1UL << 60) - 1]).Sample((a, b) =>
        Assert.Equal(a.CompareTo(b), Math.Sign(string.CompareOrdinal(new History(a).ToString(), new History(b).ToString()))));

    [Fact]
    public void Begin_IsLaterWhateverTheClockSays()
    {
        var first = History.Begin(Now, default);
        Assert.Equal(Now, first.BeganAt);
        Assert.True(History.Begin(Now, first) > first);
        Assert.True(History.Begin(Now.AddYears(-10), first) > first);
        Assert.NotEqual(History.Begin(Now, default), first);
    }
}
