using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>Objects in files, as JSON; and secrets.</summary>
internal static partial class JsonFile
{
    public static Option<bool> ReplaceOption() => CliOption.Flag(
        "--replace", "Replace the whole object: fields that are not in the file get their defaults.");

    public static FieldMask? MaskOf(ParseResult parsed, Option<bool> replace) => parsed.GetValue(replace)
        ? new FieldMask { Paths = { "*" } } : null;

    /// <summary>A secret in a file, without the end of the line, which nobody types.</summary>
    /// <exception cref="InvalidDataException">The file is empty, or has more than one line.</exception>
    public static async Task<string> ReadSecretAsync(string path, CancellationToken cancellation)
    {
        var secret = (await ReadTextAsync(path, cancellation)).TrimEnd('\r', '\n');
        return secret.Length == 0 ? throw new InvalidDataException($"`{path}` is empty")
            : secret.AsSpan().ContainsAny('\r', '\n', '\0') || secret.Contains('\uFFFD', StringComparison.Ordinal)
                ? throw new InvalidDataException($"`{path}` is not one line of UTF-8 text") : secret;
    }

    private static Task<string> ReadTextAsync(string path, CancellationToken cancellation) =>
        path == "-" ? Console.In.ReadToEndAsync(cancellation) : File.ReadAllTextAsync(path, cancellation);

    /// <exception cref="InvalidDataException">The JSON is invalid, or has values that would be ignored.</exception>
    public static async Task<T> ReadAsync<T>(
        MessageParser<T> parser, string path, string what, bool isReplacing, CancellationToken cancellation)
        where T : IMessage<T>
    {
        try
        {
            var text = await ReadTextAsync(path, cancellation);
            if (string.IsNullOrWhiteSpace(text))
                throw new InvalidDataException($"`{path}` is empty: expected {what} in JSON");

            var message = parser.ParseJson(text);
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false });
            var empty = document.RootElement.EnumerateObject().Where(
                p => p.Value.ValueKind == JsonValueKind.Null
                    || (p.Value.ValueKind == JsonValueKind.Array && p.Value.GetArrayLength() == 0)).Select(p => p.Name).FirstOrDefault();
            return isReplacing || empty is null ? message
                : throw new InvalidDataException(
                    $"`{path}`: `{empty}` is empty or null and would be ignored: remove it, or specify `--replace`");
        }
        catch (Exception e) when (e is InvalidJsonException or InvalidProtocolBufferException or JsonException)
        {
            throw new InvalidDataException($"`{path}` is not {what} in JSON: {Describe(e)}");
        }
    }

    /// <summary>Without the words of the parser's own: states of it, types of ours.</summary>
    private static string Describe(Exception e) => e.Message switch
    {
        _ when e.Message.StartsWith("Unexpected end of document", StringComparison.Ordinal)
            || e.Message.Contains("end of text", StringComparison.Ordinal) => "unexpected end of JSON",
        _ when EnumValue().Match(e.Message) is { Success: true } match && FindEnum(match.Groups["type"].Value) is { } values =>
            $"unknown value `{match.Groups["value"].Value}`: one of {string.Join(", ", values.Values.Skip(1).Select(v => v.Name))}",
        _ when JsonFieldName().Match(e.Message) is { Success: true } match => $"unknown field `{match.Groups["name"].Value}`",
        var message => message,
    };

    private static EnumDescriptor? FindEnum(string name) => typeof(V1.AccountService).Assembly.GetTypes()
        .Where(t => t.Name.EndsWith("Reflection", StringComparison.Ordinal))
        .Select(t => (FileDescriptor?)t.GetProperty("Descriptor")?.GetValue(null))
        .SelectMany(f => f?.EnumTypes ?? [])
        .FirstOrDefault(t => t.FullName == name);

    [GeneratedRegex("^Invalid enum value: (?<value>.*) for enum type: (?<type>.*)$")]
    private static partial Regex EnumValue();

    [GeneratedRegex("^Unknown field: (?<name>.*)$")]
    private static partial Regex JsonFieldName();
}
