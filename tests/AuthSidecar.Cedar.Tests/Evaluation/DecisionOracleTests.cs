using CsCheck;

namespace AuthSidecar.Cedar.Tests.Evaluation;

/// <summary>
/// Decisions against the semantics written down plainly, on policies, links, entities and requests that nobody thought of: each policy is walked,
/// scope and conditions, over entities of which nothing is remembered.
/// </summary>
public sealed class DecisionOracleTests
{
    private static readonly string[] Uids = ["U::\"a\"", "U::\"b\"", "U::\"ghost\"", "G::\"g\"", "G::\"h\"", "Action::\"x\"", "Action::\"y\""];

    private static readonly Gen<string> Uid = Gen.OneOfConst(Uids);

    private static readonly Gen<string> Scope = Gen.OneOf(
        Gen.Const(""),
        Uid.Select(u => $" == {u}"),
        Uid.Select(u => $" in {u}"),
        Gen.OneOfConst(" is U", " is G", " is N::U"),
        Uid.Select(u => $" is U in {u}"));

    private static readonly Gen<string> ActionScope = Gen.OneOfConst("", " == Action::\"x\"", " in Action::\"y\"", " in [Action::\"x\", Action::\"y\"]", " in []");

    private static readonly Gen<string> Conditions = Gen.Select(Gen.OneOfConst("when", "unless"), OracleTests.Expression, (kind, expr) => $" {kind} {{ {expr} }}").Array[0, 2].Select(string.Concat);

    private static readonly Gen<string> Policy = Gen.Select(
        Gen.OneOfConst("permit", "forbid"), Scope, ActionScope, Scope, Conditions, (effect, p, a, r, conditions) => $"{effect}(principal{p}, action{a}, resource{r}){conditions};");

    private static readonly Gen<string> Template = Gen.Select(
        Gen.OneOfConst("permit", "forbid"), Gen.OneOfConst(" == ?principal", " in ?principal", " is U in ?principal"), Conditions,
        (effect, p, conditions) => $"{effect}(principal{p}, action, resource){conditions};");

    private static readonly Gen<string> Value = Gen.OneOf(
        Gen.OneOfConst("1", "-1", "true", "\"x\"", "[]", "[1, \"x\"]", "{\"n\": 2}", "9223372036854775807", """{"__extn": {"fn": "ip", "arg": "10.0.0.1"}}"""),
        Uid.Select(u => $$"""{"__entity": {{Json(u)}}}"""));

