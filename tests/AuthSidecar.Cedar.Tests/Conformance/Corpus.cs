using System.Runtime.CompilerServices;
using System.Text.Json;

namespace AuthSidecar.Cedar.Tests.Conformance;

/// <summary>
/// The public Cedar conformance cases and tables of the reference's answers, in the folder named by the environment variable
/// CEDAR_CORPUS (see CONTRIBUTING.md). They are not part of this repository.
/// </summary>
internal static class Corpus
{
    /// <summary>The release whose answers the cases have: of decisions, validation and partial evaluation.</summary>
    public const CedarRelease CasesRelease = CedarRelease.V4_12;

    /// <summary>The release whose answers the tables have: of expressions, texts, JSON and schemas.</summary>
    public const CedarRelease TablesRelease = CedarRelease.V4_13;

    private static string? Folder => Environment.GetEnvironmentVariable("CEDAR_CORPUS") is { Length: > 0 } folder ? folder : null;

    public static string PathOf(string relative)
    {
        Assert.SkipWhen(Folder is null, "CEDAR_CORPUS does not name a folder of conformance cases");
        var path = Path.Combine(Folder!, relative);
        Assert.SkipUnless(Path.Exists(path), $"CEDAR_CORPUS has no {relative}");
        return path;
    }

    /// <summary>Parses JSON that may be nested as deep as expressions are.</summary>
    public static JsonElement Json(string text) => JsonElement.Parse(text, new JsonDocumentOptions { MaxDepth = PolicyJsonReader.MaxDepth });

    public static IEnumerable<JsonElement> Lines(string file) =>
        File.ReadLines(PathOf(file)).Select(line => Json(line));

    /// <summary>The generated tests, and those written by hand.</summary>
    public static IEnumerable<JsonElement> Tests() =>
        new[] { "corpus-tests", "tests" }
            .SelectMany(folder => Directory.EnumerateFiles(PathOf(folder), "*.json", SearchOption.AllDirectories))
            .Where(f => !f.EndsWith(".entities.json", StringComparison.Ordinal))
            .Select(f => Json(File.ReadAllText(f)));

    /// <summary>Fails with the first few disagreements, and the number of all; and when there was nothing to agree on.</summary>
    public static void AssertNone(IReadOnlyCollection<string> disagreements, int cases, [CallerArgumentExpression(nameof(disagreements))] string what = "")
    {
        Assert.True(cases > 0, "no case was read");
        Assert.True(
            disagreements.Count == 0,
            $"{disagreements.Count} of {cases} {what}:\n{string.Join('\n', disagreements.Take(40))}");
    }
}
