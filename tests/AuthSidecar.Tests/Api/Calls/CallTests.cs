using System.Text;
using AuthSidecar.Tests.Testing;
using AuthSidecar.V1;
using Google.Rpc;
using Grpc.Core;
using Microsoft.Extensions.DependencyInjection;

namespace AuthSidecar.Tests.Api.Calls;

/// <summary>The four calls over a real socket: what well-formed requests are answered, and what the others are told.</summary>
public sealed class CallTests : IAsyncLifetime
{
    private readonly TestIssuer _issuer = new();
    private TestBundle _bundle = null!;
    private TestSidecar _sidecar = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static DateTimeOffset Now => TimeProvider.System.GetUtcNow();

    public async ValueTask InitializeAsync()
    {
        _bundle = new TestBundle(_issuer);
        var key = new FactorKey(new Cedar.EntityUid("User", "alice"), "totp");
        _bundle.Add(_issuer, (FactorsFile.FileName, $$"""
            {"factors": [{"subject": "User::\"alice\"", "id": "totp", "totpSecret": "{{Convert.ToBase64String(WrappedSecret.Wrap(TotpSecret, key, TestBundle.WrappingKey).Bytes)}}"}]}
            """));
        _sidecar = await TestSidecar.StartAsync(_bundle);
        await _sidecar.WaitForRevisionAfterAsync(0);
    }

    private static readonly byte[] TotpSecret = Encoding.ASCII.GetBytes("12345678901234567890");

    // ------------------------------------------------------------------ answers

    [Fact]
    public async Task ValidateToken_GoodToken_ValidWithItsClaims()
    {
        var token = _issuer.Issue(Now, claims: c => { c["scope"] = "read write"; c["sid"] = "s1"; c["jti"] = "j1"; c["tier"] = 3; });
        var response = await _sidecar.Client.ValidateTokenAsync(new ValidateTokenRequest { Token = token.Reveal(), RequiredScopes = { "read" } }, cancellationToken: Cancellation);
        Assert.True(response.Valid);
        Assert.Equal(("alice", TestIssuer.Name, "s1", "j1", TokenKind.Access), (response.Subject, response.Issuer, response.SessionId, response.TokenId, response.Kind));
        Assert.Equal(["read", "write"], response.Scopes);
        Assert.Equal(3, response.Claims.Fields["tier"].NumberValue);
        Assert.StartsWith("folder.", response.Freshness.Keys.Revision, StringComparison.Ordinal);
        Assert.InRange(response.Freshness.Revocations.AgeMs, 0UL, 5_000UL);
    }

    [Theory]
    [InlineData("", TokenRejection.Missing)]
    [InlineData("a.b.c", TokenRejection.Malformed)]
    public async Task ValidateToken_NoToken_NotValidAndNothingElseSaid(string token, TokenRejection reason)
    {
        var response = await _sidecar.Client.ValidateTokenAsync(new ValidateTokenRequest { Token = token }, cancellationToken: Cancellation);
        Assert.False(response.Valid);
        Assert.Equal(reason, response.Reason);
        Assert.Equal(new ValidateTokenResponse { Reason = reason, Freshness = response.Freshness }, response);
    }

    [Fact]
    public async Task ValidateToken_OversizeToken_NotValid()
    {
        var response = await _sidecar.Client.ValidateTokenAsync(new ValidateTokenRequest { Token = new string('a', 16_385) }, cancellationToken: Cancellation);
        Assert.Equal(TokenRejection.TooLarge, response.Reason);
    }

    [Fact]
    public async Task ValidateToken_ScopeItLacks_NotValid()
    {
        var request = new ValidateTokenRequest { Token = _issuer.Issue(Now).Reveal(), RequiredScopes = { "read" } };
        var response = await _sidecar.Client.ValidateTokenAsync(request, cancellationToken: Cancellation);
        Assert.Equal((false, TokenRejection.ScopeMissing, "read"), (response.Valid, response.Reason, response.Detail));
    }

