using AuthSidecar.Cedar;

namespace AuthSidecar.Cli.Policies;

/// <summary>Reads files of policies and schemas, in Cedar syntax or in JSON.</summary>
internal static class Sources
{
    public static SourceText Read(string file) => new(file, File.ReadAllBytes(file));

    /// <summary>No policy and no schema in Cedar syntax begins with a brace.</summary>
    public static bool IsJson(SourceText source) => source.Utf8.TrimStart(" \t\r\n"u8).StartsWith("{"u8);

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

    public static UsageException Refused(IReadOnlyList<Fault> faults) => new(string.Join('\n', faults));
}
