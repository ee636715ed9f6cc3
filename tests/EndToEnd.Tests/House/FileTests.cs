using System.Text.RegularExpressions;

namespace EndToEnd.Tests.House;

/// <summary>Files of source are short, and their lines fit a screen; links of the documentation lead somewhere.</summary>
public sealed partial class FileTests
{
    private const int MaxWidth = 140;
    private const int MaxAtP90 = 200;

    [Fact]
    public void Lines_OfSource_HaveAtMost140Characters()
    {
        var wide = Sources().SelectMany(f => File.ReadLines(f).Index().Where(l => l.Item.Length > MaxWidth).Select(l => $"{Relative(f)}:{l.Index + 1}: {l.Item.Length}"));
        Assert.Equal("", string.Join('\n', wide));
    }

    [Fact]
    public void Files_NineOfTen_HaveFewerThan200Lines()
    {
        var lengths = Sources().Select(f => File.ReadLines(f).Count()).Order().ToList();
        Assert.True(lengths[lengths.Count * 9 / 10] < MaxAtP90, $"90 % of files have up to {lengths[lengths.Count * 9 / 10]} lines");
    }

    [Fact]
    public void Links_OfTheDocumentation_LeadToFiles()
    {
        var pages = Directory.EnumerateFiles(Binary.Root, "*.md", SearchOption.AllDirectories)
            .Where(f => !Relative(f).StartsWith("artifacts/", StringComparison.Ordinal) && !Relative(f).Contains("node_modules/", StringComparison.Ordinal) && !Relative(f).StartsWith('.'));
        var broken = from page in pages
                     from link in Link().Matches(File.ReadAllText(page)).Select(m => m.Groups[1].Value.Split('#')[0])
                     where link.Length > 0 && !link.Contains(':', StringComparison.Ordinal)
                     let target = Path.Combine(Path.GetDirectoryName(page)!, link)
                     where !File.Exists(target) && !Directory.Exists(target)
                     select $"{Relative(page)}: {link}";
        Assert.Equal("", string.Join('\n', broken));
    }

    private static IEnumerable<string> Sources() => Directory.EnumerateFiles(Path.Combine(Binary.Root, "src"), "*.cs", SearchOption.AllDirectories)
        .Where(f => !f.Contains("/Migrations/", StringComparison.Ordinal));

    private static string Relative(string file) => Path.GetRelativePath(Binary.Root, file);

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();
}
