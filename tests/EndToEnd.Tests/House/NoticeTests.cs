using System.Text.Json.Nodes;
using System.Xml.Linq;

namespace EndToEnd.Tests.House;

/// <summary>Every package that a binary is shipped with is listed with its licence in <c>THIRD-PARTY-NOTICES.md</c>.</summary>
public sealed class NoticeTests
{
    private const string Begin = "<!-- packages: written by scripts/docs.sh -->";
    private const string End = "<!-- /packages -->";

    // What a package says in a file of its own.
    private static readonly Dictionary<string, string> OfFiles = new(StringComparer.Ordinal)
    {
        ["ICU4N"] = "Apache-2.0, with data under Unicode-3.0",
        ["ICU4N.Resources"] = "Unicode-3.0",
        ["J2N"] = "Apache-2.0",
        ["Otp.NET"] = "MIT",
    };

    [Fact]
    public void Packages_AreListedInTheDocumentation()
    {
        var path = Path.Combine(Binary.Root, "THIRD-PARTY-NOTICES.md");
        var text = File.ReadAllText(path);
        var (begin, end) = (text.IndexOf(Begin, StringComparison.Ordinal), text.IndexOf(End, StringComparison.Ordinal));
        var rows = Shipped().Select(p => $"| {p.Name} {p.Version} | {p.Licence} | {p.Copyright} |\n");
        var wanted = $"{text[..begin]}{Begin}\n\n| Package | Licence | Copyright |\n| --- | --- | --- |\n{string.Concat(rows)}\n{text[end..]}";
        if (Environment.GetEnvironmentVariable("AUTHSIDECAR_WRITE_DOCS") == "1")
        {
            File.WriteAllText(path, wanted);
            return;
        }

        Assert.True(text == wanted, "THIRD-PARTY-NOTICES.md does not list the packages as they are: run scripts/docs.sh");
        Assert.All(Shipped(), p => Assert.All(p.Licence.Split(", with data under "), l => Assert.Contains($"\n## {l}\n", text, StringComparison.Ordinal)));
    }

    private static IEnumerable<(string Name, string Version, string Licence, string Copyright)> Shipped() =>
        from package in new[] { Binary.Sidecar, Binary.ControlPlane }.SelectMany(PackagesOf).Distinct().Order(StringComparer.OrdinalIgnoreCase)
        let name = package.Split('/')[0]
        let version = package.Split('/')[1]
        let metadata = XDocument.Load(Nuspec(name, version)).Root!.Elements().Single()
        let licence = Value(metadata, "license")
        select (name, version, OfFiles.GetValueOrDefault(name, licence), OneLine(Value(metadata, "copyright") is { Length: > 0 } copyright ? copyright : Value(metadata, "authors")));

    /// <summary>The packages whose files are beside a binary.</summary>
    private static IEnumerable<string> PackagesOf(string binary)
    {
        var dependencies = JsonNode.Parse(File.ReadAllText($"{binary}.deps.json"))!;
        return from library in dependencies["targets"]!.AsObject().Single().Value!.AsObject()
               where (string)dependencies["libraries"]![library.Key]!["type"]! == "package"
               where new[] { "runtime", "native", "runtimeTargets" }.Any(kind => library.Value![kind] is JsonObject { Count: > 0 })
               select library.Key;
    }

    private static string Nuspec(string name, string version)
    {
        var packages = Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } folder
            ? folder
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        return Path.Combine(packages, name.ToLowerInvariant(), version, $"{name.ToLowerInvariant()}.nuspec");
    }

    private static string Value(XElement metadata, string name) => metadata.Elements().FirstOrDefault(e => e.Name.LocalName == name)?.Value ?? "";

    private static string OneLine(string text) => string.Join(' ', text.Replace("|", "/", StringComparison.Ordinal).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
}