    [Fact]
    public async Task CheckPermission_OwnDocument_AllowedWithReasonsAndRevisions()
    {
        var response = await CheckAsync("update", "plan");
        Assert.Equal((Decision.Allow, DecisionReason.Permitted), (response.Decision, response.Reason));
        Assert.Equal(["rbac.user"], response.DeterminingPolicies.Select(p => p.PolicyId));
        Assert.Equal("rbac.user", response.DeterminingPolicies[0].Annotations["id"]);
        Assert.Equal(7, Guid.Parse(response.DecisionId).Version);
        Assert.StartsWith("folder.", response.Freshness.Policies.Revision, StringComparison.Ordinal);
        Assert.Null(response.Freshness.Keys);
        Assert.Empty(response.Explanation);
    }

    [Fact]
    public async Task CheckPermission_WithAToken_PrincipalIsItsSubject()
    {
        var request = Request("update", "plan");
        request.Token = _issuer.Issue(Now).Reveal();
        var response = await _sidecar.Client.CheckPermissionAsync(request, cancellationToken: Cancellation);
        Assert.Equal(Decision.Allow, response.Decision);
        Assert.StartsWith("folder.", response.Freshness.Keys.Revision, StringComparison.Ordinal);

        request.Token = _issuer.Issue(Now, "mallory").Reveal();
        Assert.Equal(Decision.Deny, (await _sidecar.Client.CheckPermissionAsync(request, cancellationToken: Cancellation)).Decision);
    }

    [Fact]
    public async Task CheckPermission_ExpiredToken_DeniedWithTheReason()
    {
        var request = Request("read", "plan");
        request.Token = _issuer.Issue(Now.AddHours(-1)).Reveal();
        var response = await _sidecar.Client.CheckPermissionAsync(request, cancellationToken: Cancellation);
        Assert.Equal((Decision.Deny, DecisionReason.TokenRejected, TokenRejection.Expired), (response.Decision, response.Reason, response.TokenRejection));
    }

    [Fact]
    public async Task CheckPermission_UnknownPrincipal_MayDoNothing()
    {
        var request = Request("read", "plan");
        request.Principal = new EntityUid { Type = "User", Id = "nobody" };
        var response = await _sidecar.Client.CheckPermissionAsync(request, cancellationToken: Cancellation);
        Assert.Equal(Decision.Deny, response.Decision);
    }

    [Fact]
    public async Task CheckPermission_UnknownAction_DeniedAsSuch()
    {
        var response = await CheckAsync("launch", "plan");
        Assert.Equal((Decision.Deny, DecisionReason.ActionUnknown), (response.Decision, response.Reason));
        Assert.Equal("unrecognized action `Action::\"launch\"`", response.Detail);
    }

    [Fact]
    public async Task CheckPermission_ResourceThatContradictsTheSnapshot_DeniedAsSuch()
    {
        var request = Request("read", "plan");
        request.Resource.Attributes["tenant"] = new Value { String = "globex" };
        var response = await _sidecar.Client.CheckPermissionAsync(request, cancellationToken: Cancellation);
        Assert.Equal((Decision.Deny, DecisionReason.EntityConflict), (response.Decision, response.Reason));
    }

    [Fact]
    public async Task CheckPermission_ConfidentialDocument_StepUpThenAllowedWithTheProof()
    {
        var request = Request("delete", "salaries");
        var response = await _sidecar.Client.CheckPermissionAsync(request, cancellationToken: Cancellation);
        Assert.Equal((Decision.StepUp, DecisionReason.StepUpRequired), (response.Decision, response.Reason));
        Assert.Equal(["mfa"], response.StepUp.Methods);
        Assert.Equal(300u, response.StepUp.MaxAgeS);

        var verified = await VerifyAsync(TotpCode.Compute(TotpSecret, TotpCode.StepAt(Now)));
        Assert.True(verified.Verified);
        request.MfaProof = verified.Proof;
        Assert.Equal(Decision.Allow, (await _sidecar.Client.CheckPermissionAsync(request, cancellationToken: Cancellation)).Decision);

        request.MfaProof = "not.a.proof";
        response = await _sidecar.Client.CheckPermissionAsync(request, cancellationToken: Cancellation);
        Assert.Equal((Decision.StepUp, TokenRejection.Malformed), (response.Decision, response.MfaProofRejection));
    }

    [Fact]
    public async Task CheckPermission_StepUpWouldNotBeEnough_Denied()
    {
        var request = Request("delete", "salaries");
        request.Principal = new EntityUid { Type = "User", Id = "mallory" };
        var response = await _sidecar.Client.CheckPermissionAsync(request, cancellationToken: Cancellation);
        Assert.Equal(Decision.Deny, response.Decision);
        Assert.Null(response.StepUp);
    }

