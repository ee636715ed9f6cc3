using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace EndToEnd.Tests.House;

/// <summary>Log lines have stable ids and names, which <c>docs/operations.md</c> lists.</summary>
public sealed class EventTests
{
    [Fact]
    public void Events_OfEachProgram_HaveIdsAndNamesOfTheirOwn()
    {
        foreach (var (program, events) in Programs())
        {
            Assert.True(events.Count > 30, $"{program}: {events.Count} events");
            Assert.All(events.GroupBy(e => e.Id), g => Assert.True(g.Count() == 1, $"{program}: event id {g.Key} of {string.Join(", ", g.Select(e => e.Name))}"));
            Assert.All(events.GroupBy(e => e.Name), g => Assert.True(g.Count() == 1, $"{program}: event name {g.Key}"));
        }
    }

    [Fact]
    public void Events_AreListedInTheDocumentation()
    {
        var tables = Programs().Select(p => $"### {p.Program}\n\n| Id | Event | Level | Message |\n| --- | --- | --- | --- |\n{string.Concat(p.Events.OrderBy(e => e.Id).Select(e => $"| {e.Id} | `{e.Name}` | {e.Level} | {e.Message.Replace("|", "\\|", StringComparison.Ordinal)} |\n"))}\n");
        GeneratedSection.Check("operations.md", "events", string.Concat(tables));
    }

    private static IEnumerable<(string Program, List<Event> Events)> Programs() =>
    [
        ("authsidecar", [.. EventsIn("AuthSidecar"), .. EventsIn("Common")]),
        ("authsidecar-control", [.. EventsIn("AuthSidecar.ControlPlane"), .. EventsIn("Common")]),
    ];

    private static IEnumerable<Event> EventsIn(string project) => Directory
        .EnumerateFiles(Path.Combine(Binary.Root, "src", project), "*.cs", SearchOption.AllDirectories)
        .Order(StringComparer.Ordinal)
        .SelectMany(f => CSharpSyntaxTree.ParseText(File.ReadAllText(f)).GetRoot().DescendantNodes().OfType<AttributeSyntax>())
        .Where(a => a.Name.ToString() == "LoggerMessage")
        .Select(a => a.ArgumentList!.Arguments)
        .Select(a => new Event(
            int.Parse(a[0].ToString(), System.Globalization.CultureInfo.InvariantCulture),
            a.Single(v => v.NameEquals?.Name.ToString() == "EventName").Expression.ToString().Trim('"'),
            a[1].ToString()["LogLevel.".Length..],
            string.Concat(a[2].Expression.DescendantTokens().Where(t => t.IsKind(SyntaxKind.StringLiteralToken)).Select(t => t.ValueText))));

    private sealed record Event(int Id, string Name, string Level, string Message);
}
