using Microsoft.Extensions.FileSystemGlobbing;
using Microsoft.Extensions.FileSystemGlobbing.Abstractions;

namespace AuthSidecar.Cli.Policies;

/// <summary>Reads files of policies and schemas, in Cedar syntax or in JSON.</summary>
internal static class Sources
{
    private const string CedarExtension = ".cedar";

    /// <param name="file">The file; <c>-</c>: standard input.</param>
    public static SourceText Read(string file) => file == "-" ? ReadInput() : new(file, File.ReadAllBytes(file));

    private static SourceText ReadInput()
    {
        using var input = Console.OpenStandardInput();
        using var bytes = new MemoryStream();
        input.CopyTo(bytes);
        return new SourceText("-", bytes.ToArray());
    }

    /// <summary>No policy and no schema in Cedar syntax begins with a brace.</summary>
    public static bool IsJson(SourceText source) => source.Utf8.TrimStart(" \t\r\n"u8).StartsWith("{"u8);

    /// <summary>Policies of several files. They are called by their <c>@id</c>, or <c>policy0</c>, <c>policy1</c>, … by their place in all
    /// of them.</summary>
    /// <param name="paths">Files, folders and patterns; <c>-</c>: standard input.</param>
    /// <param name="links">Files of links to the templates among them.</param>
    /// <param name="release">The release of Cedar that the policies behave as.</param>
    public static PolicySet ReadPolicies(IEnumerable<string> paths, IEnumerable<string> links, CedarRelease release)
    {
        var builder = new PolicySetBuilder(release);
        foreach (var source in Expand(paths).Select(Read))
        {
            if (IsJson(source))
                builder.AddJson(source);
            else
                builder.AddById(source);
        }

        foreach (var file in links)
            builder.AddLinks(Read(file));

        return builder.TryBuild(out var policies, out var faults) ? policies : throw Refused(faults);
    }

    /// <summary>The files that paths lead to: of a folder its <c>.cedar</c> files, those in folders within it too; of a pattern such as
    /// <c>policies/**/*.cedar</c> those that match.</summary>
    /// <exception cref="UsageException">A path leads to none.</exception>
    public static IEnumerable<string> Expand(IEnumerable<string> paths) => paths.SelectMany(path =>
    {
        if (path == "-" || File.Exists(path))
            return [path];

        var found = System.IO.Directory.Exists(path) ? Match(path, $"**/*{CedarExtension}")
            : path.Contains('*', StringComparison.Ordinal) ? MatchPattern(path) : throw new UsageException($"`{path}` not found");
        return found.Count > 0 ? found : throw new UsageException($"no `{CedarExtension}` file matches `{path}`");
    });

    private static List<string> MatchPattern(string pattern)
    {
        // What stands before the first star is a folder.
        var fixedPart = pattern[..pattern.IndexOf('*', StringComparison.Ordinal)];
        var folder = fixedPart[..(fixedPart.LastIndexOf('/') + 1)];
        return Match(folder.Length == 0 ? "." : folder, pattern[folder.Length..]);
    }

    private static List<string> Match(string folder, string pattern)
    {
        if (!System.IO.Directory.Exists(folder))
            return [];

        var matcher = new Matcher(StringComparison.Ordinal).AddInclude(pattern);
        // As bundles pass them over: editors' files, and `..data` of volumes.
        matcher.AddExclude("**/.*/**").AddExclude("**/.*");
        return [.. matcher.Execute(new DirectoryInfoWrapper(new DirectoryInfo(folder))).Files.Select(
            f => folder == "." ? f.Path : Path.Combine(folder, f.Path)).Order(StringComparer.Ordinal)];
    }

    /// <summary>The schema of a file, as it is, or of several that are linked.</summary>
    public static Schema ReadSchema(IReadOnlyList<string> files) => Complete(
        files is [var file] ? ReadPartialSchema(file) : Link([.. files.Select(ReadPartialSchema)]));

    public static PartialSchema ReadPartialSchema(string file)
    {
        var source = Read(file);
        return ParsePartialSchema(source, IsJson(source));
    }

    /// <param name="file">The file; null: there are no entities but the schema's actions.</param>
    /// <param name="schema">The schema; null: any entity will do.</param>
    public static EntityStore ReadEntities(string? file, Schema? schema) =>
        EntityStore.TryParse(file is null ? SourceText.Of("[]") : Read(file), schema, out var entities, out var faults) ? entities
            : throw Refused(faults);

    /// <param name="file">The file; null: the context is empty.</param>
    /// <param name="action">What the schema says of the action; null: nothing.</param>
    public static ValueRecord ReadContext(string? file, SchemaAction? action) =>
        ValueRecord.TryParse(file is null ? SourceText.Of("{}") : Read(file), action?.Context, out var context, out var faults) ? context
            : throw Refused(faults);

    /// <exception cref="UsageException">The text is not well-formed; its faults are the message. Here and below.</exception>
    public static PolicySet ParsePolicies(SourceText source, bool isJson, CedarRelease release)
    {
        var parsed = isJson
            ? PolicySet.TryParseJson(source, out var policies, out var faults, release)
            : PolicySet.TryParse(source, out policies, out faults, release);
        return parsed ? policies! : throw Refused(faults);
    }

    public static PartialSchema ParsePartialSchema(SourceText source, bool isJson)
    {
        var parsed = isJson
            ? PartialSchema.TryParseJson(source, out var schema, out var faults)
            : PartialSchema.TryParse(source, out schema, out faults);
        return parsed ? schema! : throw Refused(faults);
    }

    public static PartialSchema Link(IReadOnlyList<PartialSchema> schemas) =>
        PartialSchema.TryLink(schemas, out var linked, out var faults) ? linked : throw Refused(faults);

    public static Schema Complete(PartialSchema schema) => schema.TryComplete(out var complete, out var faults) ? complete
        : throw Refused(faults);

    public static UsageException Refused(IReadOnlyList<Fault> faults) => new(string.Join('\n', faults));
}