    [Fact]
    public async Task CheckPermission_CriticalRisk_ForbiddenWithObligation()
    {
        var request = Request("read", "plan");
        request.RiskSignals = new RiskSignals { Network = new NetworkSignal { PeerAddress = "1" } };
        _bundle.Add(_issuer, ("risk.json", """{"thresholds": {"critical": 50}}"""));
        _bundle.WriteManifest(["policies", "schema.cedarschema", "entities.json", "factors.json", "risk.json"], _issuer);
        await _sidecar.WaitForRevisionAfterAsync(await PolicyRevisionAsync());
        var response = await _sidecar.Client.CheckPermissionAsync(request, cancellationToken: Cancellation);
        Assert.Equal(Decision.Deny, response.Decision);
        Assert.Equal(RiskLevel.Critical, response.Risk.Level);
        Assert.Equal(("notify", "owner", "risky"), response.Obligations.Select(o => (o.Name, o.Value, o.PolicyId)).Single());
    }

    [Fact]
    public async Task CheckPermission_Explain_TellsHowEveryPolicyCameOut()
    {
        var request = Request("delete", "plan");
        request.Explain = true;
        request.Principal = new EntityUid { Type = "User", Id = "mallory" };
        var response = await _sidecar.Client.CheckPermissionAsync(request, cancellationToken: Cancellation);
        var outcomes = response.Explanation.ToDictionary(t => t.PolicyId, t => t.Outcome);
        Assert.Equal(12 - 1, outcomes.Count);
        Assert.Equal(PolicyOutcome.Satisfied, outcomes["rbac.not_suspended"]);
        Assert.Equal(PolicyOutcome.ScopeDoesNotMatch, outcomes["rbac.admin"]);
        var confidential = response.Explanation.Single(t => t.PolicyId == "confidential");
        Assert.Equal("when { resource has confidential && resource.confidential }", confidential.Condition);
        Assert.Equal("policies/extra.cedar:1:1", confidential.Location);
    }

    [Fact]
    public async Task CheckPermissions_Batch_AnsweredInOrderFromOneSnapshot()
    {
        var batch = new CheckPermissionsRequest { Defaults = new CheckPermissionRequest { Token = _issuer.Issue(Now).Reveal(), Action = new EntityUid { Id = "update" } } };
        for (var i = 0; i < 200; i++)
        {
            batch.Checks.Add(new CheckPermissionRequest
            {
                Resource = new Entity
                {
                    Uid = new EntityUid { Type = "Document", Id = $"d{i}" },
                    Attributes =
                    {
                        ["tenant"] = new Value { String = "acme" },
                        ["owner"] = new Value { Entity = new EntityUid { Type = "User", Id = i % 3 == 0 ? "alice" : "bob" } },
                    },
                },
            });
        }

        var response = await _sidecar.Client.CheckPermissionsAsync(batch, cancellationToken: Cancellation);
        Assert.Equal(Enumerable.Range(0, 200).Select(i => i % 3 == 0 ? Decision.Allow : Decision.Deny), response.Results.Select(r => r.Decision));
        Assert.Single(response.Results.Select(r => r.Freshness.Policies.Revision).Distinct());
        Assert.Equal(200, response.Results.Select(r => r.DecisionId).Distinct().Count());
    }

    [Fact]
    public async Task EvaluateRisk_Signals_ContributionsSumToTheScore()
    {
        var response = await _sidecar.Client.EvaluateRiskAsync(
            new EvaluateRiskRequest { Subject = new EntityUid { Type = "User", Id = "alice" }, Signals = new RiskSignals { Network = new NetworkSignal { PeerAddress = "192.0.2.1" } } },
            cancellationToken: Cancellation);
        Assert.Equal(8, response.Assessment.Factors.Count);
        Assert.Equal(response.Assessment.Score, response.Assessment.Factors.Sum(f => f.Contribution));
        Assert.NotEqual(Decision.Allow, response.Assessment.RecommendedDecision);
        Assert.StartsWith("folder.", response.Freshness.Risk.Revision, StringComparison.Ordinal);
    }

