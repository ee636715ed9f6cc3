using AuthSidecar.Cedar.Tests.Evaluation;
using CsCheck;

namespace AuthSidecar.Cedar.Tests.Explanations;

public sealed class ExplainerTests
{
    private static readonly EntityStore Entities = EntityStore.TryParse(
        SourceText.Of("""
            [{"uid": {"type": "User", "id": "alice"}, "attrs": {"age": 17}, "parents": [{"type": "Group", "id": "readers"}]},
             {"uid": {"type": "Doc", "id": "d"}, "attrs": {"owner": {"__entity": {"type": "User", "id": "bob"}}}, "parents": []}]
            """),
        out var store,
        out _) ? store : EntityStore.Empty;

    private static readonly Request Request = new(
        new EntityUid("User", "alice"), new EntityUid("Action", "read"), new EntityUid("Doc", "d"), ValueRecord.Create([new("mfa", Value.False)]));

    [Theory]
    [InlineData("when { context.mfa }", "`context.mfa` were true")]
    [InlineData("when { !context.mfa } unless { !context.mfa }", "`context.mfa` were true")]
    [InlineData("when { resource.owner == principal }", "`resource.owner` were `User::\"alice\"`")]
    [InlineData("when { User::\"bob\" != resource.owner }", "`resource.owner` were other than `User::\"bob\"`")]
    [InlineData("when { principal in Group::\"writers\" }", "`principal` were in `Group::\"writers\"`")]
    [InlineData("unless { principal in [Group::\"readers\"] }", "`principal` were outside of `[Group::\"readers\"]`")]
    [InlineData("when { principal.age > 17 }", "`principal.age > 17` were true")]
    [InlineData("when { resource has label && resource.label == \"x\" }", "`resource` had an attribute `label` and `resource.label` were `\"x\"`")]
    [InlineData("when { resource.label == \"x\" }", "`resource.label` were `\"x\"`")]
    [InlineData("when { context.mfa || principal.age > 17 } when { principal is Admin }", "(`context.mfa` were true, or `principal.age > 17` were true) and `principal` were a `Admin`")]
    [InlineData("when { if principal.age < 18 then context.mfa else true }", "`context.mfa` were true")]
    [InlineData("when { principal.hasTag(\"x\") }", "`principal` had a tag `\"x\"`")]
    [InlineData("when { false }", null)]
    [InlineData("when { context.mfa && 1 == 2 }", null)]
    public void Explain_PermitThatFails_TellsWhatWouldMakeItApply(string conditions, string? remedy)
    {
        var trace = Explain($"permit(principal, action, resource) {conditions};");
        Assert.NotEqual(PolicyOutcome.Satisfied, trace.Outcome);
        Assert.Equal(remedy, trace.Remedy);
    }

    [Fact]
    public void Explain_ScopeOfOthers_TellsWhichTestFailsAndWhy()
    {
        var trace = Explain("permit(principal in Group::\"writers\", action == Action::\"read\", resource is Doc) when { context.mfa };");
        Assert.Equal(PolicyOutcome.ScopeDoesNotMatch, trace.Outcome);
        Assert.Equal([("principal in Group::\"writers\"", false), ("action == Action::\"read\"", true), ("resource is Doc", true)], trace.Scope.Select(s => (s.Text, s.Holds)));
        Assert.Empty(trace.Conditions);
        Assert.Equal("`principal` were in `Group::\"writers\"` and `context.mfa` were true", trace.Remedy);
    }

    [Fact]
    public void Explain_SatisfiedForbid_TellsItsValuesAndWhatWouldLiftIt()
    {
        var trace = Explain("forbid(principal, action, resource) when { principal.age < 18 } unless { context.mfa };");
        Assert.Equal(PolicyOutcome.Satisfied, trace.Outcome);
        Assert.Equal(["when { principal.age < 18 }", "unless { context.mfa }"], trace.Conditions.Select(c => c.Text));
        Assert.All(trace.Conditions, c => Assert.True(c.Holds));
        Assert.Equal([("principal.age", Value.Of(17))], trace.Conditions[0].Operands.Select(o => (o.Text, o.Value)));
        Assert.Equal("`principal.age < 18` were false, or `context.mfa` were true", trace.Remedy);
    }

    [Fact]
    public void Explain_Error_TellsWhereAndWhy()
    {
        var trace = Explain("permit(principal, action, resource)\nwhen { true }\nwhen { resource.label like \"x*\" };");
        Assert.Equal(PolicyOutcome.Error, trace.Outcome);
        Assert.Equal("the entity `Doc::\"d\"` has no attribute `label`", trace.Error!.Message);
        Assert.Equal("when { resource.label like \"x*\" }", trace.Policy.Source[trace.Condition!.Value]);
        Assert.Equal(2, trace.Conditions.Count);
        Assert.Equal("the entity `Doc::\"d\"` has no attribute `label`", Assert.Single(trace.Conditions[1].Operands).Error!.Message);
    }

    /// <summary>Whatever the conditions: the outcome is the one that decides, and a condition counts as it comes out.</summary>
    [Fact]
    public void Explain_AnyConditions_AgreesWithTheDecision() => Gen.Select(OracleTests.Expression, OracleTests.Expression).Sample(
        (when, unless) =>
        {
            Assert.True(PolicySet.TryParse(SourceText.Of($"permit(principal, action, resource) when {{ {when} }} unless {{ {unless} }};"), out var policies, out _));
            var response = Authorizer.IsAuthorized(policies, Entities, Request);
            var trace = Explainer.Explain(policies.Policies[0], Entities, Request);
            Assert.Equal(response.HasSatisfiedPermit, trace.Outcome == PolicyOutcome.Satisfied);
            Assert.Equal(response.HasErrors, trace.Outcome == PolicyOutcome.Error);
            Assert.Equal(response.HasErrors ? response.Errors[0].Kind : null, trace.Error?.Kind);
            Assert.Equal(trace.Outcome == PolicyOutcome.Satisfied, trace.Conditions.All(c => c.Holds));
        },
        iter: Iterations.Of(20_000));

    private static PolicyTrace Explain(string policy)
    {
        Assert.True(PolicySet.TryParse(SourceText.Of(policy), out var policies, out var faults), faults.FirstOrDefault()?.ToString());
        return Explainer.Explain(policies.Policies[0], Entities, Request);
    }
}
