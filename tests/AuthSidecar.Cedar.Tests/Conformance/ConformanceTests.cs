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
            var accepted = PolicySet.TryParse(SourceText.Of(text), out _, out var faults, Corpus.TablesRelease);
            if (accepted != row.GetProperty("accept").GetBoolean())
            {
                var message = row.TryGetProperty("message", out var m) ? m.GetString() : null;
                disagreements.Add($"{JsonSerializer.Serialize(text)}: reference: {message ?? "accepts"}; here: {(accepted ? "accepted" : faults[0])}");
            }
        }

        Corpus.AssertNone(disagreements, cases);
    }

    [Fact]
    public void ToJson_TextsOfTheTable_SameAsTheReference()
    {
        var cases = 0;
        var disagreements = new List<string>();
        foreach (var row in Corpus.Lines("parse.jsonl").Where(r => r.TryGetProperty("est", out _)))
        {
            cases++;
            Assert.True(PolicySet.TryParse(SourceText.Of(row.GetProperty("text").GetString()!), out var policies, out _, Corpus.TablesRelease));
            var json = Corpus.Json(policies.ToJson());
            var written = new[] { "staticPolicies", "templates" }
                .SelectMany(part => json.GetProperty(part).EnumerateObject().OrderBy(p => p.Name, StringComparer.Ordinal))
                .Select(p => p.Value);
            var expected = row.GetProperty("est").EnumerateArray().ToList();
            if (!written.SequenceEqual(expected, JsonComparer.Instance))
            {
                disagreements.Add($"{row.GetProperty("text")}: reference {row.GetProperty("est")}, here {json}");
            }
        }

        Corpus.AssertNone(disagreements, cases);
    }

    [Fact]
    public void Json_PoliciesOfTheTable_WrittenReadAndPrintedAsByTheReference()
    {
        var cases = 0;
        var disagreements = new List<string>();
        foreach (var row in Corpus.Lines("est.jsonl"))
        {
            cases++;
            var faults = new List<Fault>();
            var parsed = Parser.ParsePolicies(SourceText.Of(row.GetProperty("text").GetString()!), Corpus.TablesRelease, faults).Single();
            var written = Corpus.Json(PolicySetJson.Write(parsed));
            if (!JsonComparer.Instance.Equals(written, row.GetProperty("json")))
            {
                disagreements.Add($"{row.GetProperty("text")}: reference {row.GetProperty("json")}, here {written}");
            }

            var read = JsonCursor.Read(SourceText.Of(row.GetProperty("json").GetRawText()), PolicyJsonReader.MaxDepth, faults, (ref JsonCursor json) => new PolicyJsonReader(Corpus.TablesRelease).ReadPolicy(ref json));
            // The tables were made with doubles: integers at the ends of the range became larger than a Long, and then the reference has no text.
            if (row.GetProperty("textFromJson") is not { ValueKind: JsonValueKind.String } text)
            {
                Assert.Null(read);
                continue;
            }

            var printed = read is null ? faults[0].ToString() : PolicyPrinter.Print(read);
            if (printed != text.GetString())
            {
                disagreements.Add($"reference {text}\n     here {printed}");
            }

            var again = Parser.ParsePolicies(SourceText.Of(printed), Corpus.TablesRelease, faults);
            if (again.Count != 1 || !JsonComparer.Instance.Equals(Corpus.Json(PolicySetJson.Write(again[0])), row.GetProperty("json")))
            {
                disagreements.Add($"not the same when read again: {printed}: {faults.FirstOrDefault()}");
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
    public void SchemaJson_SchemasOfTheCorpus_WrittenReadAndPrintedAsByTheReference()
    {
        var cases = 0;
        var disagreements = new List<string>();
        foreach (var file in Directory.EnumerateFiles(Corpus.PathOf("json-schemas")))
        {
            cases++;
            var json = File.ReadAllText(file);
            var schema = ParseSchema($"corpus-tests/{Path.GetFileNameWithoutExtension(file)}");
            var written = schema.ToJson();
            if (!JsonComparer.Instance.Equals(Corpus.Json(written), Corpus.Json(json)))
            {
                disagreements.Add($"{Path.GetFileName(file)}: reference {json}, here {written}");
            }

            // Through JSON and through text, it stays the same.
            var isRead = Schema.TryParseJson(SourceText.Of(json), out var read, out var faults);
            var again = isRead && Schema.TryParse(SourceText.Of(read!.ToString()), out var printed, out faults) ? printed.ToJson() : $"{faults[0]}";
            if (again != written)
            {
                disagreements.Add($"{Path.GetFileName(file)}: through JSON and text: {again}, before {written}");
            }
        }

        Corpus.AssertNone(disagreements, cases);
    }

    [Fact]
    public void ParseEntities_RowsOfTheTable_AcceptedAsByTheReference()
    {
        Assert.True(Schema.TryParse(SourceText.Of(File.ReadAllText(Corpus.PathOf("entities.cedarschema"))), out var schema, out _));
        var cases = 0;
        var disagreements = new List<string>();
        foreach (var row in Corpus.Lines("entities.jsonl"))
        {
            cases++;
            var text = SourceText.Of(row.GetProperty("entities").GetRawText());
            foreach (var (under, expected) in new[] { (null, "noSchema"), (schema, "withSchema") })
            {
                var accepted = EntityStore.TryParse(text, under, out _, out var faults);
                if (accepted != row.GetProperty(expected).GetBoolean())
                {
                    var message = row.TryGetProperty(expected + "Message", out var m) ? m.GetString() : null;
                    disagreements.Add($"{row.GetProperty("entities")} {expected}: reference: {message ?? "accepts"}; here: {(accepted ? "accepted" : faults[0])}");
                }
            }
        }

        Corpus.AssertNone(disagreements, cases);
    }

    [Fact]
    public void Evaluate_ExpressionsOfTheTable_SameResultFromTheReferenceTheCompiledFormAndTheTreeWalker()
    {
        var world = Corpus.Json(File.ReadAllText(Corpus.PathOf("expr-world.json")));
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
        if (!PolicySet.TryParse(SourceText.Of($"permit(principal, action, resource) when {{ {expr} }};"), out var policies, out _, Corpus.TablesRelease))
        {
            return ("parse-error", "parse-error");
        }

        var response = Authorizer.IsAuthorized(policies, entities, request);
        var compiled = response.Errors.IsEmpty ? response.Decision == Decision.Allow ? "true" : "false" : "error";
        var walked = Explainer.Explain(policies.Policies[0], entities, request).Outcome switch
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
        foreach (var test in Corpus.Tests())
        {
            var policies = ParsePolicies(test.GetProperty("policies").GetString()!);
            var schema = ParseSchema(test.GetProperty("schema").GetString()!);
            var entities = StoreFromFile(test.GetProperty("entities").GetString()!, schema);
            foreach (var expected in test.GetProperty("requests").EnumerateArray())
            {
                cases++;
                var request = RequestOf(expected, schema);
                var got = Describe(Authorizer.IsAuthorized(policies, entities, request));
                var want = Describe(expected);
                if (got != want)
                {
                    disagreements.Add($"{test.GetProperty("policies")}: reference {want}, here {got}");
                }

                if ((!expected.TryGetProperty("validateRequest", out var v) || v.GetBoolean()) && schema.Check(request) is { } mismatch)
                {
                    disagreements.Add($"{test.GetProperty("policies")}: the reference takes the request {expected}; here: {mismatch}");
                }
            }
        }

        Corpus.AssertNone(disagreements, cases);
    }

    [Fact]
    public void Authorize_SetsOfTheTable_SameDecisionsReasonsAndErrors()
    {
        var cases = 0;
        var disagreements = new List<string>();
        foreach (var row in Corpus.Lines("multi.jsonl"))
        {
            var read = PolicySet.TryParseJson(SourceText.Of(row.GetProperty("policies").GetRawText()), out var policies, out var faults, Corpus.TablesRelease);
            Assert.True(read, $"{faults.FirstOrDefault()}");
            Assert.True(PolicySet.TryParseJson(SourceText.Of(policies!.ToJson()), out var again, out faults, Corpus.TablesRelease), $"{faults.FirstOrDefault()}");
            var entities = Store(row.GetProperty("entities"));
            foreach (var expected in row.GetProperty("requests").EnumerateArray())
            {
                cases++;
                var request = RequestOf(expected);
                var want = Describe(expected);
                foreach (var set in new[] { policies, again })
                {
                    var got = Describe(Authorizer.IsAuthorized(set, entities, request));
                    if (got != want)
                    {
                        disagreements.Add($"{row.GetProperty("variant")}: reference {want}, here {got}");
                    }
                }
            }
        }

        Corpus.AssertNone(disagreements, cases);
    }

    [Theory]
    [InlineData(ValidationMode.Strict, "strictErrorKinds")]
    [InlineData(ValidationMode.Permissive, "permissiveErrorKinds")]
    public void Validate_CorpusTests_SameErrorsAsTheReference(ValidationMode mode, string member)
    {
        var cases = 0;
        var disagreements = new List<string>();
        foreach (var row in Corpus.Lines("validation-verdicts.jsonl"))
        {
            cases++;
            var test = Corpus.Json(File.ReadAllText(Corpus.PathOf($"corpus-tests/{row.GetProperty("case")}.json")));
            var policies = ParsePolicies(test.GetProperty("policies").GetString()!);
            var result = new Validator(ParseSchema(test.GetProperty("schema").GetString()!), new ValidationOptions { Mode = mode }).Validate(policies);
            var expected = Kinds(row.GetProperty(member).EnumerateArray().Select(k => k.GetString()!));
            var expectedWarnings = Kinds(row.GetProperty("warningKinds").EnumerateArray().Select(k => k.GetString()!));
            var warnings = Kinds(result.Warnings.Select(w => w.Kind.ToString()));
            if (expected != Kinds(result.Errors.Select(e => e.Kind.ToString())) || (mode == ValidationMode.Strict && expectedWarnings != warnings))
            {
                disagreements.Add($"{row.GetProperty("case")}: reference {expected}; {expectedWarnings}, here {warnings}:\n    {string.Join("\n    ", result.Errors.Select(e => $"{e.Kind}: {e.Fault}"))}");
            }
        }

        Corpus.AssertNone(disagreements, cases);
    }

    [Fact]
    public void ValidateLevels_CorpusTests_SameAsTheReference()
    {
        var cases = 0;
        var disagreements = new List<string>();
        foreach (var row in Corpus.Lines("validation-verdicts.jsonl"))
        {
            cases++;
            var test = Corpus.Json(File.ReadAllText(Corpus.PathOf($"corpus-tests/{row.GetProperty("case")}.json")));
            var policies = ParsePolicies(test.GetProperty("policies").GetString()!);
            var schema = ParseSchema(test.GetProperty("schema").GetString()!);
            var expected = string.Join(' ', row.GetProperty("levelsPass").EnumerateArray().Select(p => p.GetBoolean()));
            var passes = string.Join(' ', Enumerable.Range(0, 5).Select(level => new Validator(schema, new ValidationOptions { Level = level }).Validate(policies).IsValid));
            if (passes != expected)
            {
                disagreements.Add($"{row.GetProperty("case")}: reference {expected}, here {passes}");
            }
        }

        Corpus.AssertNone(disagreements, cases);
    }

    [Fact]
    public void AuthorizePartially_RowsOfTheTable_SameDecisionsAndClassesAsTheReferenceAndResidualsThatMeanTheSame()
    {
        var cases = 0;
        var disagreements = new List<string>();
        foreach (var rows in Corpus.Lines("partial.jsonl").GroupBy(r => r.GetProperty("case").GetString()))
        {
            var test = Corpus.Json(File.ReadAllText(Corpus.PathOf($"corpus-tests/{rows.Key}.json")));
            var policies = ParsePolicies(test.GetProperty("policies").GetString()!);
            var schema = ParseSchema(test.GetProperty("schema").GetString()!);
            var entities = StoreFromFile(test.GetProperty("entities").GetString()!, schema);
            foreach (var row in rows)
            {
                cases++;
                var request = RequestOf(test.GetProperty("requests")[row.GetProperty("request").GetInt32()], schema);
                var unknown = row.GetProperty("unknown").EnumerateArray().Select(u => u.GetString()!).ToHashSet();
                var partial = new PartialRequest(
                    new PartialUid(request.Principal.Type, unknown.Contains("principal") ? null : request.Principal.Id),
                    request.Action,
                    new PartialUid(request.Resource.Type, unknown.Contains("resource") ? null : request.Resource.Id),
                    unknown.Contains("context") ? null : request.Context);
                Assert.True(new PartialAuthorizer(schema).TryAuthorize(policies, unknown.Contains("entities") ? null : entities, partial, out var response, out var mismatch), mismatch);
                var expected = $"{row.GetProperty("decision").GetString() ?? "open"} {string.Join(' ', row.GetProperty("policies").EnumerateObject().Select(p => $"{p.Name}={p.Value.GetProperty("class").GetString()}"))}";
                var got = $"{response.Decision?.ToString().ToLowerInvariant() ?? "open"} {string.Join(' ', response.Policies.Select(p => $"{p.Policy.Id}={p.Class.ToString().ToLowerInvariant()}"))}";
                if (got != expected)
                {
                    disagreements.Add($"{rows.Key} without {string.Join(',', unknown)}: reference {expected}, here {got}: {string.Join("; ", response.Policies.Where(p => p.Class == PartialClass.Residual).Select(p => p.Residual))}");
                }

                foreach (var policy in response.Policies.Where(p => p.Class == PartialClass.Residual))
                {
                    var left = PolicySet.TryParse(SourceText.Of($"permit(principal, action, resource) when {{ {policy.Residual} }};"), out var set, out var faults, Corpus.CasesRelease) ? set : throw new InvalidDataException($"{policy.Residual}: {faults[0]}");
                    var before = Authorizer.IsAuthorized(policies, entities, request);
                    var isSatisfied = before.SatisfiedPermits.Concat(before.SatisfiedForbids).Contains(policy.Policy);
                    if (isSatisfied != (Authorizer.IsAuthorized(left, entities, request).Decision == Decision.Allow))
                    {
                        disagreements.Add($"{rows.Key} without {string.Join(',', unknown)}: the residual is another: {policy.Residual}");
                    }
                }
            }
        }

        Corpus.AssertNone(disagreements, cases);
    }

    private static string Kinds(IEnumerable<string> kinds) => string.Join(' ', kinds.CountBy(k => k).OrderBy(k => k.Key, StringComparer.Ordinal).Select(k => $"{k.Key}:{k.Value}"));

    private static string Describe(JsonElement expected) => Describe(
        expected.GetProperty("decision").GetString()!,
        expected.GetProperty("reason").EnumerateArray().Select(e => e.GetString()!),
        expected.GetProperty("errors").EnumerateArray().Select(e => e.GetString()!));

    private static string Describe(Response response) => Describe(
        response.Decision == Decision.Allow ? "allow" : "deny",
        response.Reasons.Select(p => p.Id),
        response.Errors.Select(e => e.Policy.Id));

    private static string Describe(string decision, IEnumerable<string> reasons, IEnumerable<string> errors) =>
        $"{decision} because of [{string.Join(',', reasons.Order(StringComparer.Ordinal))}] erring [{string.Join(',', errors.Order(StringComparer.Ordinal))}]";

    private static PolicySet ParsePolicies(string relative) =>
        PolicySet.TryParse(new SourceText(relative, File.ReadAllBytes(Corpus.PathOf(relative))), out var policies, out var faults, Corpus.CasesRelease)
            ? policies
            : throw new InvalidDataException(string.Join('\n', faults));

    private static Schema ParseSchema(string relative) =>
        Schema.TryParse(new SourceText(relative, File.ReadAllBytes(Corpus.PathOf(relative))), out var schema, out var faults)
            ? schema
            : throw new InvalidDataException(string.Join('\n', faults));

    private static EntityStore Store(JsonElement json) => Store(SourceText.Of(json.GetRawText()), schema: null);

    private static EntityStore StoreFromFile(string relative, Schema schema) => Store(new SourceText(relative, File.ReadAllBytes(Corpus.PathOf(relative))), schema);

    private static EntityStore Store(SourceText text, Schema? schema) =>
        EntityStore.TryParse(text, schema, out var store, out var faults) ? store : throw new InvalidDataException(string.Join('\n', faults));

    private static Request RequestOf(JsonElement json, Schema? schema = null) => new(
        Uid(json.GetProperty("principal")),
        Uid(json.GetProperty("action")),
        Uid(json.GetProperty("resource")),
        EntityJsonReader.ReadRecord(SourceText.Of(json.GetProperty("context").GetRawText()), schema?.Actions.GetValueOrDefault(Uid(json.GetProperty("action")))?.Context, []) ?? throw new InvalidDataException("context"));

    private static EntityUid Uid(JsonElement json) => json.ValueKind == JsonValueKind.String
        ? EntityUid.TryParse(json.GetString()!, out var uid, out var fault) ? uid : throw new InvalidDataException(fault.ToString())
        : new EntityUid(json.GetProperty("type").GetString()!, json.GetProperty("id").GetString()!);
}