    private static readonly Gen<string> Record = Gen.Dictionary(Gen.OneOfConst("n", "s", "e", "r", "set"), Value)[0, 4].Select(d => $"{{{string.Join(", ", d.Select(a => $"\"{a.Key}\": {a.Value}"))}}}");

    /// <summary>For each uid no entity, or its attributes, its tags and its parents further down the list, which keeps the hierarchy free of cycles.</summary>
    private static readonly Gen<string> Entities = Gen.Frequency(
            (1, Gen.Const(((string, string, int[])?)null)),
            (4, Gen.Select(Record, Record, Gen.Int[0, Uids.Length - 1].Array[0, 3], (attributes, tags, parents) => ((string, string, int[])?)(attributes, tags, parents))))
        .Array[Uids.Length]
        .Select(world => $"[{string.Join(",\n", world.Select((entity, i) => (entity, i)).Where(e => e.entity is not null).Select(e => EntityOf(e.i, e.entity!.Value)))}]");

    private static readonly Gen<(string Principal, string Action, string Resource, string Context)[]> Requests =
        Gen.Select(Uid, Gen.OneOfConst("Action::\"x\"", "Action::\"y\"", "Action::\"z\""), Uid, Record).Array[1, 6];

    [Fact]
    public void IsAuthorized_AnyPoliciesEntitiesAndRequests_AsWalked()
    {
        var seen = new System.Collections.Concurrent.ConcurrentDictionary<string, int>();
        Gen.Select(Policy.Array[1, 8], Template.Array[0, 2], Uid.Array[1, 3], Entities, Entities, Requests).Sample(
            (policies, templates, links, before, entities, requests) =>
            {
                var set = Parse(policies, templates, links);
                // Half of the time the store is a changed one, of which things were remembered before it changed.
                var store = links.Length % 2 == 0 ? Store(entities) : Changed(set, Store(before), Store(entities), requests);
                var asked = requests.Select(r => new Request(ToUid(r.Principal), ToUid(r.Action), ToUid(r.Resource), Context(r.Context))).ToArray();
                var together = new Response[asked.Length];
                Authorizer.AreAuthorized(set, store, asked, together);
                for (var i = 0; i < asked.Length; i++)
                {
                    var expected = Walk(set, new Forgetful(store), asked[i]);
                    AssertAs(expected, Authorizer.IsAuthorized(set, store, asked[i]));
                    AssertAs(expected, together[i]);
                    seen.AddOrUpdate(expected.Decision + (expected.Errors.Count > 0 ? " with errors" : ""), 1, (_, n) => n + 1);
                }
            },
            iter: Iterations.Of(40_000));
        // What never happens agrees easily.
        Assert.All(new[] { "Allow", "Deny", "Allow with errors", "Deny with errors" }, kind => Assert.True(seen.GetValueOrDefault(kind) > 500 || Iterations.Of(100) < 100, $"{kind}: {seen.GetValueOrDefault(kind)}"));
    }

    private sealed record Expected(Decision Decision, List<string> Reasons, List<(string Id, EvaluationErrorKind Kind)> Errors);

    private static Expected Walk(PolicySet policies, EntitySource entities, Request request)
    {
        var walker = new TreeWalker(request, entities);
        List<string> permits = [], forbids = [];
        List<(string, EvaluationErrorKind)> errors = [];
        foreach (var policy in policies.Policies)
        {
            if (!Validator.ScopeOf(policy.Syntax, policy.Scope).TrueForAll(test => walker.TryEvaluate(test, out var holds, out _) && holds.IsTrue))
            {
                continue;
            }

            var isSatisfied = true;
            foreach (var condition in policy.Conditions)
            {
                EvaluationErrorKind? error = !walker.TryEvaluate(condition.Body, out var value, out var failure) ? failure.Kind : value.Kind == ValueKind.Bool ? null : EvaluationErrorKind.TypeError;
                if (error is { } kind)
                {
                    errors.Add((policy.Id, kind));
                }

                if (error is not null || value.IsTrue == condition.IsUnless)
                {
                    isSatisfied = false;
                    break;
                }
            }

            if (isSatisfied)
            {
                (policy.Effect == Effect.Permit ? permits : forbids).Add(policy.Id);
            }
        }

        return forbids.Count > 0 ? new Expected(Decision.Deny, forbids, errors) : new Expected(permits.Count > 0 ? Decision.Allow : Decision.Deny, permits, errors);
    }

    private static void AssertAs(Expected expected, Response response)
    {
        Assert.Equal(expected.Decision, response.Decision);
        Assert.Equal(expected.Reasons, response.Reasons.Select(p => p.Id));
        Assert.Equal(expected.Errors, response.Errors.Select(e => (e.Policy.Id, e.Kind)));
    }

    /// <summary>The first store, of which some entities became those of the second after it was asked.</summary>
    private static EntityStore Changed(PolicySet policies, EntityStore before, EntityStore after, (string Principal, string Action, string Resource, string Context)[] requests)
    {
        foreach (var request in requests)
        {
            Authorizer.IsAuthorized(policies, before, new Request(ToUid(request.Principal), ToUid(request.Action), ToUid(request.Resource), ValueRecord.Empty));
        }

        var changing = Uids.Where((_, i) => i % 3 == requests.Length % 3).Select(ToUid).ToHashSet();
        var removed = changing.Where(u => !after.TryGetEntity(u, out _));
        var given = after.Entities.Where(e => changing.Contains(e.Uid)).Select(e => new Entity(e.Uid, e.Attributes, e.Tags, e.Parents));
        return before.TryUpdate(given, removed, null, out var changed, out var faults) ? changed : throw new InvalidOperationException(faults[0].ToString());
    }

    private static PolicySet Parse(string[] policies, string[] templates, string[] links)
    {
        var builder = new PolicySetBuilder();
        builder.Add(SourceText.Of(string.Join('\n', policies)), (i, _) => $"p{i}");
        builder.Add(SourceText.Of(string.Join('\n', templates)), (i, _) => $"t{i}");
        for (var i = 0; i < links.Length && templates.Length > 0; i++)
        {
            builder.Link($"t{i % templates.Length}", $"link{i}", ToUid(links[i]), null);
        }

        return builder.TryBuild(out var set, out var faults) ? set : throw new InvalidOperationException(faults[0].ToString());
    }

    private static EntityStore Store(string json) => EntityStore.TryParse(SourceText.Of(json), out var store, out var faults) ? store : throw new InvalidOperationException(faults[0].ToString());

    private static ValueRecord Context(string json) => ValueRecord.TryParse(SourceText.Of(json), null, out var record, out var faults) ? record : throw new InvalidOperationException(faults[0].ToString());

    private static EntityUid ToUid(string text) => EntityUid.TryParse(text, out var uid, out var fault) ? uid : throw new InvalidOperationException(fault.ToString());

    private static string EntityOf(int i, (string Attributes, string Tags, int[] Parents) entity) => $$"""
        {"uid": {{Json(Uids[i])}}, "attrs": {{entity.Attributes}}, "tags": {{entity.Tags}}, "parents": [{{string.Join(", ", entity.Parents.Where(p => p > i && (i < 5 || p >= 5)).Select(p => Json(Uids[p])))}}]}
        """;

    private static string Json(string uid) => $$"""{"type": "{{ToUid(uid).Type}}", "id": "{{ToUid(uid).Id}}"}""";

    /// <summary>The entities of a store, each made anew at every question, so that nothing can be remembered of one.</summary>
    private sealed class Forgetful(EntityStore store) : EntitySource
    {
        public override bool TryGetEntity(EntityUid uid, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Entity? entity)
        {
            entity = store.TryGetEntity(uid, out var found) ? new Entity(found.Uid, found.Attributes, found.Tags, found.Parents) : null;
            return entity is not null;
        }
    }
}
