namespace AuthSidecar.Cedar.Tests.Policies;

public sealed class AuthorizerTests
{
    private static readonly EntityUid Alice = new("User", "alice");
    private static readonly EntityUid Read = new("Action", "read");
    private static readonly EntityUid Plan = new("Document", "plan");

    private static readonly EntityStore Entities = Parse("""
        [{"uid": {"type": "User", "id": "alice"}, "attrs": {"level": 3}, "parents": [{"type": "Group", "id": "a"}], "tags": {"color": "red"}},
         {"uid": {"type": "Group", "id": "a"}, "attrs": {}, "parents": [{"type": "Group", "id": "b"}]},
         {"uid": {"type": "Document", "id": "plan"}, "attrs": {"owner": {"__entity": {"type": "User", "id": "alice"}}}, "parents": []}]
        """);

    [Fact]
    public void IsAuthorized_NoPolicies_Denies()
    {
        var response = Authorizer.IsAuthorized(PolicySet.Empty, EntityStore.Empty, Request());
        Assert.Equal(Decision.Deny, response.Decision);
        Assert.Empty(response.Reasons);
    }

    [Fact]
    public void Response_Default_Denies()
    {
        Assert.Equal(Decision.Deny, default(Response).Decision);
        Assert.Empty(default(Response).Reasons);
        Assert.Empty(default(Response).Errors);
    }

    [Fact]
    public void IsAuthorized_ManySatisfiedAndErring_AllAreTold()
    {
        var response = Decide(string.Concat(Enumerable.Range(0, 100).Select(i => i % 3 == 0 ? "permit(principal, action, resource);" : i % 3 == 1 ? "forbid(principal, action, resource);" : "permit(principal, action, resource) when { 1 };")));
        Assert.Equal(Enumerable.Range(0, 100).Where(i => i % 3 == 0).Select(i => $"policy{i}"), response.SatisfiedPermits.Select(p => p.Id));
        Assert.Equal(Enumerable.Range(0, 100).Where(i => i % 3 == 1).Select(i => $"policy{i}"), response.SatisfiedForbids.Select(p => p.Id));
        Assert.Equal(Enumerable.Range(0, 100).Where(i => i % 3 == 2).Select(i => $"policy{i}"), response.Errors.Select(e => e.Policy.Id));
    }