    [Fact]
    public async Task VerifyMfa_ReplayedAndWrongCodes_RefusedWithWhatIsLeft()
    {
        var code = TotpCode.Compute(TotpSecret, TotpCode.StepAt(Now));
        Assert.True((await VerifyAsync(code)).Verified);
        var replayed = await VerifyAsync(code);
        Assert.Equal((false, MfaRejection.CodeUsed, 5u), (replayed.Verified, replayed.Reason, replayed.AttemptsLeft));
        for (var i = 4; i >= 0; i--)
        {
            var wrong = await VerifyAsync("000000");
            Assert.Equal((MfaRejection.CodeWrong, (uint)i), (wrong.Reason, wrong.AttemptsLeft));
        }

        var locked = await VerifyAsync(TotpCode.Compute(TotpSecret, TotpCode.StepAt(Now) + 1));
        Assert.Equal(MfaRejection.Locked, locked.Reason);
        Assert.NotNull(locked.LockedUntil);
        Assert.Empty(locked.Proof);
    }

    // ------------------------------------------------------------------ malformed requests

    public static TheoryData<string, Action<CheckPermissionRequest>> MalformedChecks() => new()
    {
        { "principal.type", r => r.Principal.Type = "User::" },
        { "principal.type", r => r.Principal.Type = "" },
        { "principal.type", r => r.Principal.Type = "User::\"alice\"" },
        { "principal.type", r => r.Principal.Type = new string('A', 257) },
        { "principal.id", r => r.Principal.Id = new string('a', 513) },
        { "subject", r => r.ClearSubject() },
        { "action", r => r.Action = null },
        { "action.type", r => r.Action.Type = "in" },
        { "resource", r => r.Resource = null },
        { "resource.uid", r => r.Resource.Uid = null },
        { "resource.uid.type", r => r.Resource.Uid.Type = "Docu ment" },
        { "resource.parents[0].type", r => r.Resource.Parents.Add(new EntityUid { Id = "x" }) },
        { "resource.attributes.a", r => r.Resource.Attributes["a"] = new Value() },
        { "resource.attributes.a", r => r.Resource.Attributes["a"] = new Value { Ip = "0x7f.1" } },
        { "resource.attributes.a", r => r.Resource.Attributes["a"] = new Value { Decimal = "1.23456" } },
        { "resource.attributes.a", r => r.Resource.Attributes["a"] = new Value { Datetime = "yesterday" } },
        { "resource.attributes.a", r => r.Resource.Attributes["a"] = new Value { Duration = "1w" } },
        { "resource.attributes.a.type", r => r.Resource.Attributes["a"] = new Value { Entity = new EntityUid { Type = "!" } } },
        { "resource.attributes.a", r => r.Resource.Attributes["a"] = Nested(17) },
        { "resource.attributes", r => Fill(r.Resource.Attributes, 129) },
        { "context", r => Fill(r.Context, 129) },
        { "context.token", r => r.Context["token"] = new Value { Bool = true } },
        { "context.risk", r => r.Context["risk"] = new Value { Bool = true } },
        { "context.now", r => r.Context["now"] = new Value { Datetime = "1970-01-01" } },
        { "entities", r => r.Entities.AddRange(Enumerable.Range(0, 65).Select(i => new Entity { Uid = new EntityUid { Type = "A", Id = $"{i}" } })) },
        { "risk_signals.location.latitude", r => r.RiskSignals = new RiskSignals { Location = new LocationSignal { Latitude = double.NaN } } },
        { "token_proof.client_certificate_sha256", r => { r.Token = "x"; r.TokenProof = new TokenProof { ClientCertificateSha256 = Google.Protobuf.ByteString.CopyFromUtf8("short") }; } },
    };

    [Theory]
    [MemberData(nameof(MalformedChecks))]
    public async Task CheckPermission_MalformedField_InvalidArgumentThatNamesIt(string field, Action<CheckPermissionRequest> spoil)
    {
        var request = Request("read", "plan");
        spoil(request);
        var e = await Assert.ThrowsAsync<RpcException>(() => _sidecar.Client.CheckPermissionAsync(request, cancellationToken: Cancellation).ResponseAsync);
        AssertFailure(e, StatusCode.InvalidArgument, "ERROR_REASON_INVALID_FIELD");
        Assert.Equal(field, e.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations[0].Field);
    }

