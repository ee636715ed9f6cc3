using System.Globalization;
using AuthSidecar.Cedar;

namespace AuthSidecar.Cli.Policies;

/// <summary>Reads files of policies and schemas, in Cedar syntax or in JSON.</summary>
internal static class Sources
{
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

    /// <summary>Policies of several files. They are called by their <c>@id</c>, or <c>policy0</c>, <c>policy1</c>, … by their place in all of them.</summary>
    public static PolicySet ReadPolicies(IEnumerable<string> files)
    {
        var builder = new PolicySetBuilder();
        var count = 0;
        foreach (var source in files.Select(Read))
        {
            if (IsJson(source))
            {
                builder.AddJson(source);
            }
            else
            {
                builder.Add(source, (_, annotations) => IdOf(annotations, count++));
            }
        }

        return builder.TryBuild(out var policies, out var faults) ? policies : throw Refused(faults);
    }

    public static Schema ReadSchema(string file)
    {
        var source = Read(file);
        return ParseSchema(source, IsJson(source));
    }

    /// <param name="file">The file; null: there are no entities but the schema's actions.</param>
    /// <param name="schema">The schema; null: any entity will do.</param>
    public static EntityStore ReadEntities(string? file, Schema? schema) =>
        EntityStore.TryParse(file is null ? SourceText.Of("[]") : Read(file), schema, out var entities, out var faults) ? entities : throw Refused(faults);

    /// <param name="file">The file; null: the context is empty.</param>
    /// <param name="action">What the schema says of the action; null: nothing.</param>
    public static ValueRecord ReadContext(string? file, SchemaAction? action) =>
        ValueRecord.TryParse(file is null ? SourceText.Of("{}") : Read(file), action?.Context, out var context, out var faults) ? context : throw Refused(faults);

    /// <exception cref="UsageException">The text is not well-formed; its faults are the message. Here and below.</exception>
    public static PolicySet ParsePolicies(SourceText source, bool isJson)
    {
        var parsed = isJson
            ? PolicySet.TryParseJson(source, out var policies, out var faults)
            : PolicySet.TryParse(source, out policies, out faults);
        return parsed ? policies! : throw Refused(faults);
    }

    public static Schema ParseSchema(SourceText source, bool isJson)
    {
        var parsed = isJson
            ? Schema.TryParseJson(source, out var schema, out var faults)
            : Schema.TryParse(source, out schema, out faults);
        return parsed ? schema! : throw Refused(faults);
    }

    private static string IdOf(IReadOnlyList<KeyValuePair<string, string?>> annotations, int place) =>
        annotations.FirstOrDefault(a => a.Key == "id").Value ?? string.Create(CultureInfo.InvariantCulture, $"policy{place}");

    public static UsageException Refused(IReadOnlyList<Fault> faults) => new(string.Join('\n', faults));
}
