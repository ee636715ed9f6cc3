namespace AuthSidecar.Cedar.Tests.Policies;

/// <summary>What differs between the releases of Cedar, and that everything else that reads policies follows the release they were read as.</summary>
public sealed class CedarReleaseTests
{
    private static readonly Request Request = new(new EntityUid("U", "a"), new EntityUid("Action", "x"), new EntityUid("U", "a"), ValueRecord.Create([new("ip", Value.Of(Ip("10.1.2.3")))]));

    private static readonly Schema Schema = ParseSchema("entity U; entity V; action x appliesTo { principal: U, resource: U, context: { ip: ipaddr } };");

    [Theory]
    [InlineData("4.12", CedarRelease.V4_12)]
    [InlineData("4.13", CedarRelease.V4_13)]
    [InlineData("4.14", CedarRelease.V4_13)]
    [InlineData("4.15", CedarRelease.V4_15)]
    [InlineData("4.11", null)]
    [InlineData("4.13.0", null)]
    [InlineData(" 4.13", null)]
    [InlineData("4", null)]
    [InlineData("", null)]
    [InlineData(null, null)]
    public void TryParse_NameOfARelease_FoundOrNot(string? name, CedarRelease? expected) =>
        Assert.Equal(expected, CedarReleases.TryParse(name, out var release) ? release : null);

    [Fact]
    public void Names_LastIsTheLatest()
    {
        Assert.True(CedarReleases.TryParse(CedarReleases.Names[^1], out var last));
        Assert.True(last == CedarReleases.Latest);
        Assert.True(Enum.GetValues<CedarRelease>().Max() == CedarReleases.Latest);
    }

    [Theory]
    [InlineData("context.ip.isInRange(ip(\"10.0.0.0/8\"), ip(\"192.168.0.0/16\"))", "Satisfied")]
    [InlineData("context.ip.isInRange(ip(\"192.168.0.0/16\"), ip(\"10.0.0.0/8\"))", "Satisfied")]
    [InlineData("context.ip.isInRange(ip(\"192.168.0.0/16\"), ip(\"::/0\"), ip(\"10.0.0.0/8\"),)", "Satisfied")]
    [InlineData("context.ip.isInRange(ip(\"192.168.0.0/16\"), ip(\"::/0\"), ip(\"172.16.0.0/12\"))", "ConditionDoesNotHold")]
    [InlineData("ip(\"10.1.2.3\").isInRange(ip(\"192.168.0.0/16\"), ip(\"10.0.0.0/8\"))", "Satisfied")]
    [InlineData("context.ip.isInRange(ip(\"10.0.0.0/8\"), ip(\"x\"))", "Error")]
    [InlineData("context.ip.isInRange(ip(\"10.0.0.0/8\"), context.missing)", "Error")]
    [InlineData("\"10.1.2.3\".isInRange(ip(\"10.0.0.0/8\"), ip(\"11.0.0.0/8\"))", "Error")]
    public void IsInRange_SeveralRanges_AnyOfThemFrom4_15OnAndAnErrorBefore(string condition, string expected)
    {
        foreach (var name in CedarReleases.Names)
        {
            var outcome = Outcome(condition, name);
            Assert.Equal(ReleaseOf(name) >= CedarRelease.V4_15 ? expected : "Error", outcome);
        }
    }

    [Theory]
    [InlineData("context.ip.isInRange(ip(\"10.0.0.0/8\"))", "Satisfied")]
    [InlineData("context.ip.isInRange(ip(\"11.0.0.0/8\"))", "ConditionDoesNotHold")]
    [InlineData("context.ip.isInRange(\"10.0.0.0/8\")", "Error")]
    [InlineData("decimal(\"1.0\").lessThan(decimal(\"2.0\"), decimal(\"3.0\"))", "Error")]
    [InlineData("context.ip.isIpv4(context.ip)", "Error")]
    public void Functions_OtherwiseInAllReleasesTheSame(string condition, string expected) =>
        Assert.All(CedarReleases.Names, name => Assert.Equal(expected, Outcome(condition, name)));