    [Fact]
    public async Task Calls_EmptyRequests_InvalidArgumentWithEveryFault()
    {
        var e = await Assert.ThrowsAsync<RpcException>(() => _sidecar.Client.CheckPermissionAsync(new CheckPermissionRequest(), cancellationToken: Cancellation).ResponseAsync);
        Assert.Equal(["subject", "action", "resource"], e.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations.Select(v => v.Field));
        e = await Assert.ThrowsAsync<RpcException>(() => _sidecar.Client.EvaluateRiskAsync(new EvaluateRiskRequest(), cancellationToken: Cancellation).ResponseAsync);
        Assert.Equal(["subject"], e.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations.Select(v => v.Field));
        e = await Assert.ThrowsAsync<RpcException>(() => _sidecar.Client.VerifyMfaAsync(new VerifyMfaRequest(), cancellationToken: Cancellation).ResponseAsync);
        Assert.Equal(["subject", "factor_id", "code"], e.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations.Select(v => v.Field));
        var token = await _sidecar.Client.ValidateTokenAsync(new ValidateTokenRequest(), cancellationToken: Cancellation);
        Assert.Equal((false, TokenRejection.Missing), (token.Valid, token.Reason));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(201)]
    public async Task CheckPermissions_TooManyOrNone_InvalidArgument(int count)
    {
        var batch = new CheckPermissionsRequest { Checks = { Enumerable.Range(0, count).Select(_ => Request("read", "plan")) } };
        var e = await Assert.ThrowsAsync<RpcException>(() => _sidecar.Client.CheckPermissionsAsync(batch, cancellationToken: Cancellation).ResponseAsync);
        AssertFailure(e, StatusCode.InvalidArgument, "ERROR_REASON_INVALID_FIELD");
        Assert.Equal("checks", e.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations.Single().Field);
    }

    [Fact]
    public async Task CheckPermissions_OneMalformed_WholeBatchRefusedNamingIt()
    {
        var batch = new CheckPermissionsRequest { Checks = { Request("read", "plan"), Request("read", "plan"), new CheckPermissionRequest() }, Defaults = Request("read", "plan") };
        batch.Checks[1].Action.Type = "1";
        var e = await Assert.ThrowsAsync<RpcException>(() => _sidecar.Client.CheckPermissionsAsync(batch, cancellationToken: Cancellation).ResponseAsync);
        Assert.Equal(["checks[1].action.type"], e.GetRpcStatus()!.GetDetail<BadRequest>()!.FieldViolations.Select(v => v.Field));
    }

    [Theory]
    // Field 1 (token) of two bytes that are not UTF-8; and a length that runs beyond the end.
    [InlineData(new byte[] { 0x0a, 0x02, 0xc3, 0x28 })]
    [InlineData(new byte[] { 0x0a, 0x7f, 0x41 })]
    [InlineData(new byte[] { 0xff })]
    public async Task Calls_BytesThatAreNoMessage_InvalidArgument(byte[] bytes)
    {
        foreach (var name in new[] { "ValidateToken", "CheckPermission", "CheckPermissions", "EvaluateRisk", "VerifyMfa" })
        {
            var marshaller = Marshallers.Create<byte[]>(b => b, b => b);
            var method = new Method<byte[], byte[]>(MethodType.Unary, "authsidecar.v1.AuthSidecarService", name, marshaller, marshaller);
            var e = await Assert.ThrowsAsync<RpcException>(() => _sidecar.Channel.CreateCallInvoker().AsyncUnaryCall(method, null, new CallOptions(cancellationToken: Cancellation), bytes).ResponseAsync);
            AssertFailure(e, StatusCode.InvalidArgument, "ERROR_REASON_MALFORMED_MESSAGE");
        }
    }

    // ------------------------------------------------------------------ time and order

    [Fact]
    public async Task CheckPermission_AtLeastARevisionThatComes_WaitsForIt()
    {
        var next = new Revision(default, await PolicyRevisionAsync() + 1);
        var request = Request("read", "plan");
        request.AtLeastRevision = next.ToString();
        var waiting = _sidecar.Client.CheckPermissionAsync(request, deadline: DateTimeOffset.MaxValue.UtcDateTime, cancellationToken: Cancellation).ResponseAsync;
        await Task.Delay(300, Cancellation);
        Assert.False(waiting.IsCompleted);
        _bundle.Write("policies/closed.cedar", "@id(\"closed\") forbid (principal, action, resource);");
        var response = await waiting;
        Assert.Equal(["closed"], response.DeterminingPolicies.Select(p => p.PolicyId));
        Assert.True(await PolicyRevisionAsync() >= next.Number);
    }

