using System.Text;
using System.Text.Json;
using AuthSidecar.Cedar.Tests.Conformance;
using CsCheck;

namespace AuthSidecar.Cedar.Tests.Hostile;

/// <summary>
/// Texts that nobody would write, through every door there is: they are read or refused, and what is read goes through everything that can be done
/// with it. Nothing throws, nothing hangs, and what is allocated stays in proportion to the text.
/// </summary>
public sealed class FuzzTests
{
    private const string SchemaText = """
        namespace N { entity T; }
        type Names = Set<String>;
        entity G in [G];
        entity U in [G] = { n: Long, s?: String, e: U, r: { n: Long, "m x"?: Names }, i: ipaddr, d: decimal, t: datetime, u: duration } tags Long;
        entity C enum ["a", "b"];
        action "all", z;
        action x, y in [all] appliesTo { principal: [U, G], resource: [U, C, N::T], context: { n?: Long, b: Bool } };
        """;

    private static readonly Schema Schema = Schema.TryParse(SourceText.Of(SchemaText), out var schema, out var faults) ? schema : throw new InvalidOperationException(faults[0].ToString());

    private static readonly string[] Policies =
    [
        "permit(principal, action, resource);",
        "@id(\"a\") @b forbid(principal == U::\"a\", action in [Action::\"x\", Action::\"y\"], resource is N::T) when { principal has r.n && principal.r.n + 1 < 3 } unless { context.b };",
        "permit(principal is U in ?principal, action == Action::\"x\", resource == ?resource,) when { principal in [G::\"g\", U::\"a\"].contains(principal) };",
        "permit(principal, action, resource) when { if context has n then context.n * -1 >= -9223372036854775808 else !(!resource.isEmpty()) };",
        "permit(principal, action, resource) when { principal.s like \"a*\\*\\u{1f600}\\x41\" || {a: [], \"b c\": {}}[\"b c\"] != {} || principal.getTag(\"x\") == 1 };",
        "permit(principal, action, resource) when { principal.i.isInRange(ip(\"10.0.0.0/8\")) && principal.d.lessThan(decimal(\"1.5\")) && principal.t.offset(duration(\"1h\")).toDate() == datetime(\"2024-01-01\") };",
    ];

    private static readonly string[] Entities =
    [
        """[{"uid": {"type": "U", "id": "a"}, "attrs": {"n": 1, "e": {"__entity": {"type": "U", "id": "a"}}, "r": {"n": 2}, "i": {"__extn": {"fn": "ip", "arg": "::1"}}}, "parents": [{"type": "G", "id": "g"}], "tags": {"x": 1}}]""",
        """[{"uid": {"__entity": {"type": "G", "id": "g"}}, "attrs": {}, "parents": [{"type": "G", "id": "h"}]}, {"uid": {"type": "G", "id": "h"}, "attrs": {}, "parents": []}]""",
        """[{"uid": {"type": "N::T", "id": "\u00e9\ud83d\ude00"}, "attrs": {"t": {"__extn": {"fn": "offset", "args": [{"__extn": {"fn": "datetime", "arg": "2024-01-01"}}, {"fn": "duration", "arg": "1h"}]}}}, "parents": []}]""",
    ];

    // Put in anywhere: what grammars stumble over.
    private static readonly Gen<string> Piece = Gen.OneOf(
        Gen.OneOfConst(
            "(", ")", "[", "]", "{", "}", "\"", "\\", ",", ":", "::", ";", ".", "@", "?", "!", "-", "--", "&&", "||", "==", "in", "has", "is", "if", "then", "else", "like", "//", "\n", "\r", "\0",
            "?principal", "?resource", "principal", "context", "true", "9223372036854775808", "\\u{110000}", "\\x80", "\u00a0", "\ufeff", "__cedar", "null", "1e400", "-0", "\\ud800",
            "{\"__entity\":", "{\"__extn\":", "\"__expr\"", "entity", "action", "type", "namespace", "appliesTo", "tags", "enum", "Set<", ">", "ip(", ".isInRange(", "A::B::"),
        Gen.Select(Gen.OneOfConst('(', '[', '{', '!', '-', '"', '\\', '.', ','), Gen.Int[1, 3_000], (c, n) => new string(c, n)),
        Gen.Byte.Array[0, 6].Select(Encoding.Latin1.GetString));