    [Fact]
    public void IsInRange_SeveralRanges_DoesNotAllocate()
    {
        var policies = Policies("permit(principal, action, resource) when { context.ip.isInRange(ip(\"192.168.0.0/16\"), ip(\"::/0\"), ip(\"10.0.0.0/8\")) };", "4.15");
        Assert.Equal(Decision.Allow, Authorizer.IsAuthorized(policies, EntityStore.Empty, Request).Decision);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            Authorizer.IsAuthorized(policies, EntityStore.Empty, Request);
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1000 * AllocatedBySimplest());
    }

    [Theory]
    [InlineData("context.ip.isInRange(ip(\"10.0.0.0/8\"), ip(\"11.0.0.0/8\"))", "", "WrongNumberArguments")]
    [InlineData("context.ip.isInRange(ip(\"10.0.0.0/8\"), \"11.0.0.0/8\")", "UnexpectedType", "WrongNumberArguments")]
    [InlineData("context.ip.isInRange(ip(\"10.0.0.0/8\"), ip(\"11.0.0.0/8\"), [ip(\"12.0.0.0/8\")])", "UnexpectedType", "WrongNumberArguments")]
    [InlineData("context.ip.isInRange(ip(\"10.0.0.0/8\"), ip(\"x\"))", "FunctionArgumentValidation", "FunctionArgumentValidation WrongNumberArguments")]
    [InlineData("context.ip.isInRange(ip(\"10.0.0.0/8\"))", "", "")]
    public void Validate_IsInRange_ByRelease(string condition, string from4_15, string before)
    {
        foreach (var name in CedarReleases.Names)
        {
            var kinds = new Validator(Schema).Validate(Policies($"permit(principal, action, resource) when {{ {condition} }};", name)).Errors.Select(e => e.Kind.ToString()).Order(StringComparer.Ordinal);
            Assert.Equal(ReleaseOf(name) >= CedarRelease.V4_15 ? from4_15 : before, string.Join(' ', kinds));
        }
    }

    [Fact]
    public void Validate_ScopeThatFitsNoAction_ErrorIn4_12AndWarningAfter()
    {
        foreach (var name in CedarReleases.Names)
        {
            var result = new Validator(Schema).Validate(Policies("permit(principal is V, action, resource);", name));
            Assert.Equal(name == "4.12", result.Errors.Any(e => e.Kind == ValidationKind.InvalidActionApplication));
            Assert.Equal(name != "4.12", result.Warnings.Any(e => e.Kind == ValidationKind.InvalidActionApplication));
        }
    }

    [Fact]
    public void Json_SeveralRanges_WrittenReadAndPrintedTheSame()
    {
        const string Text = "permit(principal, action, resource) when { context.ip.isInRange(ip(\"10.0.0.0/8\"), ip(\"11.0.0.0/8\"), context.ip) };";
        foreach (var name in CedarReleases.Names)
        {
            var policies = Policies(Text, name);
            var json = policies.ToJson();
            Assert.Contains("\"isInRange\":[", json, StringComparison.Ordinal);
            Assert.True(PolicySet.TryParseJson(SourceText.Of(json), out var again, out _, ReleaseOf(name)));
            Assert.Equal(policies.Policies[0].ToString(), again.Policies[0].ToString());
            Assert.Equal(ReleaseOf(name), again.Release);
            Assert.Equal(
                ReleaseOf(name) >= CedarRelease.V4_15 ? PolicyOutcome.Satisfied : PolicyOutcome.Error,
                Explainer.Explain(again.Policies[0], EntityStore.Empty, Request).Outcome);
        }
    }

    [Fact]
    public void Data_CallsThatNotAllReleasesTake_AreRefused()
    {
        const string Ip = """{"__extn": {"fn": "ip", "arg": "10.0.0.1"}}""";
        Assert.True(ValueRecord.TryParse(SourceText.Of("{\"x\": {\"__extn\": {\"fn\": \"isInRange\", \"args\": [" + Ip + ", " + Ip + "]}}}"), null, out _, out _));
        Assert.False(ValueRecord.TryParse(SourceText.Of("{\"x\": {\"__extn\": {\"fn\": \"isInRange\", \"args\": [" + Ip + ", " + Ip + ", " + Ip + "]}}}"), null, out _, out var faults));
        Assert.Contains("`isInRange` takes ipaddr and ipaddr", faults[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Partial_RangesOfAnUnknownContext_StayInTheResidual()
    {
        var policies = Policies("permit(principal, action, resource) when { context.ip.isInRange(ip(\"10.0.0.0/8\"), ip(\"11.0.0.0/8\")) };", "4.15");
        var request = new PartialRequest(new PartialUid("U", null), new EntityUid("Action", "x"), new PartialUid("U", null), Context: null);
        Assert.True(new PartialAuthorizer(Schema).TryAuthorize(policies, entities: null, request, out var response, out _));
        var residual = Assert.Single(response.Policies);
        Assert.Equal(PartialClass.Residual, residual.Class);
        Assert.Equal("context.ip.isInRange(ip(\"10.0.0.0/8\"), ip(\"11.0.0.0/8\"))", residual.Residual);
    }

    private static long AllocatedBySimplest()
    {
        var policies = Policies("permit(principal, action, resource) when { context.ip.isInRange(ip(\"10.0.0.0/8\")) };", "4.15");
        Authorizer.IsAuthorized(policies, EntityStore.Empty, Request);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Authorizer.IsAuthorized(policies, EntityStore.Empty, Request);
        return GC.GetAllocatedBytesForCurrentThread() - before;
    }

    private static string Outcome(string condition, string release)
    {
        var policies = Policies($"permit(principal, action, resource) when {{ {condition} }};", release);
        var explained = Explainer.Explain(policies.Policies[0], EntityStore.Empty, Request).Outcome.ToString();
        var response = Authorizer.IsAuthorized(policies, EntityStore.Empty, Request);
        var decided = !response.Errors.IsEmpty ? "Error" : response.Decision == Decision.Allow ? "Satisfied" : "ConditionDoesNotHold";
        Assert.Equal(explained, decided);
        return decided;
    }

    private static CedarRelease ReleaseOf(string name) => CedarReleases.TryParse(name, out var release) ? release : throw new InvalidOperationException(name);

    private static PolicySet Policies(string text, string release) =>
        PolicySet.TryParse(SourceText.Of(text), out var policies, out var faults, ReleaseOf(release)) ? policies : throw new InvalidOperationException(faults[0].ToString());

    private static Schema ParseSchema(string text) => Schema.TryParse(SourceText.Of(text), out var schema, out var faults) ? schema : throw new InvalidOperationException(faults[0].ToString());

    private static IpRange Ip(string text) => IpRange.TryParse(text, out var ip) ? ip : throw new InvalidOperationException(text);
}
