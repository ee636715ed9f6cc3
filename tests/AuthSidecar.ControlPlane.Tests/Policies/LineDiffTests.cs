using AuthSidecar.ControlPlane.Policies;

namespace AuthSidecar.ControlPlane.Tests.Policies;

public sealed class LineDiffTests
{
    [Theory]
    [InlineData("", "", "")]
    [InlineData("a\n", "a\n", "")]
    [InlineData("", "a\nb\n", "+a\n+b\n")]
    [InlineData("a\nb\n", "", "-a\n-b\n")]
    [InlineData("a\nb\nc\n", "a\nx\nc\n", " a\n-b\n+x\n c\n")]
    [InlineData("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\n5\n6\n7\n8\n9\n0\n", " 7\n 8\n 9\n+0\n")]
    [InlineData("x\n1\n2\n3\n4\n5\n6\n7\ny\n", "1\n2\n3\n4\n5\n6\n7\n", "-x\n 1\n 2\n 3\n...\n 5\n 6\n 7\n-y\n")]
    [InlineData("a\nb\na\nb\n", "b\na\nb\na\n", "-a\n b\n a\n b\n+a\n")]
    public void Of_TwoTexts_TellsWhatDiffers(string before, string after, string expected) => Assert.Equal(expected, LineDiff.Of(before, after));

    [Fact]
    public void Of_VeryLongTextsWithoutALineInCommon_ToldAsReplaced()
    {
        var before = string.Concat(Enumerable.Range(0, 5_000).Select(i => $"old {i}\n"));
        var diff = LineDiff.Of(before, "new\n");
        Assert.StartsWith("-old 0\n", diff, StringComparison.Ordinal);
        Assert.EndsWith("-old 4999\n+new\n", diff, StringComparison.Ordinal);
    }
}
