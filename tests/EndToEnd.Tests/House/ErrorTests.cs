using System.Text.RegularExpressions;

namespace EndToEnd.Tests.House;

/// <summary>The reasons of errors have a meaning each, which <c>docs/operations.md</c> lists.</summary>
public sealed partial class ErrorTests
{
    [Fact]
    public void Errors_AreListedInTheDocumentation() =>
        GeneratedSection.Check("operations.md", "errors", string.Concat(
            Table("authsidecar", "protos/authsidecar/v1/error_reason.proto"), Table("authsidecar-control", "protos/authsidecar/controlplane/v1/error_reason.proto")));

    private static string Table(string program, string proto)
    {
        var values = Value().Matches(File.ReadAllText(Path.Combine(Binary.Root, proto)))
            .Select(m => (Name: m.Groups["name"].Value, Meaning: string.Join(' ', m.Groups["line"].Captures.Select(c => c.Value.Trim())).Split(": ", 2)))
            .Where(v => !v.Name.EndsWith("_UNSPECIFIED", StringComparison.Ordinal))
            .ToList();
        Assert.True(values.Count > 5, proto);
        Assert.All(values, v => Assert.True(v.Meaning is [var codes, _] && StatusCodes().IsMatch(codes), $"{v.Name}: its comment does not begin with the status code"));
        return $"### {program}\n\n| Reason | Status | Meaning |\n| --- | --- | --- |\n{string.Concat(values.Select(v => $"| `{v.Name}` | {v.Meaning[0]} | {v.Meaning[1].Replace("|", "\\|", StringComparison.Ordinal)} |\n"))}\n";
    }

    [GeneratedRegex("^[A-Z_]+( or [A-Z_]+)*$")]
    private static partial Regex StatusCodes();

    /// <summary>A value with the comment above it.</summary>
    [GeneratedRegex(@"(?:^ +//(?<line>.*)\n)+ +(?<name>ERROR_REASON_\w+) = \d+;", RegexOptions.Multiline)]
    private static partial Regex Value();
}
