using Grpc.Health.V1;

namespace AuthSidecar.Cli;

/// <summary>The commands that ask a running sidecar: one for each call, and one for its health.</summary>
internal static class CallCommands
{
    private static readonly (int Code, string Meaning)[] Decisions =
        [(ExitCode.Allow, "allow"), (ExitCode.Deny, "deny"), (ExitCode.StepUp, "step up")];

    public static Command ValidateToken()
    {
        var audience = CliOption.Of<string>("--audience", "AUDIENCE", "The audience that the token must have.");
        var scopes = CliOption.Of<string[]>("--scope", "SCOPE", "A scope that the token must have; may be repeated.");
        return ClientCommand.Create(
            "validate-token",
            "Validate a token: signature, issuer, audience, expiry, revocation. Print its claims, or why it is not valid; `issuers test` "
                + "says which option of its issuer that depends on.",
            "authsidecar validate-token --token-file token.jwt --audience documents",
            [(ExitCode.Allow, "valid"), (ExitCode.Deny, "not valid")],
            [Options.TokenFile, Options.Token, audience, scopes],
            (parsed, channel, call) => new V1.AuthSidecarService.AuthSidecarServiceClient(channel).ValidateTokenAsync(
                new V1.ValidateTokenRequest
                {
                    Token = Options.ReadToken(parsed, Options.TokenFile.Name),
                    Audience = parsed.GetValue(audience) ?? "",
                    RequiredScopes = { parsed.GetValue(scopes) ?? [] },
                },
                call),
            Print.Token);
    }

    public static Command Check()
    {
        var principal = CliOption.Of<string>(
            "--principal", "ENTITY", "The principal, as in Cedar: 'User::\"alice\"'. Default: the token's subject.");
        var action = CliOption.Of<string>("--action", "ACTION", "The action: a bare word, or as in Cedar.").Require();
        var resource = CliOption.Of<string>("--resource", "ENTITY", "The resource, as in Cedar: 'Document::\"plan\"'.").Require();
        var attributes = CliOption.Of<string[]>(
            "--attribute", "NAME=VALUE", $"An attribute of the resource, {Options.ValueForm}; may be repeated.");
        var parents = CliOption.Of<string[]>("--parent", "ENTITY", "An entity the resource is a member of; may be repeated.");
        var context = CliOption.Of<string[]>(
            "--context", "NAME=VALUE", $"An attribute of the context, {Options.ValueForm}; may be repeated.");
        var proof = CliOption.Of<string>("--mfa-proof", "PROOF", "The proof that verify-mfa answered with.");
        var explain = CliOption.Flag("--explain", "Show the result of every policy.");
        var revision = CliOption.Of<string>(
            "--at-least-revision", "REVISION", "Wait for this revision, as a write prints it: HISTORY.NUMBER.");
        return ClientCommand.Create(
            "check",
            "Check whether a principal may do an action on a resource. Print the decision, its reasons, and what would change it.",
            "authsidecar check --principal 'User::\"alice\"' --action read --resource 'Document::\"plan\"'",
            Decisions,
            [Options.TokenFile, Options.Token, principal, action, resource, attributes, parents, context, proof, explain, revision,
                .. Options.Signals],
            (parsed, channel, call) =>
            {
                var request = new V1.CheckPermissionRequest
                {
                    Action = Options.ReadAction(action.Name, parsed.GetValue(action)!),
                    Resource = new V1.Entity { Uid = Options.ReadUid(resource.Name, parsed.GetValue(resource)!) },
                    RiskSignals = Options.ReadSignals(parsed),
                    MfaProof = parsed.GetValue(proof) ?? "",
                    Explain = parsed.GetValue(explain),
                    AtLeastRevision = parsed.GetValue(revision) ?? "",
                };
                if (parsed.GetValue(principal) is not null
                    && (parsed.GetValue(Options.TokenFile) ?? parsed.GetValue(Options.Token)) is not null)
                {
                    throw new UsageException($"{principal.Name} excludes {Options.TokenFile.Name} and {Options.Token.Name}");
                }

                if (parsed.GetValue(principal) is { } uid)
                    request.Principal = Options.ReadUid(principal.Name, uid);
                else
                    request.Token = Options.ReadToken(parsed, $"{principal.Name} or {Options.TokenFile.Name}");

                request.Resource.Parents.Add((parsed.GetValue(parents) ?? []).Select(p => Options.ReadUid(parents.Name, p)));
                foreach (var (name, value) in (parsed.GetValue(attributes) ?? []).Select(a => Options.ReadAttribute(attributes.Name, a)))
                    request.Resource.Attributes[name] = value;

                foreach (var (name, value) in (parsed.GetValue(context) ?? []).Select(a => Options.ReadAttribute(context.Name, a)))
                    request.Context[name] = value;

                return new V1.AuthSidecarService.AuthSidecarServiceClient(channel).CheckPermissionAsync(request, call);
            },
            Print.Decision);
    }

    public static Command EvaluateRisk()
    {
        var subject = CliOption.Of<string>("--subject", "ENTITY", "The subject, as in Cedar.").Require();
        var action = CliOption.Of<string>("--action", "ACTION", "The action.");
        return ClientCommand.Create(
            "evaluate-risk",
            "Evaluate the risk of an access. Print its score and factors.",
            "authsidecar evaluate-risk --subject 'User::\"alice\"' --peer 203.0.113.7 --device laptop",
            Decisions,
            [subject, action, .. Options.Signals],
            (parsed, channel, call) => new V1.AuthSidecarService.AuthSidecarServiceClient(channel).EvaluateRiskAsync(
                new V1.EvaluateRiskRequest
                {
                    Subject = Options.ReadUid(subject.Name, parsed.GetValue(subject)!),
                    Signals = Options.ReadSignals(parsed),
                    Action = parsed.GetValue(action) is { } text ? Options.ReadAction(action.Name, text) : null,
                },
                call),
            Print.Risk);
    }

    public static Command VerifyMfa()
    {
        var subject = CliOption.Of<string>("--subject", "ENTITY", "The subject of the factor, as in Cedar.").Require();
        var factor = CliOption.Of<string>("--factor", "ID", "The id of the factor.").Require();
        var code = CliOption.Of<string>("--code", "CODE", "The code.").Require();
        var session = CliOption.Of<string>("--session", "ID", "The session to bind the proof to.");
        return ClientCommand.Create(
            "verify-mfa",
            "Verify a second factor: right, fresh and not used before. Print a proof for `check --mfa-proof`.",
            "authsidecar verify-mfa --subject 'User::\"alice\"' --factor phone --code 123456",
            [(ExitCode.Allow, "verified"), (ExitCode.Deny, "not verified")],
            [subject, factor, code, session],
            (parsed, channel, call) => new V1.AuthSidecarService.AuthSidecarServiceClient(channel).VerifyMfaAsync(
                new V1.VerifyMfaRequest
                {
                    Subject = Options.ReadUid(subject.Name, parsed.GetValue(subject)!),
                    FactorId = parsed.GetValue(factor)!,
                    Code = parsed.GetValue(code)!,
                    Context = new V1.MfaContext { SessionId = parsed.GetValue(session) ?? "" },
                },
                call),
            Print.Mfa);
    }

    public static Command Health() => ClientCommand.Create(
        "health",
        "Check whether the sidecar is ready to answer.",
        "authsidecar health --timeout-ms 1000",
        [(ExitCode.Success, "ready"), (ExitCode.Deny, "not ready")],
        [],
        (_, channel, call) => new Health.HealthClient(channel).CheckAsync(new HealthCheckRequest(), call),
        Print.Health);
}
