using System.Globalization;

namespace AuthSidecar.Cedar.Tests.Syntax;

/// <summary>The deepest policies there may be, on the smallest stack that a thread of ours may have: whoever recurses must come back.</summary>
public sealed class DepthTests
{
    private const int SmallestStackBytes = 1_536 * 1024;

    private static readonly Schema Schema = Parse("entity U = { n: Long }; action a appliesTo { principal: [U], resource: [U] };");

    public static TheoryData<string, string, int> Deep() => new()
    {
        // In front, behind, and how often.
        { "(", ")", 250 },
        { "[", "]", 250 },
        { "{a: ", "}", 250 },
        { "if true then ", " else true", 250 },
        // Decided by its type, but left standing while the principal is unknown.
        { "if principal has n then ", " else false", 250 },
        { "(if ", " then principal else resource) is U in U::\"g\"", 60 },
        { "(true && ", ")", 120 },
        { "(false || ", ")", 120 },
        { "true == (", ")", 120 },
        { "[true].contains(", ")", 250 },
        { "(", ").a", 250 },
        { "(", " has a)", 250 },
        { "!(!(", "))", 120 },
        // Links of chains, of which there may be more.
        { "", " + 1", 1_000 },
        { "", " * 1 + 2 - 3", 330 },
        { "", ".e", 1_000 },
        { "", "[\"a b\"].e", 500 },
        { "", ".contains(1)", 250 },
        { "", ".lessThan(1)", 250 },
        { "if true then false else ", "", 1_000 },
        { "if principal has n then false else ", "", 1_000 },
        { "if principal has n && principal.n == 1 then principal.n == 2 else ", "", 1_000 },
        { "true || ", "", 50_000 },
        { "principal has n && ", "", 20_000 },
        { "", " && (true || false)", 5_000 },
        { "(true && ", " && true) || false", 100 },
    };

    [Theory]
    [MemberData(nameof(Deep))]
    public void Everything_DeepestPolicy_FitsTheStack(string before, string behind, int times)
    {
        var text = $"permit(principal, action, resource) when {{ {string.Concat(Enumerable.Repeat(before, times))}true{string.Concat(Enumerable.Repeat(behind, times))} }};";
        OnSmallStack(() =>
        {
            Assert.True(PolicySet.TryParse(SourceText.Of(text), out var policies, out var faults), $"{faults.FirstOrDefault()}");
            Assert.True(PolicySet.TryParse(SourceText.Of(policies.Policies[0].ToString()), out _, out faults), $"{faults.FirstOrDefault()}");
            var json = policies.ToJson();
            Assert.True(PolicySet.TryParseJson(SourceText.Of(json), out var read, out faults), $"{faults.FirstOrDefault()}");
            Assert.Equal(json, read.ToJson());
            Assert.Equal(policies.Policies[0].ToString(), read.Policies[0].ToString());
            Assert.True(PolicyFormatter.TryFormat(SourceText.Of(text), out var formatted, out _));
            Assert.True(PolicySet.TryParse(SourceText.Of(formatted), out _, out faults), $"{faults.FirstOrDefault()}");
            var uid = new EntityUid("U", "x");
            var request = new Request(uid, new EntityUid("Action", "a"), uid, ValueRecord.Empty);
            Assert.Equal(Authorizer.IsAuthorized(policies, EntityStore.Empty, request).HasErrors, Authorizer.IsAuthorized(read, EntityStore.Empty, request).HasErrors);
            Explainer.Explain(policies.Policies[0], EntityStore.Empty, request);
            new Validator(Schema, new ValidationOptions { Level = 3 }).Validate(policies);
            Assert.True(new PartialAuthorizer(Schema).TryAuthorize(policies, null, new PartialRequest(new PartialUid("U", null), request.Action, new PartialUid("U", null), null), out var partial, out _));
            Assert.NotEmpty(partial.Policies[0].Residual);
        });
    }

    [Theory]
    [InlineData("(", ")", 100_000)]
    [InlineData("[", "]", 100_000)]
    [InlineData("!", "", 100_000)]
    [InlineData("if ", "", 100_000)]
    public void Parse_DeeperThanAllowed_RefusedWithItsPlace(string before, string behind, int times)
    {
        var text = $"permit(principal, action, resource) when {{ {string.Concat(Enumerable.Repeat(before, times))}true{string.Concat(Enumerable.Repeat(behind, times))} }};";
        OnSmallStack(() => Assert.False(PolicySet.TryParse(SourceText.Of(text), out _, out _)));
    }

    [Theory]
    [InlineData("""{"!": {"arg": """, "}}", 100_000)]
    [InlineData("""{"Set": [""", "]}", 100_000)]
    [InlineData("""{"Value": [""", "]}", 100_000)]
    [InlineData("""{"&&": {"right": {"Value": true}, "left": """, "}}", 2_000)]
    public void ParseJson_DeeperThanAllowed_RefusedOrFits(string before, string behind, int times)
    {
        var body = $$"""{{string.Concat(Enumerable.Repeat(before, times))}}{"Value": true}{{string.Concat(Enumerable.Repeat(behind, times))}}""";
        var json = $$"""{"staticPolicies": {"p": {"effect": "permit", "principal": {"op": "All"}, "action": {"op": "All"}, "resource": {"op": "All"}, "conditions": [{"kind": "when", "body": {{body}} }] } }, "templates": {}, "templateLinks": []}""";
        OnSmallStack(() => PolicySet.TryParseJson(SourceText.Of(json), out _, out _));
    }

    [Fact]
    public void Parse_LongChains_AreNotDeep()
    {
        var chain = string.Join(" && ", Enumerable.Range(0, 5_000).Select(i => string.Create(CultureInfo.InvariantCulture, $"{i} >= 0")));
        OnSmallStack(() =>
        {
            Assert.True(PolicySet.TryParse(SourceText.Of($"permit(principal, action, resource) when {{ {chain} }};"), out var policies, out _));
            Assert.Empty(new Validator(Schema).Validate(policies).Errors);
        });
    }

    private static void OnSmallStack(Action act)
    {
        Exception? thrown = null;
        var thread = new Thread(
            () =>
            {
                try
                {
                    act();
                }
                catch (Exception e)
                {
                    thrown = e;
                }
            },
            SmallestStackBytes);
        thread.Start();
        thread.Join();
        if (thrown is not null)
        {
            throw new InvalidOperationException(thrown.Message, thrown);
        }
    }

    private static Schema Parse(string text) =>
        Schema.TryParse(SourceText.Of(text), out var schema, out var faults) ? schema : throw new InvalidOperationException(faults[0].ToString());
}
