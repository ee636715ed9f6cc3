using System.Text;

namespace AuthSidecar.Cedar.Tests.Syntax;

public sealed class EncodingTests
{
    private delegate bool Reading(SourceText text, out IReadOnlyList<Fault> faults);

    // Every reader of documents, with a text that it takes and one that it does not, at 2:3.
    private static readonly (string Name, string Good, string Bad, Reading Read)[] Readers =
    [
        ("policies", "permit(principal, action, resource);", "\n  x", (SourceText text, out IReadOnlyList<Fault> faults) => PolicySet.TryParse(text, out _, out faults)),
        ("policies in JSON", "{}", "{\n \u00e9}", (SourceText text, out IReadOnlyList<Fault> faults) => PolicySet.TryParseJson(text, out _, out faults)),
        ("schema", "entity U;", "\n  x", (SourceText text, out IReadOnlyList<Fault> faults) => Schema.TryParse(text, out _, out faults)),
        ("schema in JSON", "{}", "[\n  ]", (SourceText text, out IReadOnlyList<Fault> faults) => Schema.TryParseJson(text, out _, out faults)),
        ("entities", "[]", "[\n  1]", (SourceText text, out IReadOnlyList<Fault> faults) => EntityStore.TryParse(text, out _, out faults)),
        ("context", "{}", "{\n\"\": null}", (SourceText text, out IReadOnlyList<Fault> faults) => ValueRecord.TryParse(text, null, out _, out faults)),
        ("formatter", "permit (principal, action, resource);\n", "\n  x", (SourceText text, out IReadOnlyList<Fault> faults) => PolicyFormatter.TryFormat(text, out _, out faults)),
    ];

    public static TheoryData<string> Names() => [.. Readers.Select(r => r.Name)];

    /// <summary>A byte-order mark says nothing, and faults are where they would be without it.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Read_ByteOrderMark_SkippedAndNoColumn(string name)
    {
        var (_, good, bad, read) = Array.Find(Readers, r => r.Name == name);
        Assert.True(read(Text([.. Mark, .. Encoding.UTF8.GetBytes(good)]), out var faults), $"{faults.FirstOrDefault()}");
        foreach (var text in new[] { bad, bad.Replace("\n", "", StringComparison.Ordinal) })
        {
            Assert.False(read(Text(Encoding.UTF8.GetBytes(text)), out var without));
            Assert.False(read(Text([.. Mark, .. Encoding.UTF8.GetBytes(text)]), out var with));
            Assert.Equal(without, with);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Read_Utf16_RefusedByName(string name)
    {
        var (_, good, _, read) = Array.Find(Readers, r => r.Name == name);
        foreach (var encoding in new[] { Encoding.Unicode, Encoding.BigEndianUnicode })
        {
            Assert.False(read(Text([.. encoding.GetPreamble(), .. encoding.GetBytes(good)]), out var faults));
            Assert.Equal("f:1:1: unsupported encoding: UTF-16; save it as UTF-8", Assert.Single(faults).ToString());
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Read_InvalidUtf8_RefusedInItsPlace(string name)
    {
        var (_, good, _, read) = Array.Find(Readers, r => r.Name == name);
        Assert.False(read(Text([.. Encoding.UTF8.GetBytes(good), .. "\n \u00e9"u8, 0xe9, (byte)'x']), out var faults));
        var lines = good.Count(c => c == '\n') + 2;
        Assert.Equal((lines, 3, "invalid UTF-8"), (faults[0].Line, faults[0].Column, Assert.Single(faults).Message));
    }

    [Theory]
    [InlineData("// caf", "\npermit (principal, action, resource);\n", 7)]
    [InlineData("@a(\"caf", "\") permit (principal, action, resource);\n", 8)]
    public void TryFormat_InvalidUtf8InComments_RefusedInItsPlace(string before, string behind, int column)
    {
        Assert.False(PolicyFormatter.TryFormat(Text([.. Encoding.UTF8.GetBytes(before), 0xe9, .. Encoding.UTF8.GetBytes(behind)]), out _, out var faults));
        Assert.Equal($"f:1:{column}: invalid UTF-8; save the text as UTF-8", Assert.Single(faults).ToString());
    }

    [Fact]
    public void TryFormat_ByteOrderMark_Stays()
    {
        byte[] text = [.. Mark, .. "// first\npermit(principal,action,resource);"u8];
        Assert.True(PolicyFormatter.TryFormat(Text(text), out var formatted, out _));
        Assert.Equal("\ufeff// first\npermit (principal, action, resource);\n", formatted);
        Assert.True(PolicyFormatter.TryFormat(SourceText.Of(formatted), out var again, out _));
        Assert.Equal(formatted, again);
    }

    /// <summary>In the middle of a text it is a character like any other, and none of the language's.</summary>
    [Theory]
    [InlineData("permit(principal, \ufeffaction, resource);")]
    [InlineData("\ufeff\ufeffpermit(principal, action, resource);")]
    public void TryParse_ByteOrderMarkElsewhere_Refused(string text) => Assert.False(PolicySet.TryParse(SourceText.Of(text), out _, out _));

    [Fact]
    public void TryParse_UidOrValueWithByteOrderMark_Refused()
    {
        Assert.False(EntityUid.TryParse("\ufeffU::\"a\"", out _, out var fault));
        Assert.Equal("1:1: unexpected byte-order mark; remove it", fault.ToString());
        Assert.False(Value.TryParse("\ufeff1", out _, out fault));
        Assert.Equal("1:1: unexpected byte-order mark; remove it", fault.ToString());
    }

    private static ReadOnlySpan<byte> Mark => [0xef, 0xbb, 0xbf];

    private static SourceText Text(byte[] utf8) => new("f", utf8);
}
