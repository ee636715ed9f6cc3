namespace EndToEnd.Tests.House;

/// <summary>Arrows between the folders of a project point one way: see <see cref="Layers"/>.</summary>
public sealed class FolderTests
{
    private const string Shared = "(shared)";

    [Theory]
    [InlineData("AuthSidecar.Cedar")]
    [InlineData("AuthSidecar.Tokens")]
    [InlineData("AuthSidecar.Bundles")]
    [InlineData("AuthSidecar")]
    [InlineData("AuthSidecar.ControlPlane")]
    public void Folders_UseWhatIsBelowThemOnly(string project)
    {
        var wrong = new SortedSet<string>(StringComparer.Ordinal);
        var arrows = SourceArrows.Of(project);
        Assert.NotEmpty(arrows);
        // What is at the root of a project, such as its Program, is on top.
        wrong.UnionWith(arrows.Where(a => a.From.Contains('/') && !a.To.Contains('/')).Select(a => $"{project}: {a.From} uses {a.Symbol} of {a.To}"));
        foreach (var (place, layers) in Layers.Of.Where(l => l.Key == project || l.Key.StartsWith($"{project}/", StringComparison.Ordinal)))
        {
            var inside = place == project ? "" : place[(project.Length + 1)..] + "/";
            var layerOf = layers.SelectMany((line, depth) => line.Split(' ').Select(name => (name, depth))).ToDictionary(l => l.name, l => l.depth);
            if (inside.Length > 0)
            {
                // What several folders of a capability share is beside them, and uses none of them.
                layerOf.Add(Shared, layers.Length);
            }

            wrong.UnionWith(FoldersIn(project, inside).Where(f => !layerOf.ContainsKey(f)).Select(f => $"{place}/{f} has no layer"));
            wrong.UnionWith(layerOf.Keys.Where(f => f != Shared).Except(FoldersIn(project, inside)).Select(f => $"{place}/{f} does not exist"));
            foreach (var arrow in arrows)
            {
                if (FolderOf(arrow.From, inside) is { } from && FolderOf(arrow.To, inside) is { } to && from != to
                    && layerOf.TryGetValue(from, out var upper) && layerOf.TryGetValue(to, out var lower) && upper >= lower)
                {
                    wrong.Add($"{place}: {arrow.From} uses {arrow.Symbol} of {arrow.To}");
                }
            }
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Fact]
    public void Folders_AreListedInTheDocumentation() =>
        GeneratedSection.Check("architecture.md", "folders", string.Concat(Layers.Of.Where(l => l.Value.Length > 0).Select(l => Draw(l.Key))));

    /// <summary>The folders of a place, with an arrow to each that is used and not reached by way of another.</summary>
    private static string Draw(string place)
    {
        var project = place.Split('/')[0];
        var inside = place == project ? "" : place[(project.Length + 1)..] + "/";
        var uses = SourceArrows.Of(project)
            .Select(a => (From: FolderOf(a.From, inside), To: FolderOf(a.To, inside)))
            .Where(a => a.From is not (null or Shared) && a.To is not (null or Shared) && a.From != a.To)
            .Distinct()
            .ToLookup(a => a.From!, a => a.To!, StringComparer.Ordinal);
        var folders = FoldersIn(project, inside).Order(StringComparer.Ordinal).ToList();
        var arrows = from folder in folders
                     from used in uses[folder].Order(StringComparer.Ordinal)
                     where !uses[folder].Any(other => other != used && Reaches(other, used, []))
                     select $"  {folder} --> {used}\n";
        return $"### {place}\n\n```mermaid\nflowchart TD\n{string.Concat(folders.Select(f => $"  {f}\n"))}{string.Concat(arrows)}```\n\n";

        // Where there is a circle, the other test says so.
        bool Reaches(string from, string to, HashSet<string> seen) => seen.Add(from) && (uses[from].Contains(to) || uses[from].Any(next => Reaches(next, to, seen)));
    }

    private static IEnumerable<string> FoldersIn(string project, string inside) => Directory
        .EnumerateDirectories(Path.Combine(Binary.Root, "src", project, inside))
        .Where(d => Directory.EnumerateFiles(d, "*.cs", SearchOption.AllDirectories).Any())
        .Select(d => Path.GetFileName(d)!);

    /// <summary>The folder of a place that a file is in; null: none, or the file is at the root of the project.</summary>
    private static string? FolderOf(string file, string inside) =>
        !file.StartsWith(inside, StringComparison.Ordinal) ? null
            : file[inside.Length..].Split('/') is [var folder, _, ..] ? folder
            : inside.Length > 0 ? Shared
            : null;
}
