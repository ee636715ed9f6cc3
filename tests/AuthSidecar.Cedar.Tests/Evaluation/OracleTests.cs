using CsCheck;

namespace AuthSidecar.Cedar.Tests.Evaluation;

/// <summary>The compiled form against the plain tree walker, on expressions that nobody thought of.</summary>
public sealed class OracleTests
{
    private static readonly EntityStore Entities = Parse("""
        [{"uid": {"type": "U", "id": "a"}, "attrs": {"n": 1, "s": "x", "e": {"__entity": {"type": "U", "id": "b"}}, "r": {"n": 2}}, "parents": [{"type": "G", "id": "g"}], "tags": {"x": 1}},
         {"uid": {"type": "U", "id": "b"}, "attrs": {"n": -1, "set": [1, "x", []]}, "parents": []},
         {"uid": {"type": "G", "id": "g"}, "attrs": {}, "parents": [{"type": "G", "id": "h"}]}]
        """);

    private static readonly Gen<string> Leaf = Gen.OneOfConst(
        "true", "false", "0", "1", "-1", "9223372036854775807", "-9223372036854775808", "\"x\"", "\"\"", "principal", "action", "resource", "context",
        "U::\"a\"", "U::\"b\"", "U::\"ghost\"", "G::\"g\"", "G::\"h\"", "[]", "{}", "context.n", "context.missing", "principal.n", "principal.e", "principal.r",
        "ip(\"10.0.0.1\")", "ip(\"10.0.0.0/8\")", "ip(\"x\")", "ip()", "decimal(\"1.5\")", "datetime(\"2024-02-29\")", "duration(\"-1h\")");

    private static readonly Gen<string> Ip = Gen.OneOfConst("ip(\"10.0.0.1\")", "ip(\"10.0.0.0/8\")", "ip(\"192.168.0.0/16\")", "ip(\"::1\")", "ip(\"x\")");

    internal static readonly Gen<string> Expression = Gen.Recursive<string>((depth, inner) => depth > 5 ? Leaf : Gen.Frequency(
        (3, Leaf),
        (2, Gen.Select(inner, Gen.OneOfConst("&&", "||"), inner, (a, op, b) => $"({a}) {op} ({b})")),
        (1, Gen.Select(inner, inner, inner, (a, b, c) => $"({a}) && ({b}) && ({c})")),
        (3, Gen.Select(inner, Gen.OneOfConst("==", "!=", "<", "<=", ">", ">=", "in", "+", "-", "*"), inner, (a, op, b) => $"({a}) {op} ({b})")),
        (1, Gen.Select(inner, inner, inner, (a, b, c) => $"if {a} then {b} else {c}")),
        (1, Gen.Select(Gen.OneOfConst("!", "-"), inner, (op, a) => $"{op}({a})")),
        (1, Gen.Select(inner, Gen.OneOfConst("has n", "has r.n", "has \"s\"", "like \"x*\"", "is U", "is U in G::\"h\"", "is G"), (a, test) => $"({a}) {test}")),
        (1, Gen.Select(inner, Gen.OneOfConst(".n", ".e", ".r", "[\"s\"]", ".isEmpty()", ".isIpv4()", ".toDate()", ".toTime()", ".toDays()"), (a, access) => $"({a}){access}")),
        (1, Gen.Select(inner, Gen.OneOfConst("contains", "containsAll", "containsAny", "getTag", "hasTag", "isInRange", "lessThan", "offset", "durationSince"), inner, (a, method, b) => $"({a}).{method}({b})")),
        (1, Gen.Select(Gen.OneOf(Ip, inner), Gen.OneOf(Ip, Ip, inner).List[0, 4], (a, ranges) => $"({a}).isInRange({string.Join(", ", ranges)})")),
        (1, Gen.Select(inner, inner, (a, b) => $"[{a}, {b}]")),
        (1, Gen.Select(inner, inner, (a, b) => $"{{n: {a}, \"m\": {b}}}"))));

    [Fact]
    public void Evaluate_AnyExpression_CompiledAndWalkedAgree()
    {
        var uid = new EntityUid("U", "a");
        var request = new Request(uid, new EntityUid("Action", "x"), new EntityUid("U", "ghost"), ValueRecord.Create([new("n", Value.Of(3)), new("s", Value.Of("x"))]));
        var outcomes = new System.Collections.Concurrent.ConcurrentDictionary<PolicyOutcome, int>();
        Expression.Sample(
            text =>
            {
                var faults = new List<Fault>();
                var expr = Parser.ParseExpression(SourceText.Of(text), faults);
                Assert.True(faults.Count == 0, $"{text}: {faults.FirstOrDefault()}");
                var walks = new TreeWalker(request, Entities).TryEvaluate(expr!, out var walked, out var walkedFailure);
                Frame.Create(request, Entities, out var frame);
                var compiled = Compiler.Compile(expr!).Evaluate(ref frame);
                Assert.Equal(walks, !compiled.IsNone);
                Assert.Equal(walked, compiled);
                if (!walks)
                {
                    Assert.Equal(walkedFailure.Kind, frame.Failure.Kind);
                    Assert.Equal(walkedFailure.ToError().Message.Split(',')[^1], frame.Failure.ToError().Message.Split(',')[^1]);
                }

                // The condition form is the value form.
                var truth = Compiler.Compile(expr!).EvaluateCondition(ref frame);
                Assert.Equal(compiled.IsTrue, truth == ConditionResult.True);
                Assert.Equal(compiled.IsFalse, truth == ConditionResult.False);
                outcomes.AddOrUpdate(walks ? PolicyOutcome.Satisfied : PolicyOutcome.Error, 1, (_, n) => n + 1);
            },
            iter: 200_000);
        // Agreement on errors alone would be no agreement.
        Assert.All(new[] { PolicyOutcome.Satisfied, PolicyOutcome.Error }, o => Assert.True(outcomes.GetValueOrDefault(o) > 20_000, $"{o}: {outcomes.GetValueOrDefault(o)}"));
    }

    private static EntityStore Parse(string json) =>
        EntityStore.TryParse(SourceText.Of(json), out var store, out var faults) ? store : throw new InvalidOperationException(faults[0].ToString());
}
