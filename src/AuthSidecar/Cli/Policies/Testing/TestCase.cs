using AuthSidecar.Decisions;

namespace AuthSidecar.Cli.Policies.Testing;

/// <summary>A request and the decision that is expected: <c>{"name"?, "request": {"principal", "action", "resource", "context"},
/// "entities", "decision", "reason"?, "num_errors"?}</c>, as the <c>run-tests</c> of Cedar's own command line has it. The entities may also
/// be the name of a file, or be left out where the tests are of a bundle; the decision may also be <c>step_up</c>.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Decision">The decision that is expected.</param>
/// <param name="Reasons">Policies that are expected among those that determine the decision.</param>
/// <param name="Errors">How many policies are expected to err.</param>
internal sealed record TestCase(
    string Name, EntityStore Entities, Request Request, Decision Decision, IReadOnlyList<string> Reasons, int Errors)
{
    private static readonly HashSet<string> Members = new(
        ["name", "request", "entities", "decision", "reason", "num_errors"], StringComparer.Ordinal);

    /// <summary>What the case is called, whether or not the rest of it can be read.</summary>
    public static string NameOf(JsonElement test, int place) =>
        test.ValueKind == JsonValueKind.Object && test.TryGetProperty("name", out var name) && name.ValueKind == JsonValueKind.String
            ? name.GetString()! : $"test {place + 1}";

    /// <exception cref="UsageException">The case is not one.</exception>
    public static TestCase Read(JsonElement test, string name, Schema? schema, EntityStore? bundle, string folder)
    {
        if (test.ValueKind != JsonValueKind.Object)
            throw new UsageException("expected a JSON object");

        if (test.EnumerateObject().Select(m => m.Name).FirstOrDefault(m => !Members.Contains(m)) is { } unknown)
            throw new UsageException($"unknown member `{unknown}`; known members: {string.Join(", ", Members.Select(m => $"`{m}`"))}");

        var entities = bundle is not null && !Batch.Has(test, "entities") ? bundle
            : Batch.Get(test, "entities").ValueKind == JsonValueKind.String
            ? Sources.ReadEntities(FileIn(folder, Batch.GetText(test, "entities")), schema)
            : Batch.GetEntities(test, schema);
        var request = RequestOptions.Complete(AuthorizeCommand.GetRequest(Batch.Get(test, "request"), schema), schema);
        if (schema?.Check(request) is { } mismatch)
            throw new UsageException($"the request does not conform to the schema: {mismatch}");

        return new TestCase(name, entities, request, ReadDecision(test), ReadReasons(test), ReadErrors(test));
    }

    /// <summary>In what an answer is not what is expected; nothing when it is.</summary>
    public IEnumerable<string> Compare(Response response, PolicyRules rules)
    {
        var (outcome, reason) = DecisionPoint.ToDecision(response, rules);
        if (outcome != Decision)
        {
            yield return $"expected {DecisionWords.WordOf(Decision)}, got {DecisionWords.WordOf(outcome)}: {DecisionWords.WordsOf(reason)}";
            yield break;
        }

        var reasons = response.Reasons;
        foreach (var missing in Reasons.Where(r => reasons.All(p => p.Id != r)))
        {
            yield return $"expected `{missing}` to determine it, got "
                + $"{(reasons.IsEmpty ? "none" : string.Join(", ", reasons.Select(p => $"`{p.Id}`")))}";
        }

        if (response.Errors.Length != Errors)
        {
            yield return $"expected {Errors} errors, got {response.Errors.Length}"
                + $"{string.Concat(response.Errors.Select(e => $"; {e.Policy.Id}: {e.ToError().Message}"))}";
        }
    }

    private static string FileIn(string folder, string name)
    {
        var path = Path.GetFullPath(Path.Combine(folder, name));
        return path.StartsWith(Path.GetFullPath(folder) + Path.DirectorySeparatorChar, StringComparison.Ordinal)
            ? path
            : throw new UsageException($"`{name}` is outside the folder of the test file");
    }

    private static Decision ReadDecision(JsonElement test) => Batch.GetText(test, "decision") switch
    {
        "allow" => Decision.Allow,
        "deny" => Decision.Deny,
        "step_up" => Decision.StepUp,
        var other => throw new UsageException($"`decision` must be `allow`, `deny` or `step_up`, not `{other}`"),
    };

    private static List<string> ReadReasons(JsonElement test)
    {
        if (!Batch.Has(test, "reason"))
            return [];

        var reasons = Batch.Get(test, "reason");
        return reasons.ValueKind == JsonValueKind.Array && reasons.EnumerateArray().All(r => r.ValueKind == JsonValueKind.String)
            ? [.. reasons.EnumerateArray().Select(r => r.GetString()!)]
            : throw new UsageException("`reason` must be an array of policy ids");
    }

    private static int ReadErrors(JsonElement test) => !Batch.Has(test, "num_errors") ? 0
        : Batch.Get(test, "num_errors") is { ValueKind: JsonValueKind.Number } number && number.TryGetInt32(out var errors) ? errors
        : throw new UsageException("`num_errors` must be a number");
}