    [Fact]
    public async Task CheckPermission_AtLeastARevisionThatDoesNotCome_FailedPreconditionOrPastTheDeadline()
    {
        var request = Request("read", "plan");
        request.AtLeastRevision = $"folder.{long.MaxValue}";
        var deadline = TimeProvider.System.GetUtcNow().AddMilliseconds(300).UtcDateTime;
        var e = await Assert.ThrowsAsync<RpcException>(() => _sidecar.Client.CheckPermissionAsync(request, deadline: deadline, cancellationToken: Cancellation).ResponseAsync);
        // Whose clock strikes first is a matter of microseconds; neither way is there an answer.
        Assert.Contains(e.StatusCode, new[] { StatusCode.FailedPrecondition, StatusCode.DeadlineExceeded });
    }

    /// <summary>A larger number does not stand for what was written in another history: that may be lost.</summary>
    [Theory]
    [InlineData("3k9vq2m1x7wb.1")]
    [InlineData("zzzzzzzzzzzz.0")]
    public async Task Calls_AtLeastARevisionOfAnotherHistory_FailedPreconditionAtOnce(string revision)
    {
        var request = Request("read", "plan");
        request.AtLeastRevision = revision;
        await AssertRefusedAsync(_sidecar.Client.CheckPermissionAsync(request, cancellationToken: Cancellation).ResponseAsync);
        await AssertRefusedAsync(_sidecar.Client.CheckPermissionsAsync(new() { AtLeastRevision = revision, Checks = { Request("read", "plan") } }, cancellationToken: Cancellation).ResponseAsync);
        await AssertRefusedAsync(_sidecar.Client.ValidateTokenAsync(new() { AtLeastRevision = revision }, cancellationToken: Cancellation).ResponseAsync);

        static async Task AssertRefusedAsync(Task call)
        {
            var e = await Assert.ThrowsAsync<RpcException>(() => call);
            Assert.Equal((StatusCode.FailedPrecondition, "ERROR_REASON_REVISION_OF_ANOTHER_HISTORY"), (e.StatusCode, e.GetRpcStatus()!.GetDetail<ErrorInfo>().Reason));
        }
    }

    [Theory]
    [InlineData("15")]
    [InlineData("folder")]
    [InlineData("folder.")]
    [InlineData(".15")]
    [InlineData("folder.015")]
    [InlineData("folder.-1")]
    [InlineData("folder.1 ")]
    [InlineData("folder.9223372036854775808")]
    [InlineData("FOLDER.1")]
    [InlineData("3K9VQ2M1X7WB.1")]
    [InlineData("3k9vq2m1x7w.1")]
    [InlineData("000000000000.1")]
    [InlineData("ﬀ９.1")]
    [InlineData("3k9vq2m1x7wb.1.1")]
    public async Task Calls_AtLeastWhatIsNoRevision_InvalidArgument(string revision)
    {
        var request = Request("read", "plan");
        request.AtLeastRevision = revision;
        await AssertRefusedAsync(_sidecar.Client.CheckPermissionAsync(request, cancellationToken: Cancellation).ResponseAsync);
        await AssertRefusedAsync(_sidecar.Client.CheckPermissionsAsync(new() { AtLeastRevision = revision, Checks = { Request("read", "plan") } }, cancellationToken: Cancellation).ResponseAsync);
        await AssertRefusedAsync(_sidecar.Client.ValidateTokenAsync(new() { AtLeastRevision = revision }, cancellationToken: Cancellation).ResponseAsync);

        static async Task AssertRefusedAsync(Task call)
        {
            var e = await Assert.ThrowsAsync<RpcException>(() => call);
            Assert.Equal((StatusCode.InvalidArgument, "at_least_revision"), (e.StatusCode, e.GetRpcStatus()!.GetDetail<BadRequest>().FieldViolations.Single().Field));
        }
    }

    [Fact]
    public async Task CheckPermission_CancelledByItsCaller_Cancelled()
    {
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var request = Request("read", "plan");
        request.AtLeastRevision = $"folder.{long.MaxValue}";
        var call = _sidecar.Client.CheckPermissionAsync(request, cancellationToken: cancellation.Token).ResponseAsync;
        await cancellation.CancelAsync();
        var e = await Assert.ThrowsAsync<RpcException>(() => call);
        Assert.Equal(StatusCode.Cancelled, e.StatusCode);
        Assert.Equal(Decision.Allow, (await CheckAsync("read", "plan")).Decision);
    }

