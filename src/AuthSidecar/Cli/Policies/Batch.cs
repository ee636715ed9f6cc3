using System.CommandLine.Parsing;
using System.Text.Encodings.Web;

namespace AuthSidecar.Cli.Policies;

/// <summary>Answers questions in JSON, one a line, in their order: for scripts, and for whoever has a corpus of their own.</summary>
internal static class Batch
{
    // Policies in JSON are nested as deep as their expressions.
    private const int MaxDepth = 10_000_000;

    private static readonly JsonWriterOptions Written = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        MaxDepth = MaxDepth,
    };

    /// <summary>Writes the members of an answer.</summary>
    /// <exception cref="UsageException">The question has no answer, for the reason in the message.</exception>
    public delegate void Answer(JsonElement question, Utf8JsonWriter answer);

    /// <summary>A command that answers batches.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="description">What it does.</param>
    /// <param name="example">A command line with it.</param>
    /// <param name="answer">Answers a question.</param>
    /// <param name="otherwise">What the command does without a batch, and its exit code; null: it does nothing else.</param>
    public static Command Command(string name, string description, string example, Answer answer, Func<ParseResult, int>? otherwise = null)
    {
        var batch = CliOption.Of<string>("--batch", "FILE", "The file with the questions, a JSON object a line; `-` for standard input.");
        batch.Required = otherwise is null;
        var command = new Command(name, description) { batch }.WithExamples(example);
        command.SetAction(parsed => CliErrors.Guard(() => parsed.GetValue(batch) is { } file
            ? OthersThan(batch, parsed) is [var other, ..]
                ? throw new UsageException($"omit {other}: the questions of {batch.Name} have their own") : Run(file, answer)
            : otherwise!(parsed)));
        return command;
    }

    private static List<string> OthersThan(Option option, ParseResult parsed) =>
        [.. parsed.CommandResult.Children.OfType<OptionResult>().Where(r => !r.Implicit && r.Option != option).Select(r => r.Option.Name)];

    private static int Run(string file, Answer answer)
    {
        using var questions = file == "-" ? new StreamReader(Console.OpenStandardInput()) : File.OpenText(file);
        using var answers = new BufferedStream(Console.OpenStandardOutput(), 64 * 1024);
        Run(questions, answers, answer);
        return ExitCode.Success;
    }

    /// <summary>Answers every line. A question that cannot be answered is answered by <c>{"error"}</c>, and the next one is
    /// asked.</summary>
    public static void Run(TextReader questions, Stream answers, Answer answer)
    {
        var buffer = new ArrayBufferWriter<byte>();
        while (questions.ReadLine() is { } line)
        {
            if (string.IsNullOrWhiteSpace(line))
                continue;

            buffer.ResetWrittenCount();
            try
            {
                Write(buffer, json => answer(Parse(line), json));
            }
            catch (UsageException e)
            {
                buffer.ResetWrittenCount();
                Write(buffer, json => json.WriteString("error", e.Message));
            }

            answers.Write(buffer.WrittenSpan);
            answers.WriteByte((byte)'\n');
        }
    }

    private static void Write(ArrayBufferWriter<byte> buffer, Action<Utf8JsonWriter> members)
    {
        using var json = new Utf8JsonWriter(buffer, Written);
        json.WriteStartObject();
        members(json);
        json.WriteEndObject();
    }

    private static JsonElement Parse(string line)
    {
        try
        {
            var question = JsonElement.Parse(line, new JsonDocumentOptions { MaxDepth = MaxDepth });
            return question.ValueKind == JsonValueKind.Object ? question : throw new UsageException("expected a JSON object");
        }
        catch (JsonException e)
        {
            throw new UsageException($"invalid JSON: {e.Message}");
        }
    }

    // ------------------------------------------------------------------ members of questions

    public static bool Has(JsonElement question, string name) => question.TryGetProperty(name, out var member)
        && member.ValueKind != JsonValueKind.Null;

    public static JsonElement Get(JsonElement question, string name) =>
        Has(question, name) ? question.GetProperty(name) : throw new UsageException($"`{name}` is missing");

    public static string GetText(JsonElement question, string name) =>
        Get(question, name) is { ValueKind: JsonValueKind.String } text ? text.GetString()!
            : throw new UsageException($"`{name}` is not a string");

    public static SourceText Raw(JsonElement element, string name) => new(name, Encoding.UTF8.GetBytes(element.GetRawText()));

    /// <summary>Policies as text or as a policy set in JSON, which behave as the release that <c>compat</c> names.</summary>
    public static PolicySet GetPolicies(JsonElement question)
    {
        var member = Get(question, "policies");
        var release = GetRelease(question);
        return member.ValueKind == JsonValueKind.String
            ? Sources.ParsePolicies(SourceText.Of(member.GetString()!, "policies"), isJson: false, release)
            : Sources.ParsePolicies(Raw(member, "policies"), isJson: true, release);
    }

    public static CedarRelease GetRelease(JsonElement question) =>
        Has(question, "compat") ? CompatOption.Parse(GetText(question, "compat"), "`compat`") : CedarReleases.Latest;

    /// <summary>The schema, as text or in JSON, or an array of schemas that are linked; null when the question has none.</summary>
    public static Schema? GetSchema(JsonElement question)
    {
        if (!Has(question, "schema"))
            return null;

        var member = Get(question, "schema");
        return Sources.Complete(member.ValueKind != JsonValueKind.Array ? ParseSchema(member, "schema")
            : member.GetArrayLength() > 0 ? Sources.Link([.. member.EnumerateArray().Select((s, i) => ParseSchema(s, $"schema[{i}]"))])
            : throw new UsageException("`schema` is an empty array"));
    }

    private static PartialSchema ParseSchema(JsonElement schema, string name) => schema.ValueKind == JsonValueKind.String
        ? Sources.ParsePartialSchema(SourceText.Of(schema.GetString()!, name), isJson: false)
        : Sources.ParsePartialSchema(Raw(schema, name), isJson: true);

    public static Schema GetRequiredSchema(JsonElement question) => GetSchema(question) ?? throw new UsageException("`schema` is missing");

    public static EntityStore GetEntities(JsonElement question, Schema? schema) =>
        EntityStore.TryParse(Raw(Get(question, "entities"), "entities"), schema, out var entities, out var faults) ? entities
            : throw Sources.Refused(faults);

    /// <summary><c>"T::\"id\""</c>, or <c>{"type", "id"}</c>.</summary>
    public static EntityUid GetUid(JsonElement request, string name)
    {
        var member = Get(request, name);
        if (member.ValueKind == JsonValueKind.Object)
        {
            return EntityUid.TryCreate(GetText(member, "type"), GetText(member, "id"), out var made) ? made
                : throw new UsageException($"`{name}` has no valid type");
        }

        return EntityUid.TryParse(GetText(request, name), out var uid, out var fault) ? uid
            : throw new UsageException($"`{name}`: {fault}");
    }

    /// <summary>The context, read by what the action says of it.</summary>
    public static ValueRecord GetContext(JsonElement request, SchemaAction? action) =>
        ValueRecord.TryParse(Raw(Get(request, "context"), "context"), action?.Context, out var context, out var faults) ? context
            : throw Sources.Refused(faults);

    public static void WriteStrings(Utf8JsonWriter answer, string name, IEnumerable<string> items)
    {
        answer.WriteStartArray(name);
        foreach (var item in items)
            answer.WriteStringValue(item);

        answer.WriteEndArray();
    }
}
