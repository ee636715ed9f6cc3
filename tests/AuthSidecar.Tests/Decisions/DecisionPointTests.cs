using System.Security.Cryptography;
using AuthSidecar.Cedar;
using AuthSidecar.Decisions;
using AuthSidecar.Mfa;
using AuthSidecar.Policies;
using AuthSidecar.Risk;
using AuthSidecar.Tests.Testing;
using AuthSidecar.Tokens;
using CsCheck;
using Decision = AuthSidecar.Policies.Decision;

namespace AuthSidecar.Tests.Decisions;

public sealed class DecisionPointTests : IDisposable
{
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);
    private static readonly EntityUid Alice = new("User", "alice");

    private readonly TestIssuer _issuer = new();
    private readonly TestBundle _bundle;
    private readonly TemporaryFolder _folder = new();
    private readonly TokenValidator _tokens = new(new VerifiedTokenCache(100), new DpopVerifier());
    private readonly MfaProofs _proofs;
    private readonly MfaAttemptStore _claims;
    private readonly DecisionPoint _decisions;

    public DecisionPointTests()
    {
        _bundle = new TestBundle(_issuer);
        _proofs = new MfaProofs(ECDsa.Create(ECCurve.NamedCurves.nistP256), _tokens, TimeSpan.FromMinutes(15));
        _claims = MfaAttemptStore.Open(_folder["claims"], new MfaAttemptLimits());
        _decisions = new DecisionPoint(_tokens, _proofs, new ActivityTracker(TimeProvider.System), _claims);
    }

    [Fact]
    public void Default_OfAnythingAboutAuthorization_Denies()
    {
        Assert.Equal(Decision.Deny, default);
        Assert.Equal(Decision.Deny, new CheckAnswer().Decision);
        Assert.Equal(Cedar.Decision.Deny, default);
        Assert.Equal(Effect.Forbid, default);
        Assert.False(default(TokenResult).IsValid);
        Assert.False(default(MfaResult).IsVerified);
        Assert.Equal(V1.Decision.Unspecified, default);
        Assert.Equal(V1.Decision.Unspecified, new V1.CheckPermissionResponse().Decision);
        Assert.False(new V1.ValidateTokenResponse().Valid);
        Assert.False(new V1.VerifyMfaResponse().Verified);
    }

    [Fact]
    public void Check_ForbidThatErrs_DeniesUnlessToldToSkipIt()
    {
        _bundle.DropSchema(_issuer);
        _bundle.Write("policies/erring.cedar", "@id(\"erring\") forbid (principal, action, resource) when { resource.nothing == 1 };");
        var strict = Check(_bundle.Build(), Read("plan"));
        Assert.Equal((Decision.Deny, DecisionReason.ForbidErred), (strict.Decision, strict.Reason));
        Assert.Equal("erring", Assert.Single(strict.PolicyErrors).Policy.Id);

        _bundle.WriteManifest(["policies", "entities.json"], _issuer, """, "strictForbid": false""");
        var lenient = Check(_bundle.Build(), Read("plan"));
        Assert.Equal(Decision.Allow, lenient.Decision);
        Assert.Equal("erring", Assert.Single(lenient.PolicyErrors).Policy.Id);
    }

    [Fact]
    public void Check_CompatOfTheBundle_IsWhatPoliciesBehaveAs()
    {
        _bundle.Write("policies/range.cedar", "@id(\"range\") forbid (principal, action, resource) when { ip(\"10.0.0.1\").isInRange(ip(\"::/0\"), ip(\"10.0.0.0/8\")) };");
        var latest = Check(_bundle.Build(), Read("plan"));
        Assert.Equal((Decision.Deny, DecisionReason.Forbidden), (latest.Decision, latest.Reason));

        // Its schema refuses what errs; without one it errs.
        _bundle.WriteManifest(["policies", "schema.cedarschema", "entities.json"], _issuer, ", \"compat\": \"4.13\"");
        Assert.Null(_bundle.TryBuild(out var faults));
        Assert.Contains("wrong number of arguments to `isInRange`: expected 1, got 2", faults[0].Message, StringComparison.Ordinal);
        _bundle.DropSchema(_issuer);
        _bundle.WriteManifest(["policies", "entities.json"], _issuer, ", \"compat\": \"4.13\"");
        var older = Check(_bundle.Build(), Read("plan"));
        Assert.Equal((Decision.Deny, DecisionReason.ForbidErred), (older.Decision, older.Reason));
    }

    public static TheoryData<string, string, string> Mismatches => new()
    {
        { "resource", "Deny", "`Action::\"read\"` does not apply to a resource of type `Dokument`, which the schema does not have, but to `Document`" },
        { "principal", "Deny", "`Action::\"read\"` does not apply to a principal of type `Usr`, which the schema does not have, but to `User`" },
        { "context", "Allow", "the context: attribute `foo` is not declared" },
        { "attribute", "Deny", "`Document::\"other\"`: attribute `tenant`: expected string, got long" },
        { "missing", "Deny", "`Document::\"other\"`: the attribute `tenant` is missing" },
        { "entity", "Allow", "`Thing::\"t\"`: unrecognized entity type `Thing`" },
        { "unknown", "Deny", "principal `User::\"nobody\"` not found" },
        { "none", "Allow", "" },
    };

    [Theory]
    [MemberData(nameof(Mismatches))]
    public void Check_RequestThatDoesNotConform_SaidOrDeniedAsConfigured(string what, string outcome, string detail)
    {
        var tenant = ValueRecord.Create([KeyValuePair.Create("tenant", Value.Of("acme"))]);
        var number = ValueRecord.Create([KeyValuePair.Create("tenant", Value.Of(3))]);
        var other = new EntityUid("Document", "other");
        var request = what switch
        {
            "resource" => Read("plan") with { Resource = new EntityUid("Dokument", "plan") },
            "principal" => Read("plan") with { Principal = new EntityUid("Usr", "alice") },
            "context" => Read("plan") with { Context = ValueRecord.Create([KeyValuePair.Create("foo", Value.Of(1))]) },
            "attribute" => Read("other") with { Entities = [new RequestEntity(other, number, [])] },
            "missing" => Read("other") with { Entities = [new RequestEntity(other, ValueRecord.Create([KeyValuePair.Create("confidential", Value.Of(true))]), [])] },
            "entity" => Read("plan") with { Entities = [new RequestEntity(new EntityUid("Thing", "t"), tenant, [])] },
            "unknown" => Read("plan") with { Principal = new EntityUid("User", "nobody") },
            // What the snapshot knows need not be said again.
            _ => Read("plan") with { Entities = [new RequestEntity(new EntityUid("Document", "plan"), ValueRecord.Create([KeyValuePair.Create("confidential", Value.Of(true))]), [])] },
        };
        var snapshot = _bundle.Build();
        var warned = Check(snapshot, request);
        Assert.Equal((outcome, detail), (warned.Decision.ToString(), warned.Detail ?? ""));
        Assert.Equal(what is not ("unknown" or "none"), warned.IsMismatch);
        var unsaid = With(RequestValidation.Off).Check(request, snapshot, Now);
        Assert.Equal((warned.Decision, warned.Reason, null, false), (unsaid.Decision, unsaid.Reason, unsaid.Detail, unsaid.IsMismatch));
        var rejected = With(RequestValidation.Reject).Check(request, snapshot, Now);
        Assert.Equal(warned.IsMismatch ? (Decision.Deny, DecisionReason.RequestInvalid) : (warned.Decision, warned.Reason), (rejected.Decision, rejected.Reason));
        Assert.Equal(warned.Detail, rejected.Detail);

        DecisionPoint With(RequestValidation validation) => new(_tokens, _proofs, new ActivityTracker(TimeProvider.System), _claims, validation);
    }

    [Fact]
    public void Check_PermitThatErrs_IsSkippedAndReported()
    {
        _bundle.DropSchema(_issuer);
        _bundle.Write("policies/erring.cedar", "@id(\"erring\") permit (principal, action, resource) when { resource.nothing == 1 };");
        var answer = Check(_bundle.Build(), Read("plan"));
        Assert.Equal(Decision.Allow, answer.Decision);
        Assert.Equal("the entity `Document::\"plan\"` has no attribute `nothing`", Assert.Single(answer.PolicyErrors).ToError().Message);
    }

    [Fact]
    public void Check_SeveralStepUps_AskedForOnlyWhereAllWouldBeLifted()
    {
        _bundle.Write("policies/more.cedar", """
            @id("hw") @step_up("hardware_key") forbid (principal, action == Action::"delete", resource);
            @id("never") forbid (principal, action == Action::"delete", resource == Document::"plan");
            """);
        var snapshot = _bundle.Build();
        var stepUp = Check(snapshot, Read("salaries") with { Action = new EntityUid("Action", "delete") });
        Assert.Equal(Decision.StepUp, stepUp.Decision);
        Assert.Equal(["confidential", "hw"], stepUp.DeterminingPolicies.Select(p => p.Id));
        Assert.Equal(Decision.Deny, Check(snapshot, Read("plan") with { Action = new EntityUid("Action", "delete") }).Decision);
    }

    [Fact]
    public void Check_ContextOfAToken_HasItsAuthentication()
    {
        _bundle.DropSchema(_issuer);
        _bundle.Write("policies/ctx.cedar", """
            @id("ctx")
            forbid (principal, action, resource)
            unless {
                context.token.iss == "https://issuer.test" && context.token.sub == "alice" &&
                context.token.aud == ["documents"] && context.token.scope.contains("read") &&
                context.token.acr == "silver" && context.token.amr == ["pwd"] &&
                context.token.exp == datetime("2027-01-15T08:15:00Z") &&
                context.token.auth_time == datetime("2027-01-15T07:50:00Z") &&
                context.now == datetime("2027-01-15T08:00:00Z") && !(context has risk)
            };
            """);
        var token = _issuer.Issue(Now, claims: c =>
        {
            c["scope"] = "read write";
            c["acr"] = "silver";
            c["amr"] = new[] { "pwd" };
            c["auth_time"] = Now.ToUnixTimeSeconds() - 600;
        });
        Assert.Equal(Decision.Allow, Check(_bundle.Build(), Read("plan") with { Principal = null, Token = new PresentedToken { Token = token } }).Decision);
    }

    [Fact]
    public void Check_ProofBesideAToken_AddsToItsMethods()
    {
        _bundle.DropSchema(_issuer);
        _bundle.Write("policies/ctx.cedar", """
            forbid (principal, action, resource)
            unless { context.token.amr == ["pwd", "otp", "mfa"] && context.token.acr == "mfa" && context.token.auth_time == context.now };
            """);
        var token = _issuer.Issue(Now, claims: c => { c["amr"] = new[] { "pwd" }; c["acr"] = "silver"; c["auth_time"] = Now.ToUnixTimeSeconds() - 600; });
        var request = Read("plan") with { Principal = null, Token = new PresentedToken { Token = token }, MfaProof = _proofs.Issue(Alice, "", Now).Proof };
        Assert.Equal(Decision.Allow, Check(_bundle.Build(), request).Decision);
    }

    [Fact]
    public void Check_RiskSignals_AreInTheContext()
    {
        _bundle.DropSchema(_issuer);
        _bundle.Write("policies/ctx.cedar", """forbid (principal, action, resource) unless { context.risk.score > 0 && context.risk.factors.device == 25 };""");
        var answer = Check(_bundle.Build(), Read("plan") with { RiskSignals = RiskSignals.None });
        Assert.Equal(Decision.Allow, answer.Decision);
        Assert.NotNull(answer.Risk);
    }

    /// <summary>What goes wrong, and what comes of it: a reason, or the exception that the call answers with INTERNAL.</summary>
    public static TheoryData<string, string> Faults => new()
    {
        { "a character of the token is another", nameof(DecisionReason.TokenRejected) },
        { "the token is cut off", nameof(DecisionReason.TokenRejected) },
        { "another audience is asked for", nameof(DecisionReason.TokenRejected) },
        { "a scope is asked for that the token lacks", nameof(DecisionReason.TokenRejected) },
        { "the token has expired", nameof(DecisionReason.TokenRejected) },
        { "the token is of the future", nameof(DecisionReason.TokenRejected) },
        { "the action is unknown", nameof(DecisionReason.ActionUnknown) },
        { "the resource is unknown", nameof(DecisionReason.Forbidden) },
        { "the resource is contradicted", nameof(DecisionReason.EntityConflict) },
        { "the principal is added to", nameof(DecisionReason.EntityConflict) },
        { "there are no issuers", nameof(DecisionReason.TokenRejected) },
        { "there are no entities", nameof(DecisionReason.Forbidden) },
        { "there are no policies", nameof(DecisionReason.NotPermitted) },
        { "the subject is revoked", nameof(DecisionReason.TokenRejected) },
        { "the context has the sidecar's own attribute", nameof(ArgumentException) },
        { "the entities are null", nameof(NullReferenceException) },
        { "the context is null", nameof(ArgumentNullException) },
        { "the resource is null", nameof(ArgumentNullException) },
        { "there is no subject", nameof(ArgumentNullException) },
        { "the snapshot is null", nameof(NullReferenceException) },
    };

    /// <summary>
    /// Whatever goes wrong, and wherever, is never an ALLOW. The request below is allowed as it stands; every fault that is thrown in must
    /// change that, be it into a denial or an exception.
    /// </summary>
    [Theory]
    [MemberData(nameof(Faults))]
    public void Check_AnyFaultAnywhere_NeverAllows(string fault, string expected)
    {
        var snapshot = _bundle.Build();
        var token = _issuer.Issue(Now).Reveal();
        var good = Read("plan") with { Principal = null, Token = new PresentedToken { Token = new Secret(token) } };
        Assert.Equal(Decision.Allow, Check(snapshot, good).Decision);
        Gen.Int[0, 10_000].Sample(n =>
        {
            var (request, data, now) = With(fault, n);
            string came;
            try
            {
                var answer = _decisions.Check(request, data, now);
                Assert.NotEqual(Decision.Allow, answer.Decision);
                came = answer.Reason.ToString();
            }
            catch (Exception e) when (e is not Xunit.Sdk.XunitException)
            {
                // The call turns it into INTERNAL.
                came = e.GetType().Name;
            }

            Assert.Equal(expected, came);
        });

        (CheckRequest Request, Snapshot Snapshot, DateTimeOffset Now) With(string what, int n) => what switch
        {
            "a character of the token is another" => (good with { Token = new PresentedToken { Token = new Secret(Spoil(token, n)) } }, snapshot, Now),
            "the token is cut off" => (good with { Token = new PresentedToken { Token = new Secret(token[..(n % token.Length)]) } }, snapshot, Now),
            "another audience is asked for" => (good with { Token = new PresentedToken { Token = new Secret(token), Audience = $"x{n}" } }, snapshot, Now),
            "a scope is asked for that the token lacks" => (good with { Token = new PresentedToken { Token = new Secret(token), RequiredScopes = [$"x{n}"] } }, snapshot, Now),
            "the token has expired" => (good, snapshot, Now.AddMinutes(16 + n)),
            "the token is of the future" => (good, snapshot, Now.AddSeconds(-6 - n)),
            "the action is unknown" => (good with { Action = new EntityUid("Action", $"x{n}") }, snapshot, Now),
            "the resource is unknown" => (good with { Resource = new EntityUid("Document", $"x{n}") }, snapshot, Now),
            "the resource is contradicted" => (good with { Entities = [new RequestEntity(new EntityUid("Document", "plan"), ValueRecord.Create([new("tenant", Value.Of($"x{n}"))]), [])] }, snapshot, Now),
            "the principal is added to" => (good with { Entities = [new RequestEntity(Alice, ValueRecord.Create([new($"x{n}", Value.True)]), [])] }, snapshot, Now),
            "there are no issuers" => (good, snapshot.With(IssuerData.Type, IssuerSet.Empty, default), Now),
            "there are no entities" => (good, snapshot.With(EntityData.Type, EntitySet.Empty, default), Now),
            "there are no policies" => (good, snapshot.With(PolicyData.Type, PolicyData.Type.Nothing), Now),
            "the subject is revoked" => (good, snapshot.With(RevocationData.Type, new Revocations([new(new(Revocations.Target.Subject, TestIssuer.Name, "alice"), new(Now.ToUnixTimeSeconds() + 1 + n))]), default), Now),
            "the context has the sidecar's own attribute" => (good with { Context = ValueRecord.Create([new("now", Value.Of(n))]) }, snapshot, Now),
            "the entities are null" => (good with { Entities = null! }, snapshot, Now),
            "the context is null" => (good with { Context = null! }, snapshot, Now),
            "the resource is null" => (good with { Resource = null! }, snapshot, Now),
            "there is no subject" => (good with { Token = null, Principal = null }, snapshot, Now),
            "the snapshot is null" => (good, null!, Now),
            _ => throw new ArgumentOutOfRangeException(nameof(what)),
        };
    }

    private static string Spoil(string token, int n)
    {
        var i = n % token.Length;
        return string.Concat(token.AsSpan(0, i), token[i] == 'A' ? "B" : "A", token.AsSpan(i + 1));
    }

    private CheckAnswer Check(Snapshot snapshot, CheckRequest request) => _decisions.Check(request, snapshot, Now);

    private static CheckRequest Read(string document) => new()
    {
        Principal = Alice,
        Action = new EntityUid("Action", "read"),
        Resource = new EntityUid("Document", document),
    };

    public void Dispose()
    {
        _claims.Dispose();
        _proofs.Dispose();
        _folder.Dispose();
        _bundle.Dispose();
        _issuer.Dispose();
    }
}
