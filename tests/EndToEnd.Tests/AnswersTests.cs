using System.Buffers.Binary;
using System.Security.Cryptography;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.V1;
using Grpc.Core;
using Decision = AuthSidecar.V1.Decision;

namespace EndToEnd.Tests;

/// <summary>The answers of the four calls come from what was written to the control plane, whatever was written.</summary>
public sealed class AnswersTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ValidateToken_IssuerRevocationRemoval_EachCountsAtItsRevision()
    {
        await using var fleet = await Fleet.StartAsync();
        await fleet.CreateApplicationAsync();
        using var issuer = new TestIssuer();
        var sidecar = await fleet.StartSidecarAsync("one");
        var (alice, bob) = (issuer.Issue("alice"), issuer.Issue("bob"));
        Assert.Equal(TokenRejection.IssuerUnknown, (await ValidateAsync(alice, "")).Reason);

        var written = await fleet.Issuers.WriteIssuerAsync(NewIssuer(issuer), cancellationToken: Cancellation);
        var valid = await ValidateAsync(alice, written.Revision);
        Assert.True(valid.Valid, valid.ToString());
        Assert.Equal(written.Revision, valid.Freshness.Keys.Revision);
        Assert.True((await ValidateAsync(bob, "")).Valid);

        var revoked = await fleet.Revocations.RevokeAsync(
            new RevokeRequest { Revocation = new Revocation { Issuer = TestIssuer.Name, Subject = "alice" } }, cancellationToken: Cancellation);
        Assert.Equal(TokenRejection.Revoked, (await ValidateAsync(alice, revoked.Revision)).Reason);
        Assert.True((await ValidateAsync(bob, "")).Valid);
        var single = await fleet.Revocations.RevokeAsync(
            new RevokeRequest { Application = "documents", Revocation = new Revocation { Issuer = TestIssuer.Name, TokenId = (await ValidateAsync(bob, "")).TokenId } }, cancellationToken: Cancellation);
        Assert.Equal(TokenRejection.Revoked, (await ValidateAsync(bob, single.Revision)).Reason);
        Assert.Equal(TokenRejection.Revoked, (await ValidateAsync(alice, "")).Reason);
        Assert.True((await ValidateAsync(issuer.Issue("bob"), "")).Valid);
        var listed = await fleet.Revocations.ListRevocationsAsync(new ListRevocationsRequest { Application = "documents" }, cancellationToken: Cancellation);
        Assert.Equal([revoked.Revision, single.Revision], listed.Revocations.Select(r => r.Revision));

        // Made by mistake: it is taken back, and the others stay.
        var mistaken = new RemoveRevocationRequest { Revocation = new Revocation { Issuer = TestIssuer.Name, Subject = "alice" } };
        var restored = await fleet.Revocations.RemoveRevocationAsync(mistaken, cancellationToken: Cancellation);
        Assert.True((await ValidateAsync(alice, restored.Revision)).Valid);
        Assert.Equal(TokenRejection.Revoked, (await ValidateAsync(bob, "")).Reason);
        Assert.Equal(StatusCode.NotFound, (await Assert.ThrowsAsync<RpcException>(async () => await fleet.Revocations.RemoveRevocationAsync(mistaken, cancellationToken: Cancellation))).StatusCode);
        var again = await fleet.Revocations.RevokeAsync(new RevokeRequest { Revocation = mistaken.Revocation }, cancellationToken: Cancellation);
        Assert.Equal(TokenRejection.Revoked, (await ValidateAsync(alice, again.Revision)).Reason);
        var listing = await Binary.RunControlAsync("revocations", "list", "--application", "documents", "--admin-socket", fleet.In("control.sock"));
        Assert.Contains($"{again.Revision}  subject alice of {TestIssuer.Name} for all applications, issued until ", listing.Output, StringComparison.Ordinal);
        var elsewhere = await Binary.RunControlAsync("revocations", "remove", "--issuer", TestIssuer.Name, "--subject", "alice", "--application", "documents", "--admin-socket", fleet.In("control.sock"));
        Assert.Equal((2, "authsidecar-control: revocation of this subject for the application `documents` not found"), (elsewhere.ExitCode, elsewhere.Error.Trim()));
        var taken = await Binary.RunControlAsync("revocations", "remove", "--issuer", TestIssuer.Name, "--subject", "alice", "--admin-socket", fleet.In("control.sock"));
        Assert.True((await ValidateAsync(alice, taken.Output.Trim())).Valid);

        var removed = await fleet.Issuers.RemoveIssuerAsync(new RemoveIssuerRequest { Application = "documents", Issuer = TestIssuer.Name }, cancellationToken: Cancellation);
        Assert.Equal(TokenRejection.IssuerUnknown, (await ValidateAsync(bob, removed.Revision)).Reason);
        Assert.Empty((await fleet.Issuers.ListIssuersAsync(new ListIssuersRequest { Application = "documents" }, cancellationToken: Cancellation)).Issuers);

        async Task<ValidateTokenResponse> ValidateAsync(string token, string atLeastRevision) =>
            await sidecar.ValidateTokenAsync(new ValidateTokenRequest { Token = token, AtLeastRevision = atLeastRevision }, deadline: Binary.Deadline, cancellationToken: Cancellation);
    }

    [Fact]
    public async Task Issuer_UnfitOrStale_RefusedAndNothingChanges()
    {
        await using var fleet = await Fleet.StartAsync();
        await fleet.CreateApplicationAsync();
        using var issuer = new TestIssuer();
        foreach (var (alter, field) in new (Action<WriteIssuerRequest>, string)[]
        {
            (r => r.Jwks = """{"keys": []}""", "jwks"),
            (r => r.Jwks = """{"keys": [{"kty": "oct", "kid": "k", "k": "AAAA"}]}""", "jwks"),
            (r => r.Jwks = r.Jwks.Replace("\"x\"", "\"d\": \"AAAA\", \"x\"", StringComparison.Ordinal), "jwks"),
            (r => r.Issuer.Preset = "oktta", "issuer.preset"),
            (r => r.Issuer.Issuer_ = "https://issuer.test/{tenant}", "issuer.tenants"),
            (r => r.Issuer.RequiredClaims["typ"] = Google.Protobuf.WellKnownTypes.Value.ForString("Bearer"), "issuer.required_claims"),
            (r => r.Issuer.TypesOptional = true, "issuer.types_optional"),
            (r => r.Issuer.AudienceClaim = "iss", "issuer.audience_claim"),
            (r => r.Issuer.Principal = new PrincipalMapping { Id = "exp" }, "issuer.principal"),
            (r => r.Issuer.JwksUrl = "https://issuer.test/keys", "jwks"),
            (r => r.Issuer.IntrospectionUrl = "http://issuer.test/introspect", "issuer.introspection_url"),
            (r => r.Issuer.OpaquePrefix = "op", "issuer.opaque_prefix"),
            (r => r.Issuer.Audiences.Clear(), "issuer.audiences"),
            (r => r.Issuer.ClockSkewSeconds = 61, "issuer.clock_skew_seconds"),
            (r => r.Issuer.Principal = new PrincipalMapping { Type = "a b" }, "issuer.principal"),
            (r => r.Issuer = null, "issuer"),
            (r => r.Application = "", "application"),
        })
        {
            var request = NewIssuer(issuer);
            alter(request);
            var refused = await Assert.ThrowsAsync<RpcException>(async () => await fleet.Issuers.WriteIssuerAsync(request, cancellationToken: Cancellation));
            Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
            Assert.Equal(field, refused.GetRpcStatus()!.GetDetail<Google.Rpc.BadRequest>()!.FieldViolations[0].Field);
        }

        var written = await fleet.Issuers.WriteIssuerAsync(NewIssuer(issuer), cancellationToken: Cancellation);
        var again = NewIssuer(issuer);
        again.ExpectedRevision = "";
        Assert.Equal(StatusCode.Aborted, (await Assert.ThrowsAsync<RpcException>(async () => await fleet.Issuers.WriteIssuerAsync(again, cancellationToken: Cancellation))).StatusCode);
        again.ExpectedRevision = written.Revision;
        await fleet.Issuers.WriteIssuerAsync(again, cancellationToken: Cancellation);
        // Of an opaque token nobody is asked but its issuer: two must not be taken for each other.
        // What two issuers would both be, a sidecar refuses: so does the control plane.
        foreach (var (alter, field) in new (Action<Issuer>, string)[]
        {
            (i => i.Aliases.Add(TestIssuer.Name), "issuer.issuer"),
            (i => { i.Issuer_ = "https://{name}"; i.Tenants.Add("issuer.test"); }, "issuer.issuer"),
        })
        {
            var rival = new Issuer { Issuer_ = "https://rival.test", Audiences = { "documents" }, JwksUrl = "https://rival.test/keys" };
            alter(rival);
            var refused = await Assert.ThrowsAsync<RpcException>(async () => await fleet.Issuers.WriteIssuerAsync(new WriteIssuerRequest { Application = "documents", Issuer = rival }, cancellationToken: Cancellation));
            Assert.Equal((StatusCode.InvalidArgument, field), (refused.StatusCode, refused.GetRpcStatus()!.GetDetail<Google.Rpc.BadRequest>()!.FieldViolations[0].Field));
        }

        var opaque = new WriteIssuerRequest { Application = "documents", Issuer = new Issuer { Issuer_ = "https://opaque.test", Audiences = { "documents" }, IntrospectionUrl = "https://opaque.test/introspect", OpaquePrefix = "op" } };
        await fleet.Issuers.WriteIssuerAsync(opaque, cancellationToken: Cancellation);
        opaque.Issuer.Issuer_ = "https://other.test";
        foreach (var prefix in new[] { "op", "opaque-", "o", "" })
        {
            opaque.Issuer.OpaquePrefix = prefix;
            var refused = await Assert.ThrowsAsync<RpcException>(async () => await fleet.Issuers.WriteIssuerAsync(opaque, cancellationToken: Cancellation));
            Assert.Equal("issuer.opaque_prefix", refused.GetRpcStatus()!.GetDetail<Google.Rpc.BadRequest>()!.FieldViolations[0].Field);
        }

        opaque.Issuer.OpaquePrefix = "other-";
        await fleet.Issuers.WriteIssuerAsync(opaque, cancellationToken: Cancellation);
        await fleet.Issuers.RemoveIssuerAsync(new RemoveIssuerRequest { Application = "documents", Issuer = "https://opaque.test" }, cancellationToken: Cancellation);
        await fleet.Issuers.RemoveIssuerAsync(new RemoveIssuerRequest { Application = "documents", Issuer = "https://other.test" }, cancellationToken: Cancellation);
        Assert.Equal(["documents"], (await fleet.Issuers.ListIssuersAsync(new ListIssuersRequest { Application = "documents" }, cancellationToken: Cancellation)).Issuers.Single().Issuer.Audiences);
    }

    [Fact]
    public async Task VerifyMfa_EnrolledAppAndBackupCodes_VerifyOnceAndUntilTheyAreRemoved()
    {
        await using var fleet = await Fleet.StartAsync();
        await fleet.CreateApplicationAsync();
        var sidecar = await fleet.StartSidecarAsync("one");
        const string Alice = "User::\"alice\"";
        var totp = await fleet.Factors.EnrolTotpAsync(new EnrolTotpRequest { Subject = Alice, FactorId = "totp", Account = "alice@example.org" }, cancellationToken: Cancellation);
        Assert.StartsWith("otpauth://totp/AuthSidecar:alice%40example.org?secret=", totp.OtpauthUri, StringComparison.Ordinal);
        var backup = await fleet.Factors.EnrolBackupCodesAsync(new EnrolBackupCodesRequest { Subject = Alice, FactorId = "backup", Application = "documents" }, cancellationToken: Cancellation);
        Assert.Equal(10, backup.Codes.Distinct().Count());

        await Fleet.UntilAsync(async () => (await VerifyAsync("totp", CodeOf(totp.OtpauthUri))).Verified);
        Assert.Equal(MfaRejection.CodeUsed, (await VerifyAsync("totp", CodeOf(totp.OtpauthUri))).Reason);
        await Fleet.UntilAsync(async () => (await VerifyAsync("backup", backup.Codes[3])).Verified);
        Assert.Equal(MfaRejection.CodeUsed, (await VerifyAsync("backup", backup.Codes[3])).Reason);
        Assert.Equal(
            ["totp totp", "backup backup_codes"],
            (await fleet.Factors.ListFactorsAsync(new ListFactorsRequest { Subject = Alice }, cancellationToken: Cancellation)).Factors.Select(f => $"{f.FactorId} {f.Kind}"));

        Assert.Equal(StatusCode.AlreadyExists, (await Assert.ThrowsAsync<RpcException>(async () =>
            await fleet.Factors.EnrolTotpAsync(new EnrolTotpRequest { Subject = Alice, FactorId = "totp" }, cancellationToken: Cancellation))).StatusCode);
        await fleet.Factors.RemoveFactorAsync(new RemoveFactorRequest { Subject = Alice, FactorId = "totp" }, cancellationToken: Cancellation);
        await Fleet.UntilAsync(async () => (await VerifyAsync("totp", "000000")).Reason == MfaRejection.FactorUnknown);
        Assert.True((await VerifyAsync("backup", backup.Codes[4])).Verified);
        Assert.Equal(StatusCode.NotFound, (await Assert.ThrowsAsync<RpcException>(async () =>
            await fleet.Factors.RemoveFactorAsync(new RemoveFactorRequest { Subject = Alice, FactorId = "totp" }, cancellationToken: Cancellation))).StatusCode);

        async Task<VerifyMfaResponse> VerifyAsync(string factor, string code) => await sidecar.VerifyMfaAsync(
            new VerifyMfaRequest { Subject = new EntityUid { Type = "User", Id = "alice" }, FactorId = factor, Code = code }, cancellationToken: Cancellation);
    }

    [Fact]
    public async Task EvaluateRisk_SettingsAndProfile_AreWhatIsScoredBy()
    {
        await using var fleet = await Fleet.StartAsync();
        await fleet.CreateApplicationAsync();
        var sidecar = await fleet.StartSidecarAsync("one");
        const string Alice = "User::\"alice\"";
        Assert.True(await WeightOfDeviceAsync() > 0);
        await fleet.Risks.WriteRiskSettingsAsync(
            new WriteRiskSettingsRequest { Application = "documents", Settings = new RiskSettings { DeniedNetworks = { "198.51.100.0/24" }, Weights = new RiskWeights { Network = 7 } } }, cancellationToken: Cancellation);
        await Fleet.UntilAsync(async () => (await EvaluateAsync()).RecommendedDecision == Decision.Deny);

        await fleet.Risks.WriteRiskProfileAsync(new WriteRiskProfileRequest { Subject = Alice, Profile = new RiskProfile { Devices = { new AuthSidecar.ControlPlane.V1.KnownDevice { Id = "laptop" } }, TimeZone = "Europe/Zurich" } }, cancellationToken: Cancellation);
        await Fleet.UntilAsync(async () => (await EvaluateAsync()).Factors.Single(f => f.Name == "device").Value != "unknown");
        Assert.Equal(7, (await fleet.Risks.GetRiskSettingsAsync(new GetRiskSettingsRequest { Application = "documents" }, cancellationToken: Cancellation)).Settings.Weights.Network);
        var before = (await EvaluateAsync()).Factors.Single(f => f.Name == "device").Value;
        await fleet.Risks.RemoveRiskProfileAsync(new RemoveRiskProfileRequest { Subject = Alice }, cancellationToken: Cancellation);
        await Fleet.UntilAsync(async () => (await EvaluateAsync()).Factors.Single(f => f.Name == "device").Value != before);

        foreach (var (settings, field) in new (RiskSettings, string)[]
        {
            (new RiskSettings { DeniedNetworks = { "198.51.100.0/33" } }, "settings.denied_networks"),
            (new RiskSettings { Weights = new RiskWeights { Device = 101 } }, "settings.weights"),
            (new RiskSettings { Thresholds = new RiskThresholds { Medium = 60 } }, "settings.thresholds"),
            (new RiskSettings { Actions = { ["delete"] = 1 } }, "settings.actions"),
            (new RiskSettings { Actions = { ["Action::\"delete\""] = double.NaN } }, "settings.actions"),
            (new RiskSettings { MaxFailures = 0 }, "settings.max_failures"),
        })
        {
            var refused = await Assert.ThrowsAsync<RpcException>(async () =>
                await fleet.Risks.WriteRiskSettingsAsync(new WriteRiskSettingsRequest { Application = "documents", Settings = settings }, cancellationToken: Cancellation));
            Assert.Equal(field, refused.GetRpcStatus()!.GetDetail<Google.Rpc.BadRequest>()!.FieldViolations[0].Field);
        }

        async Task<double> WeightOfDeviceAsync() => (await EvaluateAsync()).Factors.Single(f => f.Name == "device").Contribution;

        async Task<RiskAssessment> EvaluateAsync() => (await sidecar.EvaluateRiskAsync(
            new EvaluateRiskRequest
            {
                Subject = new EntityUid { Type = "User", Id = "alice" },
                Signals = new RiskSignals { Device = new DeviceSignal { DeviceId = "laptop" }, Network = new NetworkSignal { PeerAddress = "198.51.100.7" } },
            },
            cancellationToken: Cancellation)).Assessment;
    }

    private static WriteIssuerRequest NewIssuer(TestIssuer issuer) =>
        new() { Application = "documents", Issuer = new Issuer { Issuer_ = TestIssuer.Name, Audiences = { "documents" } }, Jwks = issuer.KeySet };

    /// <summary>The code that an authenticator app shows now (RFC 6238).</summary>
    private static string CodeOf(string otpauthUri)
    {
        var secret = FromBase32(otpauthUri.Split("secret=")[1].Split('&')[0]);
        Span<byte> step = stackalloc byte[8];
        BinaryPrimitives.WriteInt64BigEndian(step, TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() / 30);
#pragma warning disable CA5350 // Authenticator apps know no other.
        var hash = HMACSHA1.HashData(secret, step);
#pragma warning restore CA5350
        return ((BinaryPrimitives.ReadInt32BigEndian(hash.AsSpan(hash[^1] & 15)) & 0x7fffffff) % 1_000_000).ToString("D6", System.Globalization.CultureInfo.InvariantCulture);
    }

    private static byte[] FromBase32(string text)
    {
        var bits = string.Concat(text.Select(c => Convert.ToString("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567".IndexOf(c, StringComparison.Ordinal), 2).PadLeft(5, '0')));
        return [.. Enumerable.Range(0, bits.Length / 8).Select(i => Convert.ToByte(bits.Substring(i * 8, 8), 2))];
    }
}
