using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace EndToEnd.Tests.House;

/// <summary>Messages are in the field's words: see <c>phrases.txt</c>.</summary>
public sealed partial class WordingTests
{
    // Not in git, or written by programs.
    private static readonly string[] OtherFolders = ["artifacts/", ".git/", ".quickstart/", "tests/Benchmarks/results/"];

    private static readonly List<(Regex Phrase, string Instead)> Phrases =
    [
        .. File.ReadLines(Path.Combine(Binary.Root, "tests", "EndToEnd.Tests", "House", "phrases.txt"))
            .Where(l => l.Length > 0 && l[0] != '#')
            .Select(l => l.Split('\t'))
            .Select(l => (new Regex(l[0], RegexOptions.IgnoreCase | RegexOptions.CultureInvariant), l[1])),
    ];

    [Fact]
    public void Messages_HaveNoneOfThePhrases() => Check(Sources("*.cs").SelectMany(f => TextsOf(f).Select(t => (f, t))));

    [Fact]
    public void Pages_HaveNoneOfThePhrases() =>
        Check(Sources("*.cshtml").SelectMany(f => File.ReadLines(f).Select((text, line) => (f, (line + 1, text)))));

    [Fact]
    public void ContractsAndPacks_HaveNoneOfThePhrases() => Check(Directory
        .EnumerateFiles(Path.Combine(Binary.Root, "protos", "authsidecar"), "*.proto", SearchOption.AllDirectories)
        .Concat(Sources("*.cedar"))
        .SelectMany(f => ParagraphsOf(File.ReadLines(f).Select(l => Comment().Match(l).Groups[1].Value)).Select(t => (f, t))));

    [Fact]
    public void Documentation_HasNoneOfThePhrases() => Check(Directory
        .EnumerateFiles(Binary.Root, "*.md", SearchOption.AllDirectories)
        .Where(f => !OtherFolders.Any(o => Relative(f).StartsWith(o, StringComparison.Ordinal)))
        .Where(f => !f.Contains("/node_modules/", StringComparison.Ordinal))
        .SelectMany(f => ParagraphsOf(File.ReadLines(f)).Select(t => (f, t))));

    private static void Check(IEnumerable<(string File, (int Line, string Text) At)> texts)
    {
        var (read, wrong) = (0, new List<string>());
        foreach (var (file, (line, wrapped)) in texts)
        {
            read++;
            var text = string.Join(' ', wrapped.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
            wrong.AddRange(Phrases
                .Select(p => (Match: p.Phrase.Match(text), p.Instead))
                .Where(m => m.Match.Success)
                .Select(m => $"{Relative(file)}:{line}: `{m.Match.Value}` in `{text}`; instead: {m.Instead}"));
        }

        Assert.True(read > 100, $"{read} texts");
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    private static IEnumerable<string> Sources(string pattern) => Directory
        .EnumerateFiles(Path.Combine(Binary.Root, "src"), pattern, SearchOption.AllDirectories)
        .Where(f => !f.Contains("/Migrations/", StringComparison.Ordinal));

    private static string Relative(string file) => Path.GetRelativePath(Binary.Root, file);

    /// <summary>Lines, each joined with those that it is wrapped into.</summary>
    private static IEnumerable<(int Line, string Text)> ParagraphsOf(IEnumerable<string> lines)
    {
        var (first, text) = (0, "");
        foreach (var (index, line) in lines.Append("").Index())
        {
            if (text.Length > 0 && Beginning().IsMatch(line))
            {
                yield return (first, text);
                text = "";
            }

            first = text.Length == 0 ? index + 1 : first;
            text = $"{text} {line}".Trim();
        }
    }

    /// <summary>String literals and interpolated strings, each joined with those that are added to it; what is filled in is `…`.</summary>
    private static IEnumerable<(int Line, string Text)> TextsOf(string file) => CSharpSyntaxTree.ParseText(File.ReadAllText(file)).GetRoot()
        .DescendantNodes()
        .OfType<ExpressionSyntax>()
        .Where(e => (IsText(e) || IsSum(e)) && !IsSum(e.Parent))
        .Select(e => (e.GetLocation().GetLineSpan().StartLinePosition.Line + 1, TextOf(e)));

    private static string TextOf(ExpressionSyntax expression) => expression switch
    {
        BinaryExpressionSyntax sum when IsSum(sum) => TextOf(sum.Left) + TextOf(sum.Right),
        LiteralExpressionSyntax literal when IsText(literal) => literal.Token.ValueText,
        InterpolatedStringExpressionSyntax text =>
            string.Concat(text.Contents.Select(c => c is InterpolatedStringTextSyntax part ? part.TextToken.ValueText : "…")),
        _ => "…",
    };

    private static bool IsText(SyntaxNode node) => node.IsKind(SyntaxKind.InterpolatedStringExpression)
        || node.IsKind(SyntaxKind.StringLiteralExpression) || node.IsKind(SyntaxKind.Utf8StringLiteralExpression);

    private static bool IsSum(SyntaxNode? node) => node.IsKind(SyntaxKind.AddExpression);

    // The text of a comment.
    [GeneratedRegex(@"(?:^|\s)//\s*(.*)")]
    private static partial Regex Comment();

    // An empty line, an item of a list, a heading, a quotation, a row of a table.
    [GeneratedRegex(@"^\s*(?:$|[-*+#>]+\s|\d+\.\s|\|)")]
    private static partial Regex Beginning();
}