    /// <summary>Where, how much goes away, and what comes in its place.</summary>
    private static readonly Gen<(double At, int Removed, string Added)[]> Edits =
        Gen.Select(Gen.Double[0, 1], Gen.Frequency((3, Gen.Const(0)), (3, Gen.Int[1, 4]), (1, Gen.Int[5, 80])), Piece, (at, removed, added) => (at, removed, added)).Array[1, 5];

    [Fact]
    public void Policies_SpoiltAnyhow_ReadOrRefused() => Fuzz([.. Policies, .. CorpusTexts("parse.jsonl", "text")], text =>
    {
        if (PolicySet.TryParse(text, out var policies, out var faults))
        {
            Use(policies);
            Assert.True(PolicyFormatter.TryFormat(text, out var formatted, out _));
            Assert.True(PolicySet.TryParse(SourceText.Of(formatted), out _, out _), formatted);
        }
        else
        {
            Assert.NotEmpty(faults);
        }
    });

    [Fact]
    public void PolicySetsInJson_SpoiltAnyhow_ReadOrRefused() => Fuzz([.. Policies.Select(p => ParsePolicies(p).ToJson())], text =>
    {
        if (PolicySet.TryParseJson(text, out var policies, out var faults))
        {
            Use(policies);
        }
        else
        {
            Assert.NotEmpty(faults);
        }
    });

    [Fact]
    public void Schemas_SpoiltAnyhow_ReadOrRefused() => Fuzz([SchemaText, .. CorpusTexts("schema.jsonl", "text")], text => UseSchema(text, Schema.TryParse));

    [Fact]
    public void SchemasInJson_SpoiltAnyhow_ReadOrRefused() => Fuzz([Schema.ToJson()], text => UseSchema(text, Schema.TryParseJson));

    [Fact]
    public void Entities_SpoiltAnyhow_ReadOrRefused() => Fuzz(Entities, text =>
    {
        foreach (var schema in new[] { null, Schema })
        {
            if (EntityStore.TryParse(text, schema, out var store, out var faults))
            {
                Assert.All(store.Entities, e => Assert.NotNull(e.Attributes.ToString()));
                Assert.All(store.Entities, e => Assert.DoesNotContain(e.Uid, store.AncestorsOf(e.Uid)));
            }
            else
            {
                Assert.NotEmpty(faults);
            }
        }
    });

    /// <summary>
    /// Expressions as deep as they may be, made of every operator in any order: whoever evaluates a part twice at every level would never end.
    /// </summary>
    [Fact]
    public void Expressions_NestedAnyhow_TakeNoMoreThanInProportion()
    {
        var layer = Gen.OneOfConst(
            "({0})", "!({0})", "-({0})", "[{0}]", "[{0}, 1].contains({0})?", "{{a: {0}}}", "if {0} then true else false", "if true then {0} else false", "if context.b then {0} else {0}?", "({0}) && true",
            "true && ({0})", "context.b && ({0})", "({0}) || context.b", "context.b || ({0})", "principal in ({0})", "({0}) in principal", "({0}).n", "({0}).r", "({0}).e", "({0}).contains(1)", "[1].contains({0})",
            "({0}) == 1", "1 != ({0})", "({0}) has n", "({0}) has r.n", "({0}) is U", "principal is U in ({0})", "({0}) is U in principal", "({0}) like \"*\"", "({0}) + 1", "({0}) < ({0})?", "ip({0})",
            "({0}).isEmpty()", "({0}).getTag(\"x\")", "principal.hasTag({0})");
        var leaf = Gen.OneOfConst("true", "1", "\"x\"", "principal", "resource", "context", "principal.e", "context.b", "U::\"a\"", "[]", "principal.s");
        Gen.Select(layer.Array[1, 4], Gen.Int[1, 60], leaf, leaf).Sample(
            (layers, times, inner, other) =>
            {
                var text = inner;
                for (var i = 0; i < times; i++)
                {
                    foreach (var l in layers)
                    {
                        // A second hole, marked by `?`, gets something small: doubling the text would only show that it doubles.
                        var at = l.LastIndexOf("{0}", StringComparison.Ordinal);
                        var pattern = l.EndsWith('?') ? string.Concat(l.AsSpan(0, at), other.Replace("{", "{{", StringComparison.Ordinal).Replace("}", "}}", StringComparison.Ordinal), l.AsSpan(at + 3, l.Length - at - 4)) : l;
                        text = string.Format(System.Globalization.CultureInfo.InvariantCulture, pattern, text);
                    }
                }

                Measured(SourceText.Of($"permit(principal, action, resource) when {{ {text} }};"), source =>
                {
                    if (PolicySet.TryParse(source, out var policies, out _))
                    {
                        Use(policies);
                        Assert.True(PolicyFormatter.TryFormat(source, out _, out _));
                    }
                });
            },
            iter: Iterations.Of(3_000));
    }

