using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Text.RegularExpressions;

namespace AuthSidecar.Bundles;

/// <summary>What the serializer says of a file, in the words of the file's author: the serializer names types of ours, and its own
/// options.</summary>
internal static partial class JsonFaults
{
    private const int MostFieldsListed = 12;

    /// <param name="e">What the serializer says.</param>
    /// <param name="utf8">Its content.</param>
    /// <param name="root">The type that was read.</param>
    /// <param name="options">How it was read.</param>
    public static Fault Of(JsonException e, string name, byte[] utf8, JsonTypeInfo root, JsonSerializerOptions options)
    {
        var (line, column) = ((int)(e.LineNumber ?? 0) + 1, (int)(e.BytePositionInLine ?? 0) + 1);
        // What the reader says of the text, and not the serializer of values.
        if (e.Path is null || e.InnerException is JsonException)
            return new Fault(name, line, column, DescribeSyntax(e, utf8));

        var steps = StepsOf(e.Path);
        // The serializer reads some members when all others are read: its position is behind them.
        if (JsonPosition.Find(utf8, steps) is var (foundLine, foundColumn))
            (line, column) = (foundLine, foundColumn);

        var (message, help) = Describe(e, steps, root, options);
        return new Fault(name, line, column, e.Path == "$" ? message : $"at `{e.Path}`: {message}", help)
        {
            Field = steps.Count > 0 ? steps[0] : null,
        };
    }

    private static (string Message, string? Help) Describe(
        JsonException e, List<string> steps, JsonTypeInfo root, JsonSerializerOptions options)
    {
        var words = WordsOf(e);
        var names = string.Join(", ", Quoted(words).Where(n => !n.Contains('.', StringComparison.Ordinal)).Select(n => $"`{n}`"));
        return words switch
        {
            _ when words.StartsWith("JSON deserialization for type", StringComparison.Ordinal) => ($"missing {names}", null),
            _ when words.Contains("could not be mapped to any .NET member", StringComparison.Ordinal) =>
                ("unknown field", SuggestField(steps[^1], TypeAt(steps[..^1], root, options))),
            _ when words.StartsWith("Duplicate property", StringComparison.Ordinal) =>
                ($"duplicate field {string.Join(", ", Quoted(words).Take(1).Select(n => $"`{n}`"))}", null),
            _ when words.StartsWith("The JSON value could not be converted to", StringComparison.Ordinal) =>
                ($"expected {Describe(TypeAt(steps, root, options), words)}", null),
            _ when words.Contains("doesn't allow setting null values", StringComparison.Ordinal) => ("unexpected null", null),
            _ => (words, null),
        };
    }

    private static string DescribeSyntax(JsonException e, byte[] utf8)
    {
        if (utf8.AsSpan().IndexOfAnyExcept(" \t\r\n"u8) < 0)
            return "empty file: expected a JSON object";

        if (utf8 is [0xff, 0xfe, ..] or [0xfe, 0xff, ..] or [not 0, 0, not 0, 0, ..] or [0, not 0, 0, not 0, ..])
            return "unsupported encoding: UTF-16; save it as UTF-8";

        var words = WordsOf(e);
        return words switch
        {
            _ when words.Contains("Expected depth to be zero at the end", StringComparison.Ordinal)
                || words.Contains("reached end of data", StringComparison.Ordinal)
                || words.StartsWith("Expected end of string", StringComparison.Ordinal) => "unexpected end of file: the JSON is incomplete",
            _ when words.Contains("trailing comma", StringComparison.Ordinal) => "invalid JSON: trailing comma",
            _ when words.StartsWith("Duplicate property", StringComparison.Ordinal) =>
                $"duplicate field {string.Join(", ", Quoted(words).Take(1).Select(n => $"`{n}`"))}",
            _ when words.StartsWith("The maximum configured depth", StringComparison.Ordinal) => "nested too deep: at most 64 levels",
            _ => $"invalid JSON: {FirstSentence().Match(words).Value}",
        };
    }

    /// <summary>Without the position, which the fault has.</summary>
    private static string WordsOf(JsonException e)
    {
        var end = Position().Match(e.Message) is { Success: true } position ? position.Index : e.Message.Length;
        return e.Message[..end];
    }

    private static IEnumerable<string> Quoted(string words) => words.Split('\'').Where((_, i) => i % 2 == 1);

    private static string Describe(JsonTypeInfo? type, string words)
    {
        var its = type is null ? null : Nullable.GetUnderlyingType(type.Type) ?? type.Type;
        return its switch
        {
            _ when its == typeof(string) || words.EndsWith("System.String.", StringComparison.Ordinal) => "a string",
            _ when its == typeof(bool) => "true or false",
            { IsEnum: true } =>
                $"one of {string.Join(", ", Enum.GetNames(its).Select(n => $"`{JsonNamingPolicy.CamelCase.ConvertName(n)}`"))}",
            _ when its == typeof(double) || its == typeof(float) || its == typeof(decimal) => "a number",
            _ when its == typeof(int) || its == typeof(long) || its == typeof(uint) || its == typeof(ulong) => "an integer",
            _ when its == typeof(DateTimeOffset) || its == typeof(DateTime) => "a date and time such as \"2026-01-31T12:00:00Z\"",
            _ => type?.Kind switch
            {
                JsonTypeInfoKind.Enumerable => "an array",
                JsonTypeInfoKind.Dictionary or JsonTypeInfoKind.Object => "an object",
                _ => "a value of another type",
            },
        };
    }

    private static string? SuggestField(string field, JsonTypeInfo? type)
    {
        var known = type?.Properties.Where(p => p.Set is not null).Select(p => p.Name).Order(StringComparer.Ordinal).ToList() ?? [];
        return new Suggestions().For(field, known)
            ?? (known.Count is 0 or > MostFieldsListed ? null : $"known fields: {string.Join(", ", known.Select(n => $"`{n}`"))}");
    }

    private static JsonTypeInfo? TypeAt(List<string> steps, JsonTypeInfo root, JsonSerializerOptions options)
    {
        JsonTypeInfo? type = root;
        foreach (var step in steps)
        {
            var next = type?.Kind switch
            {
                JsonTypeInfoKind.Object => type.Properties.FirstOrDefault(p => p.Name == step)?.PropertyType,
                JsonTypeInfoKind.Enumerable or JsonTypeInfoKind.Dictionary => type.ElementType,
                _ => null,
            };
            type = next is null ? null : options.GetTypeInfo(next);
        }

        return type;
    }

    /// <summary>The steps of <c>$.actions['Action::"read"'].weights[2]</c>: names of members, and numbers of elements.</summary>
    private static List<string> StepsOf(string path) =>
        [.. Step().Matches(path[1..]).Select(m => m.Groups["name"].Value + m.Groups["quoted"].Value + m.Groups["index"].Value)];

    [GeneratedRegex(@"\.(?<name>[^.\[]+)|\['(?<quoted>.*?)'\](?=$|[.\[])|\[(?<index>\d+)\]")]
    private static partial Regex Step();

    [GeneratedRegex(@"^.*?(?=\. |\.?$)")]
    private static partial Regex FirstSentence();

    [GeneratedRegex(@" (Path:|LineNumber:)")]
    private static partial Regex Position();
}