    [Fact]
    public void IsAuthorized_OnceWarm_AllocatesNothing()
    {
        Assert.True(PolicySet.TryParse(
            SourceText.Of("""
                permit(principal in Group::"b", action in [Action::"read", Action::"write"], resource is Document) when { resource.owner == principal && principal.level > 2 };
                permit(principal, action, resource) when { context has ip && context.ip.isInRange(ip("10.0.0.0/8")) };
                forbid(principal, action, resource) when { principal.hasTag("color") && principal.getTag("color") like "gr*" };
                forbid(principal, action, resource) when { principal.missing == 1 };
                permit(principal, action, resource) when { [1, 2, 3].contains(principal.level) && ["read"].containsAny(["read"]) };
                """),
            out var policies,
            out _));
        var request = Request();
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(Decision.Allow, Authorizer.IsAuthorized(policies, Entities, request).Decision);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1_000; i++)
        {
            Authorizer.IsAuthorized(policies, Entities, request);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void IsAuthorized_MorePoliciesSatisfiedThanThereIsRoomFor_AllocatesNothingAndNamesThemAll()
    {
        Assert.True(PolicySet.TryParse(
            SourceText.Of(string.Concat(Enumerable.Repeat("permit(principal, action, resource); forbid(principal, action, resource); permit(principal, action, resource) when { principal.missing };\n", 100))),
            out var policies,
            out _));
        var request = Request();
        var response = Authorizer.IsAuthorized(policies, Entities, request);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1_000; i++)
        {
            response = Authorizer.IsAuthorized(policies, Entities, request);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(Decision.Deny, response.Decision);
        Assert.Equal(Enumerable.Range(0, 100).Select(i => $"policy{i * 3}"), response.SatisfiedPermits.Select(p => p.Id));
        Assert.Equal(Enumerable.Range(0, 100).Select(i => $"policy{(i * 3) + 1}"), response.Reasons.Select(p => p.Id));
        Assert.Equal(Enumerable.Range(0, 100).Select(i => $"policy{(i * 3) + 2}"), response.Errors.Select(e => e.Policy.Id));
    }

    [Fact]
    public void IsAuthorized_PermitAndForbid_ForbidDeterminesAndThePermitIsKnown()
    {
        var response = Decide("permit(principal, action, resource); forbid(principal, action, resource) when { principal.level == 3 };");
        Assert.Equal(Decision.Deny, response.Decision);
        Assert.Equal(["policy1"], response.Reasons.Select(p => p.Id));
        Assert.Equal(["policy0"], response.SatisfiedPermits.Select(p => p.Id));
    }

    [Fact]
    public void IsAuthorized_ErringPolicies_SkippedAndReportedWithTheirPlace()
    {
        var response = Decide("permit(principal, action, resource);\nforbid(principal, action, resource) when { principal.x == 1 };\npermit(principal, action, resource) when { 1 };");
        Assert.Equal(Decision.Allow, response.Decision);
        Assert.Equal(["policy1", "policy2"], response.Errors.Select(e => e.Policy.Id));
        Assert.Equal("the entity `User::\"alice\"` has no attribute `x`", response.Errors[0].ToError().Message);
        Assert.Equal((2, 44), response.Errors[0].Policy.Source.PositionOf(response.Errors[0].ToError().Span.Start));
        Assert.Equal(EvaluationErrorKind.TypeError, response.Errors[1].Kind);
    }

    [Theory]
    [InlineData("principal in Group::\"b\"", true)]
    [InlineData("principal in [Group::\"z\", Group::\"b\"]", true)]
    [InlineData("principal in principal", true)]
    [InlineData("User::\"ghost\" in User::\"ghost\"", true)]
    [InlineData("Group::\"b\" in principal", false)]
    [InlineData("principal is User in Group::\"a\"", true)]
    [InlineData("principal is Users", false)]
    [InlineData("resource.owner == principal", true)]
    [InlineData("resource.owner.level > 2", true)]
    [InlineData("resource has owner.level && !(resource has owner.missing.deeper)", true)]
    [InlineData("User::\"ghost\" has level", false)]
    [InlineData("principal.hasTag(\"color\") && principal.getTag(\"color\") == \"red\"", true)]
    [InlineData("User::\"ghost\".hasTag(\"color\")", false)]
    [InlineData("[1, 2, 2, [1]] == [[1], 2, 1]", true)]
    [InlineData("{a: 1, \"b\": 2} == {b: 2, a: 1}", true)]
    [InlineData("1 == \"1\" || decimal(\"1.5\") == decimal(\"1.50\")", true)]
    [InlineData("ip(\"1.2.3.4\") == ip(\"1.2.3.4/32\")", true)]
    [InlineData("[1, [2]].containsAll([[2]]) && [1].containsAny([2, 1]) && [].isEmpty()", true)]
    [InlineData("\"a*b\" like \"a\\**\" && \"\" like \"*\" && !(\"ab\" like \"a\")", true)]
    [InlineData("\"aXbXc\" like \"a*X*c\" && !(\"ac\" like \"a*c*c\")", true)]
    [InlineData("datetime(\"2024-01-01\").durationSince(datetime(\"2023-12-31\")) == duration(\"24h\")", true)]
    [InlineData("false && 1", false)]
    [InlineData("true || 1", true)]
    [InlineData("if true then true else 1", true)]
    public void IsAuthorized_Expression_HasItsValue(string expression, bool expected)
    {
        var response = Decide($"permit(principal, action, resource) when {{ {expression} }};");
        Assert.Empty(response.Errors.Select(e => e.ToError().Message));
        Assert.Equal(expected ? Decision.Allow : Decision.Deny, response.Decision);
    }

    [Theory]
    [InlineData("9223372036854775807 + 1 == 0", "the result of `+` does not fit into 64 bits")]
    [InlineData("-9223372036854775808 - 1 == 0", "the result of `-` does not fit into 64 bits")]
    [InlineData("4611686018427387904 * 2 == 0", "the result of `*` does not fit into 64 bits")]
    [InlineData("-(-9223372036854775808) == 0", "the result of `-` does not fit into 64 bits")]
    [InlineData("true && 1", "expected bool, got long")]
    [InlineData("1 < \"a\"", "expected long, got string")]
    [InlineData("decimal(\"1.0\") < decimal(\"2.0\")", "expected long, datetime or duration, got decimal")]
    [InlineData("principal in 1", "expected entity or set of entities, got long")]
    [InlineData("principal in [Group::\"a\", 1]", "expected entity, got long")]
    [InlineData("1 in Group::\"a\"", "expected entity, got long")]
    [InlineData("User::\"ghost\".level == 1", "the entity `User::\"ghost\"` does not exist")]
    [InlineData("principal.getTag(\"shape\") == 1", "the entity `User::\"alice\"` has no tag `shape`")]
    [InlineData("{a: 1}.b == 1", "the record has no attribute `b`")]
    [InlineData("ip(\"1.2.3\").isIpv4()", "`1.2.3` is not an IP address or CIDR range")]
    [InlineData("ip() == 1", "`ip` was called with 0 arguments")]
    [InlineData("ip(\"1.1.1.1\", 1) == 1", "`ip` was called with 2 arguments")]
    [InlineData("1 has a", "expected entity or record, got long")]
    [InlineData("1 like \"a\"", "expected string, got long")]
    [InlineData("1.contains(1)", "expected set, got long")]
    public void IsAuthorized_ExpressionWithoutAValue_Errs(string expression, string message)
    {
        var response = Decide($"permit(principal, action, resource) when {{ {expression} }};");
        Assert.Equal(message, Assert.Single(response.Errors).ToError().Message);
        Assert.Equal(Decision.Deny, response.Decision);
    }

    [Fact]
    public void Link_Template_IsAPolicyOfItsOwn()
    {
        var builder = new PolicySetBuilder();
        builder.Add(SourceText.Of("permit(principal in ?principal, action, resource == ?resource) when { principal.level == 3 };"), (_, _) => "template");
        builder.Link("template", "link", new EntityUid("Group", "b"), Plan);
        Assert.True(builder.TryBuild(out var policies, out _));
        var response = Authorizer.IsAuthorized(policies, Entities, Request());
        Assert.Equal(Decision.Allow, response.Decision);
        Assert.Equal(("link", "template"), (response.Reasons[0].Id, response.Reasons[0].TemplateId));
        Assert.Single(policies.Templates);
    }

    [Fact]
    public void TryBuild_LinksThatDoNotFit_EachReported()
    {
        var builder = new PolicySetBuilder();
        builder.Add(SourceText.Of("permit(principal == ?principal, action, resource);"), (_, _) => "template");
        builder.Link("none", "a", null, null);
        builder.Link("template", "b", null, null);
        builder.Link("template", "c", Alice, Plan);
        builder.Link("template", "template", Alice, null);
        builder.Link("template", "d", Alice, null);
        builder.Link("template", "d", Alice, null);
        Assert.False(builder.TryBuild(out _, out var faults));
        Assert.Equal(5, faults.Count);
    }

    [Fact]
    public void IsAuthorized_OneDecision_AllocatesForItsAnswerAlone()
    {
        Assert.True(PolicySet.TryParse(SourceText.Of(string.Concat(Enumerable.Repeat(
            "permit(principal in Group::\"b\", action, resource) when { resource.owner == principal && principal.level > 5 && context.ip.isInRange(ip(\"10.0.0.0/8\")) };", 100))), out var policies, out _));
        Assert.True(IpRange.TryParse("10.1.1.1", out var ip));
        var request = new Request(Alice, Read, Plan, ValueRecord.Create([new("ip", Value.Of(ip))]));
        Authorizer.IsAuthorized(policies, Entities, request);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Authorizer.IsAuthorized(policies, Entities, request);
        // The answer itself; nothing that grows with the policies.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 64);
    }

    [Fact]
    public void Default_OfDecisionEffectAndTruth_DeniesAndErrs()
    {
        Assert.Equal(Decision.Deny, default);
        Assert.Equal(Effect.Forbid, default);
        Assert.Equal(ConditionResult.Error, default);
        Assert.True(default(Value).IsNone);
        Assert.False(default(Value).IsTrue);
    }

    private static Response Decide(string text)
    {
        Assert.True(PolicySet.TryParse(SourceText.Of(text), out var policies, out var faults), string.Join('\n', faults));
        return Authorizer.IsAuthorized(policies, Entities, Request());
    }

    private static Request Request() => new(Alice, Read, Plan, ValueRecord.Empty);

    private static EntityStore Parse(string json) =>
        EntityStore.TryParse(SourceText.Of(json), out var store, out var faults) ? store : throw new InvalidOperationException(faults[0].ToString());
}
