using System.Text.Json;

namespace AuthSidecar.Cedar.Tests.Conformance;

/// <summary>Every answer is the reference implementation's.</summary>
public sealed class ConformanceTests
{
    [Fact]
    public void Parse_TextsOfTheTable_AcceptedAsByTheReference()
    {
        var cases = 0;
        var disagreements = new List<string>();
        foreach (var row in Corpus.Lines("parse.jsonl"))
        {
            cases++;
            var text = row.GetProperty("text").GetString()!;
            var accepted = PolicySet.TryParse(SourceText.Of(text), out _, out var faults);
            if (accepted != row.GetProperty("accept").GetBoolean())
            {
                var message = row.TryGetProperty("message", out var m) ? m.GetString() : null;
                disagreements.Add($"{JsonSerializer.Serialize(text)}: reference: {message ?? "accepts"}; here: {(accepted ? "accepted" : faults[0])}");
            }
        }

        Corpus.AssertNone(disagreements, cases);
    }

    [Fact]
    public void ParseSchema_TextsOfTheTable_AcceptedAsByTheReference()
    {
        var cases = 0;
        var disagreements = new List<string>();
        foreach (var row in Corpus.Lines("schema.jsonl"))
        {
            cases++;
            var text = row.GetProperty("text").GetString()!;
            var accepted = Schema.TryParse(SourceText.Of(text), out _, out var faults);
            if (accepted != row.GetProperty("accept").GetBoolean())
            {
                var message = row.TryGetProperty("message", out var m) ? m.GetString() : null;
                disagreements.Add($"{JsonSerializer.Serialize(text)}: reference: {message ?? "accepts"}; here: {(accepted ? "accepted" : faults[0])}");
            }
        }

        Corpus.AssertNone(disagreements, cases);
    }

    [Fact]
    public void Evaluate_ExpressionsOfTheTable_SameResultFromTheReferenceTheCompiledFormAndTheTreeWalker()
    {
        var world = JsonElement.Parse(File.ReadAllText(Corpus.PathOf("expr-world.json")));
        var entities = Store(world.GetProperty("entities"));
        var request = RequestOf(world.GetProperty("request"));
        var cases = 0;
        var disagreements = new List<string>();
        foreach (var row in Corpus.Lines("expr.jsonl"))
        {
            cases++;
            var text = row.GetProperty("expr").GetString()!;
            var expected = row.GetProperty("result");
            var expectedText = expected.ValueKind == JsonValueKind.String ? expected.GetString()! : expected.GetBoolean() ? "true" : "false";
            var (compiled, walked) = Outcomes(text, entities, request);
            if (compiled != expectedText || walked != expectedText)
            {
                disagreements.Add($"{text}: reference {expectedText}, compiled {compiled}, walked {walked}");
            }
        }

        Corpus.AssertNone(disagreements, cases);
    }

    private static (string Compiled, string Walked) Outcomes(string expr, EntityStore entities, Request request)
    {
        if (!PolicySet.TryParse(SourceText.Of($"permit(principal, action, resource) when {{ {expr} }};"), out var policies, out _))
        {
            return ("parse-error", "parse-error");
        }

        var response = Authorizer.IsAuthorized(policies, entities, request);
        var compiled = response.Errors.IsEmpty ? response.Decision == Decision.Allow ? "true" : "false" : "error";
        var walked = Authorizer.Explain(policies.Policies[0], entities, request).Outcome switch
        {
            PolicyOutcome.Satisfied => "true",
            PolicyOutcome.ConditionDoesNotHold => "false",
            PolicyOutcome.Error => "error",
            var other => other.ToString(),
        };
        return (compiled, walked);
    }

    [Fact]
    public void Authorize_CorpusTests_SameDecisionsReasonsAndErrors()
    {
        var cases = 0;
        var disagreements = new List<string>();
        foreach (var file in Directory.EnumerateFiles(Corpus.PathOf("corpus-tests"), "*.json")
            .Where(f => !f.EndsWith(".entities.json", StringComparison.Ordinal)))
        {
            var test = JsonElement.Parse(File.ReadAllText(file));
            var policies = ParsePolicies(test.GetProperty("policies").GetString()!);
            var entities = StoreFromFile(test.GetProperty("entities").GetString()!);
            foreach (var expected in test.GetProperty("requests").EnumerateArray())
            {
                cases++;
                var request = RequestOf(expected);
                var response = Authorizer.IsAuthorized(policies, entities, request);
                var got = Describe(
                    response.Decision == Decision.Allow ? "allow" : "deny",
                    response.Reasons.Select(p => p.Id),
                    response.Errors.Select(e => e.Policy.Id));
                var want = Describe(
                    expected.GetProperty("decision").GetString()!,
                    expected.GetProperty("reason").EnumerateArray().Select(e => e.GetString()!),
                    expected.GetProperty("errors").EnumerateArray().Select(e => e.GetString()!));
                if (got != want)
                {
                    disagreements.Add($"{Path.GetFileName(file)}: reference {want}, here {got}");
                }
            }
        }

        Corpus.AssertNone(disagreements, cases);
    }

    private static string Describe(string decision, IEnumerable<string> reasons, IEnumerable<string> errors) =>
        $"{decision} because of [{string.Join(',', reasons.Order(StringComparer.Ordinal))}] erring [{string.Join(',', errors.Order(StringComparer.Ordinal))}]";

    private static PolicySet ParsePolicies(string relative) =>
        PolicySet.TryParse(new SourceText(relative, File.ReadAllBytes(Corpus.PathOf(relative))), out var policies, out var faults)
            ? policies
            : throw new InvalidDataException(string.Join('\n', faults));

    private static EntityStore Store(JsonElement json) => Store(SourceText.Of(json.GetRawText()));

    private static EntityStore StoreFromFile(string relative) => Store(new SourceText(relative, File.ReadAllBytes(Corpus.PathOf(relative))));

    private static EntityStore Store(SourceText text) =>
        EntityStore.TryParse(text, out var store, out var faults) ? store : throw new InvalidDataException(string.Join('\n', faults));

    private static Request RequestOf(JsonElement json) => new(
        Uid(json.GetProperty("principal")),
        Uid(json.GetProperty("action")),
        Uid(json.GetProperty("resource")),
        EntityJson.ReadRecord(SourceText.Of(json.GetProperty("context").GetRawText()), []) ?? throw new InvalidDataException("context"));

    private static EntityUid Uid(JsonElement json) => json.ValueKind == JsonValueKind.String
        ? EntityUid.TryParse(json.GetString()!, out var uid, out var fault) ? uid : throw new InvalidDataException(fault.ToString())
        : new EntityUid(json.GetProperty("type").GetString()!, json.GetProperty("id").GetString()!);
}