    // ------------------------------------------------------------------ secrets

    [Fact]
    public async Task Calls_WithSecretsEverywhere_NoneIsLoggedOrToldInAnError()
    {
        const string Canary = "CANARYe3b0c442";
        var token = _issuer.Issue(Now, claims: c => c["secret"] = Canary).Reveal();
        var said = new List<string>();
        await Try(() => _sidecar.Client.ValidateTokenAsync(new ValidateTokenRequest { Token = token + Canary }).ResponseAsync);
        await Try(() => _sidecar.Client.ValidateTokenAsync(new ValidateTokenRequest { Token = Canary }).ResponseAsync);
        await Try(() => _sidecar.Client.VerifyMfaAsync(new VerifyMfaRequest { Subject = Alice, FactorId = "totp", Code = Canary }).ResponseAsync);
        await Try(() => _sidecar.Client.VerifyMfaAsync(new VerifyMfaRequest { Subject = Alice, FactorId = "totp", Code = string.Concat(Enumerable.Repeat(Canary, 9)) }).ResponseAsync);
        var check = Request("read", "plan");
        check.Token = Canary;
        check.MfaProof = Canary;
        check.TokenProof = new TokenProof { Dpop = new DpopProof { Proof = Canary, HttpMethod = "GET", HttpUri = "https://x/" } };
        await Try(() => _sidecar.Client.CheckPermissionAsync(check).ResponseAsync);
        check.Token = token;
        check.Action.Type = "!";
        await Try(() => _sidecar.Client.CheckPermissionAsync(check).ResponseAsync);

        Assert.NotEmpty(_sidecar.Logs);
        Assert.DoesNotContain(_sidecar.Logs, line => line.Contains(Canary, StringComparison.OrdinalIgnoreCase) || line.Contains(token, StringComparison.Ordinal));
        Assert.DoesNotContain(said, text => text.Contains(Canary, StringComparison.OrdinalIgnoreCase) || text.Contains(token, StringComparison.Ordinal));

        async Task Try<T>(Func<Task<T>> call)
        {
            try
            {
                said.Add((await call())!.ToString()!);
            }
            catch (RpcException e)
            {
                said.Add($"{e} {e.GetRpcStatus()}");
            }
        }
    }

    // ------------------------------------------------------------------

    private static EntityUid Alice => new() { Type = "User", Id = "alice" };

    private static CheckPermissionRequest Request(string action, string document) => new()
    {
        Principal = Alice,
        Action = new EntityUid { Id = action },
        Resource = new Entity { Uid = new EntityUid { Type = "Document", Id = document } },
    };

    private async Task<ulong> PolicyRevisionAsync() =>
        Revision.TryParse((await CheckAsync("read", "plan")).Freshness.Policies.Revision, out var revision) ? revision.Number : throw new InvalidOperationException("no revision");

    private async Task<CheckPermissionResponse> CheckAsync(string action, string document) =>
        await _sidecar.Client.CheckPermissionAsync(Request(action, document), cancellationToken: Cancellation);

    private async Task<VerifyMfaResponse> VerifyAsync(string code) =>
        await _sidecar.Client.VerifyMfaAsync(new VerifyMfaRequest { Subject = Alice, FactorId = "totp", Code = code }, cancellationToken: Cancellation);

    private static void AssertFailure(RpcException e, StatusCode code, string reason)
    {
        Assert.Equal(code, e.StatusCode);
        var info = e.GetRpcStatus()!.GetDetail<ErrorInfo>()!;
        Assert.Equal((reason, "authsidecar.dev"), (info.Reason, info.Domain));
    }

    private static Value Nested(int depth) => depth == 0 ? new Value { Bool = true } : new Value { Set = new SetValue { Items = { Nested(depth - 1) } } };

    private static void Fill(Google.Protobuf.Collections.MapField<string, Value> map, int count)
    {
        for (var i = 0; i < count; i++)
        {
            map[$"a{i}"] = new Value { Long = i };
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _sidecar.DisposeAsync();
        _bundle.Dispose();
        _issuer.Dispose();
    }
}
