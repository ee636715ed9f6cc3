using System.Globalization;

namespace AuthSidecar.Cedar.Tests.Hostile;

/// <summary>
/// Twice the text takes twice the work: measured by what is allocated, which is the same in every run. What compares without allocating is given so
/// much that it would not come to an end in proportion to the square.
/// </summary>
public sealed class GrowthTests
{
    public static TheoryData<string, int, Func<int, string>, Action<string>> Texts() => new()
    {
        { "annotations of a policy", 20_000, n => $"{Many(n, i => $"@a{i}")} permit(principal, action, resource);", ParsePolicies },
        { "parts of a path", 20_000, n => $"permit(principal is {Many(n, _ => "A::")}B, action, resource);", ParsePolicies },
        { "parts of a uid", 20_000, n => $"permit(principal == {Many(n, _ => "A::")}B::\"x\", action, resource);", ParsePolicies },
        { "letters of an identifier", 500_000, n => $"permit(principal, action, resource) when {{ context.{new string('a', n)} }};", ParsePolicies },
        { "letters of a name in messages", 100_000, n => $"permit(principal, action, resource) when {{ {new string('a', n)} }};", RefusePolicies },
        { "attributes of a record literal", 5_000, n => $"permit(principal, action, resource) when {{ {{ {Many(n, i => $"a{n - i}: {i},")} }} == context }};", ParsePolicies },
        { "faulty policies on a line", 10_000, n => Many(n, _ => "permit(x);"), RefusePolicies },
        { "conditions of a policy", 2_000, n => $"permit(principal, action, resource) {Many(n, _ => "when { context.b }")};", UsePolicies },
        { "terms of &&", 2_000, n => Condition(Many(n, i => $"context.n != {i} && ") + "true"), UsePolicies },
        { "terms of || that stay open", 2_000, n => Condition(Many(n, i => $"context.b || context.n == {i} || ") + "false"), UsePolicies },
        { "optional attributes in a chain", 500, n => Condition(string.Join(" && ", Enumerable.Range(0, n).Select(i => $"principal has a{i}"))), UseManyAttributes },
        { "optional attributes in two chains", 300, n => Condition($"({string.Join(" && ", Enumerable.Range(0, n).Select(i => $"principal has a{i}"))}) && ({string.Join(" && ", Enumerable.Range(0, n).Select(i => $"principal has b{i}"))})"), UseManyAttributes },
        { "attributes of the context, each asked for", 500, n => Condition(string.Join(" && ", Enumerable.Range(0, n).Select(i => $"context.c{i}"))), UseManyAttributes },
        { "annotations in a schema", 10_000, n => $"{Many(n, i => $"@a{i}")} entity U;", ParseSchema },
        { "attributes of an entity type", 5_000, n => $"entity U {{ {Many(n, i => $"a{i}: Long,")} }};", ParseSchema },
        { "chain of entity types", 1_000, n => $"{Many(n, i => $"entity E{i} in [E{i + 1}];")} entity E{n}; action a appliesTo {{ principal: E0, resource: E{n} }};", UseSchema },
        { "chain of entity types, all asked about", 500, n => $"{Many(n, i => $"entity E{i} in [E{i + 1}];")} entity E{n}; action a appliesTo {{ principal: [{string.Join(", ", Enumerable.Range(0, n).Select(i => $"E{i}"))}], resource: E{n} }};", UseSchema },
        { "chain of actions", 1_000, n => $"entity U; {Many(n, i => $"action a{i} in [a{i + 1}];")} action a{n} appliesTo {{ principal: U, resource: U }};", UseSchema },
        { "chain of actions, the other way round", 1_000, n => $"entity U; action a{n} appliesTo {{ principal: U, resource: U }}; {Many(n, i => $"action a{n - i - 1} in [a{n - i}];")}", UseSchema },
        { "names of a declaration, and its attributes", 500, n => $"entity {string.Join(", ", Enumerable.Range(0, n).Select(i => $"E{i}"))} {{ {Many(n, i => $"a{i}: Long,")} }};", ParseSchema },
        { "names of a declaration, and its groups", 300, n => $"entity {string.Join(", ", Enumerable.Range(0, n).Select(i => $"E{i}"))} in [{string.Join(", ", Enumerable.Range(0, n).Select(i => $"G{i}"))}]; entity {string.Join(", ", Enumerable.Range(0, n).Select(i => $"G{i}"))}; action a appliesTo {{ principal: E0, resource: G0 }};", UseSchema },
        { "chain of common types", 100, n => $"{Many(n, i => $"type T{i} = {{ a: T{i + 1} }};")} type T{n} = Long; entity E = {{ x: T0 }}; action a appliesTo {{ principal: E, resource: E }};", UseSchema },
        { "attributes of an entity, the last first", 5_000, n => $$"""[{"uid": {"type": "U", "id": "a"}, "attrs": { {{string.Join(", ", Enumerable.Range(0, n).Select(i => $"\"a{n - i:D9}\": 1"))}} }, "parents": []}]""", ParseEntities },
        { "chain of entities", 2_000, n => $"[{string.Join(", ", Enumerable.Range(0, n).Select(i => $$"""{"uid": {"type": "U", "id": "{{i}}"}, "attrs": {}, "parents": [{"type": "U", "id": "{{i + 1}}"}]}"""))}]", ParseEntities },
        { "letters of what is no decimal", 100_000, n => $"permit(principal, action, resource) when {{ decimal(\"{new string('1', n)}\") == decimal(\"1.0\") }};", UsePolicies },
    };

    [Theory]
    [MemberData(nameof(Texts))]
    public void Text_TwiceAsLong_TakesTwiceTheWork(string what, int size, Func<int, string> text, Action<string> use)
    {
        var (once, twice) = (text(size), text(2 * size));
        // Tables and code are made in the first run.
        use(once);
        var (less, more) = (AllocatedBy(() => use(once)), AllocatedBy(() => use(twice)));
        Assert.True(more <= (2.7 * less) + 200_000, string.Create(CultureInfo.InvariantCulture, $"{what}: {less} and {more} bytes"));
    }

    /// <summary>Types that double with every line: what they stand for is never written out.</summary>
    [Theory]
    [InlineData("principal.x == resource.x")]
    [InlineData("principal.x == principal.y")]
    [InlineData("[principal.x].contains(principal.y)")]
    [InlineData("[principal.x] == [principal.y, resource.x]")]
    [InlineData("(if principal.b then principal.x else principal.y) == principal.x")]
    [InlineData("{ r: principal.x } == { r: resource.y }")]
    [InlineData("principal.x == principal.z")]
    [InlineData("principal.x == principal.o")]
    public void Validate_TypesThatDoubleWithEveryLine_InProportion(string condition)
    {
        const int Lines = 60;
        var doubling = Many(Lines, i => $"type T{i} = {{ a: T{i + 1}, b: T{i + 1} }}; type S{i} = {{ a: S{i + 1}, b: S{i + 1} }}; type Z{i} = {{ a: Z{i + 1}, b: Z{i + 1} }}; type O{i} = {{ a: O{i + 1}, b?: O{i + 1} }};");
        Assert.True(
            Schema.TryParse(
                SourceText.Of($"{doubling} type T{Lines} = F; type S{Lines} = F; type Z{Lines} = E; type O{Lines} = F; entity F; entity E = {{ b: Bool, x: T0, y: S0, z: Z0, o: O0 }}; action a appliesTo {{ principal: E, resource: E }};"),
                out var schema,
                out var faults),
            $"{faults.FirstOrDefault()}");
        var policies = Policies(Condition(condition));
        foreach (var mode in Enum.GetValues<ValidationMode>())
        {
            Assert.InRange(AllocatedBy(() => new Validator(schema, new ValidationOptions { Mode = mode, Level = 3 }).Validate(policies)), 0, 5_000_000);
        }
    }

    /// <summary>Tests within the conditions of tests: each part of an expression is looked at once, however many steps a path has.</summary>
    [Fact]
    public void Validate_PathsWithinPaths_InProportion()
    {
        Assert.True(Schema.TryParse(SourceText.Of("entity U = { u?: U }; action a appliesTo { principal: U, resource: U };"), out var schema, out _));
        var text = "principal has u";
        for (var i = 0; i < 60; i++)
        {
            text = $"(if {text} then principal else resource) has u.u.u";
        }

        var policies = Policies(Condition(text));
        Assert.InRange(AllocatedBy(() => Assert.Empty(new Validator(schema, new ValidationOptions { Level = 100 }).Validate(policies).Errors)), 0, 5_000_000);
    }

    [Fact]
    public void TryParse_PathThatIsTooDeep_Refused()
    {
        Assert.False(PolicySet.TryParse(SourceText.Of(Condition($"principal has u{Many(100_000, _ => ".u")}")), out _, out var faults));
        Assert.Contains("nested", faults[0].Message, StringComparison.Ordinal);
        Assert.False(PolicySet.TryParseJson(SourceText.Of(Policies(Condition("principal has u.u")).ToJson().Replace("\"attr\":[\"u\",\"u\"]", $"\"attr\":[\"u\"{Many(100_000, _ => ",\"u\"")}]", StringComparison.Ordinal)), out _, out faults));
        Assert.Contains("nested", faults[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void TryParse_LongNameOfNamespace_Refused()
    {
        Assert.False(Schema.TryParse(SourceText.Of($"namespace {new string('n', 1_000)} {{ {Many(1_000, i => $"entity E{i};")} }}"), out _, out var faults));
        Assert.Equal("1:1: namespace name too long: 1000 characters, limit 512", faults[0].ToString());
    }

    [Fact]
    public void TryParse_TypesAppliedToThatMultiply_Refused()
    {
        var types = string.Join(", ", Enumerable.Range(0, 1_001).Select(i => $"E{i}"));
        Assert.False(Schema.TryParse(SourceText.Of($"entity {types};\naction a appliesTo {{ principal: [{types}], resource: [{types}] }};"), out _, out var faults));
        Assert.Equal("2:1: too many request environments: more than 1000000 pairs of principal and resource types; name fewer types", Assert.Single(faults).ToString());
    }

    /// <summary>Where a path has a step that is no identifier, text has what it starts from once for each: it does not double within itself.</summary>
    [Fact]
    public void TryParseJson_PathsWithoutIdentifiersWithinOneAnother_Refused()
    {
        var body = """{"has": {"left": {"Var": "principal"}, "attr": ["a b", "c"]}}""";
        Assert.True(PolicySet.TryParseJson(SetOf(body), out var policies, out var faults), $"{faults.FirstOrDefault()}");
        Assert.Contains("(principal has \"a b\") && (principal[\"a b\"] has c)", policies.Policies[0].ToString(), StringComparison.Ordinal);
        for (var i = 0; i < 40; i++)
        {
            body = $$$"""{"has": {"left": {"if-then-else": {"if": {{{body}}}, "then": {"Var": "principal"}, "else": {"Var": "resource"} } }, "attr": ["a b", "c"]} }""";
        }

        Assert.False(PolicySet.TryParseJson(SetOf(body), out _, out faults));
        Assert.StartsWith("a path with a non-identifier step", faults[0].Message, StringComparison.Ordinal);
    }

    private static SourceText SetOf(string body) => SourceText.Of(
        $$$"""{"staticPolicies": {"p": {"effect": "permit", "principal": {"op": "All"}, "action": {"op": "All"}, "resource": {"op": "All"}, "conditions": [{"kind": "when", "body": {{{body}}} }] } }, "templates": {}, "templateLinks": [] }""");

    private static string Many(int count, Func<int, string> make) => string.Concat(Enumerable.Range(0, count).Select(make));

    private static string Condition(string body) => $"permit(principal, action, resource) when {{ {body} }};";

    private static long AllocatedBy(Action act)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        act();
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static void ParsePolicies(string text) => Policies(text);

    private static void RefusePolicies(string text) => Assert.False(PolicySet.TryParse(SourceText.Of(text), out _, out _));

    private static void UsePolicies(string text) =>
        Use(Policies(text), SchemaOf("entity U; action a appliesTo { principal: U, resource: U, context: { b: Bool, n: Long } };"));

    private static void UseManyAttributes(string text)
    {
        var count = text.Split(" && ").Length;
        Use(Policies(text), SchemaOf($"entity U {{ {Many(count, i => $"a{i}?: Long, b{i}?: Long,")} }}; action a appliesTo {{ principal: U, resource: U, context: {{ {Many(count, i => $"c{i}: Bool,")} }} }};"));
    }

    private static void Use(PolicySet policies, Schema schema)
    {
        new Validator(schema, new ValidationOptions { Level = 3 }).Validate(policies);
        Assert.True(new PartialAuthorizer(schema).TryAuthorize(policies, null, new PartialRequest(new PartialUid("U", null), new EntityUid("Action", "a"), new PartialUid("U", null), null), out var response, out _));
        Assert.NotEmpty(response.Policies[0].Residual);
        Assert.True(PolicySet.TryParse(SourceText.Of(policies.Policies[0].ToString()), out _, out _));
    }

    private static void ParseSchema(string text) => SchemaOf(text);

    private static void UseSchema(string text)
    {
        var schema = SchemaOf(text);
        var policies = Policies("permit(principal in E9::\"x\", action in Action::\"a9\", resource); permit(principal == E0::\"x\", action, resource) when { resource in principal };");
        new Validator(schema).Validate(policies);
        Assert.True(EntityStore.TryParse(SourceText.Of("[]"), schema, out _, out _));
    }

    private static void ParseEntities(string text) => Assert.True(EntityStore.TryParse(SourceText.Of(text), out _, out _));

    private static Schema SchemaOf(string text) => Schema.TryParse(SourceText.Of(text), out var schema, out var faults) ? schema : throw new InvalidOperationException(faults[0].ToString());

    private static PolicySet Policies(string text) => PolicySet.TryParse(SourceText.Of(text), out var policies, out var faults) ? policies : throw new InvalidOperationException(faults[0].ToString());
}