    private static void Fuzz(IReadOnlyList<string> seeds, Action<SourceText> use) =>
        Gen.Select(Gen.Int[0, seeds.Count - 1], Edits).Sample((seed, edits) => Measured(new SourceText("fuzz", Spoil(seeds[seed], edits)), use), iter: Iterations.Of(15_000));

    private static byte[] Spoil(string seed, (double At, int Removed, string Added)[] edits)
    {
        var text = new List<byte>(Encoding.UTF8.GetBytes(seed));
        foreach (var (at, removed, added) in edits)
        {
            var index = (int)(at * text.Count);
            text.RemoveRange(index, Math.Min(removed, text.Count - index));
            text.InsertRange(index, at * 1000 % 2 < 1 ? Encoding.UTF8.GetBytes(added) : Encoding.Latin1.GetBytes(added));
        }

        return [.. text];
    }

    private static void Measured(SourceText text, Action<SourceText> use)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        use(text);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        if (allocated > 10_000_000 + (20_000L * text.Utf8.Length))
        {
            Assert.Fail($"{allocated} bytes for {text.Utf8.Length} of text: {Encoding.UTF8.GetString(text.Utf8)}");
        }
    }

    /// <summary>Everything that can be done with policies.</summary>
    private static void Use(PolicySet policies)
    {
        Assert.True(PolicySet.TryParseJson(SourceText.Of(policies.ToJson()), out var again, out var faults), faults.FirstOrDefault()?.ToString());
        Assert.True(JsonElement.DeepEquals(Corpus.Json(policies.ToJson()), Corpus.Json(again.ToJson())));
        foreach (var mode in new[] { ValidationMode.Strict, ValidationMode.Permissive })
        {
            var result = new Validator(Schema, new ValidationOptions { Mode = mode, Level = 1 }).Validate(policies);
            Assert.All(result.Errors.Concat(result.Warnings), f => Assert.NotEmpty(f.Fault.ToString()));
        }

        var store = EntityStore.TryParse(SourceText.Of(Entities[0]), out var entities, out _) ? entities : EntityStore.Empty;
        var request = new Request(new EntityUid("U", "a"), new EntityUid("Action", "x"), new EntityUid("U", "a"), ValueRecord.Create([new("b", Value.True)]));
        Assert.All(Authorizer.IsAuthorized(policies, store, request).Errors, e => Assert.NotEmpty(e.ToError().Message));
        Assert.All(policies.Policies, p => Assert.NotNull(Explainer.Explain(p, store, request).Scope));
        Assert.True(new PartialAuthorizer(Schema).TryAuthorize(policies, null, new PartialRequest(new PartialUid("U", null), request.Action, new PartialUid("C", null), null), out var partial, out _));
        Assert.All(partial.Policies, p => Assert.NotEmpty(p.Residual));
    }

    private delegate bool Parse(SourceText text, out Schema? schema, out IReadOnlyList<Fault> faults);

    private static void UseSchema(SourceText text, Parse parse)
    {
        if (!parse(text, out var schema, out var faults))
        {
            Assert.NotEmpty(faults);
            return;
        }

        Assert.True(Schema.TryParseJson(SourceText.Of(schema!.ToJson()), out var again, out faults), faults.FirstOrDefault()?.ToString());
        Assert.Equal(schema.EntityTypes.Keys.Order(StringComparer.Ordinal), again.EntityTypes.Keys.Order(StringComparer.Ordinal));
        Assert.NotNull(new Validator(schema).Validate(ParsePolicies(Policies[0])));
    }

    private static PolicySet ParsePolicies(string text) => PolicySet.TryParse(SourceText.Of(text), out var policies, out var faults) ? policies : throw new InvalidOperationException(faults[0].ToString());

    private static IEnumerable<string> CorpusTexts(string file, string member) =>
        Environment.GetEnvironmentVariable("CEDAR_CORPUS") is { Length: > 0 } ? Corpus.Lines(file).Where((_, i) => i % 20 == 0).Select(l => l.GetProperty(member).GetString()!) : [];
}
