using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>Objects in files, as JSON; and secrets.</summary>
internal static class JsonFile
{
    public static Option<bool> ReplaceOption() => CliOption.Flag(
        "--replace", "Replace the whole object: fields that are not in the file get their defaults.");

    public static FieldMask? MaskOf(ParseResult parsed, Option<bool> replace) => parsed.GetValue(replace)
        ? new FieldMask { Paths = { "*" } } : null;

    /// <summary>A secret in a file, without the end of the line, which nobody types.</summary>
    public static async Task<string> ReadSecretAsync(string path, CancellationToken cancellation) =>
        (await ReadTextAsync(path, cancellation)).TrimEnd('\r', '\n');

    private static Task<string> ReadTextAsync(string path, CancellationToken cancellation) =>
        path == "-" ? Console.In.ReadToEndAsync(cancellation) : File.ReadAllTextAsync(path, cancellation);

    /// <exception cref="InvalidDataException">It is none, or says what would be passed over.</exception>
    public static async Task<T> ReadAsync<T>(
        MessageParser<T> parser, string path, string what, bool isReplacing, CancellationToken cancellation)
        where T : IMessage<T>
    {
        try
        {
            var text = await ReadTextAsync(path, cancellation);
            var message = parser.ParseJson(text);
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false });
            var empty = document.RootElement.EnumerateObject().Where(
                p => p.Value.ValueKind == JsonValueKind.Array && p.Value.GetArrayLength() == 0).Select(p => p.Name).FirstOrDefault();
            return isReplacing || empty is null ? message
                : throw new InvalidDataException($"`{path}`: `{empty}` is empty and would be ignored: remove it, or specify `--replace`");
        }
        catch (Exception e) when (e is InvalidJsonException or InvalidProtocolBufferException or JsonException)
        {
            throw new InvalidDataException($"`{path}` is not {what} in JSON: {e.Message}");
        }
    }
}
