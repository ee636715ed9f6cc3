using System.CommandLine;
using AuthSidecar.Common;
using Grpc.Health.V1;
using Wire = AuthSidecar.V1;

namespace AuthSidecar.Cli;

/// <summary>The commands that ask a running sidecar: one for each call, and one for its health.</summary>
internal static class CallCommands
{
    public static Command ValidateToken()
    {
        var audience = new Option<string>("--audience") { Description = "The audience that the token must have." };
        var scopes = new Option<string[]>("--scope") { Description = "A scope that the token must have; may be repeated." };
        return ClientCommand.Create(
            "validate-token",
            "Is this token genuine, meant for us, unexpired and unrevoked, and who is it?",
            [Options.TokenFile, Options.Token, audience, scopes],
            (parsed, channel, call) => new Wire.AuthSidecarService.AuthSidecarServiceClient(channel).ValidateTokenAsync(
                new Wire.ValidateTokenRequest
                {
                    Token = Options.ReadToken(parsed),
                    Audience = parsed.GetValue(audience) ?? "",
                    RequiredScopes = { parsed.GetValue(scopes) ?? [] },
                },
                call),
            Print.Token);
    }

    public static Command Check()
    {
        var principal = new Option<string>("--principal") { Description = "The principal, as in Cedar: 'User::\"alice\"'. Default: the token's subject." };
        var action = new Option<string>("--action") { Description = "The action: a bare word, or as in Cedar.", Required = true };
        var resource = new Option<string>("--resource") { Description = "The resource, as in Cedar: 'Document::\"plan\"'.", Required = true };
        var attributes = new Option<string[]>("--attribute") { Description = "An attribute of the resource as name=value; may be repeated." };
        var parents = new Option<string[]>("--parent") { Description = "An entity the resource is a member of; may be repeated." };
        var context = new Option<string[]>("--context") { Description = "An attribute of the context as name=value; may be repeated." };
        var proof = new Option<string>("--mfa-proof") { Description = "The proof that verify-mfa answered with." };
        var explain = new Option<bool>("--explain") { Description = "Show the result of every policy." };
        var revision = new Option<string>("--at-least-revision") { Description = "Wait for this revision, as a write prints it: HISTORY.NUMBER." }.NotEmpty();
        return ClientCommand.Create(
            "check",
            "May this principal do this action on this resource? And if not, what would make it so?",
            [Options.TokenFile, Options.Token, principal, action, resource, attributes, parents, context, proof, explain, revision, .. Options.Signals],
            (parsed, channel, call) =>
            {
                var request = new Wire.CheckPermissionRequest
                {
                    Action = Options.ReadAction(action.Name, parsed.GetValue(action)!),
                    Resource = new Wire.Entity { Uid = Options.ReadUid(resource.Name, parsed.GetValue(resource)!) },
                    RiskSignals = Options.ReadSignals(parsed),
                    MfaProof = parsed.GetValue(proof) ?? "",
                    Explain = parsed.GetValue(explain),
                    AtLeastRevision = parsed.GetValue(revision) ?? "",
                };
                if (parsed.GetValue(principal) is { } uid)
                {
                    request.Principal = Options.ReadUid(principal.Name, uid);
                }
                else
                {
                    request.Token = Options.ReadToken(parsed);
                }

                request.Resource.Parents.Add((parsed.GetValue(parents) ?? []).Select(p => Options.ReadUid(parents.Name, p)));
                foreach (var (name, value) in (parsed.GetValue(attributes) ?? []).Select(a => Options.ReadAttribute(attributes.Name, a)))
                {
                    request.Resource.Attributes[name] = value;
                }

                foreach (var (name, value) in (parsed.GetValue(context) ?? []).Select(a => Options.ReadAttribute(context.Name, a)))
                {
                    request.Context[name] = value;
                }

                return new Wire.AuthSidecarService.AuthSidecarServiceClient(channel).CheckPermissionAsync(request, call);
            },
            Print.Decision);
    }

    public static Command EvaluateRisk()
    {
        var subject = new Option<string>("--subject") { Description = "The subject, as in Cedar.", Required = true };
        var action = new Option<string>("--action") { Description = "The action." };
        return ClientCommand.Create(
            "evaluate-risk",
            "How risky is this access, and which factors make it so?",
            [subject, action, .. Options.Signals],
            (parsed, channel, call) => new Wire.AuthSidecarService.AuthSidecarServiceClient(channel).EvaluateRiskAsync(
                new Wire.EvaluateRiskRequest
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
        var subject = new Option<string>("--subject") { Description = "The subject of the factor, as in Cedar.", Required = true };
        var factor = new Option<string>("--factor") { Description = "The id of the factor.", Required = true };
        var code = new Option<string>("--code") { Description = "The code.", Required = true };
        var session = new Option<string>("--session") { Description = "The session to bind the proof to." };
        return ClientCommand.Create(
            "verify-mfa",
            "Is this second factor right, fresh and not used before?",
            [subject, factor, code, session],
            (parsed, channel, call) => new Wire.AuthSidecarService.AuthSidecarServiceClient(channel).VerifyMfaAsync(
                new Wire.VerifyMfaRequest
                {
                    Subject = Options.ReadUid(subject.Name, parsed.GetValue(subject)!),
                    FactorId = parsed.GetValue(factor)!,
                    Code = parsed.GetValue(code)!,
                    Context = new Wire.MfaContext { SessionId = parsed.GetValue(session) ?? "" },
                },
                call),
            Print.Mfa);
    }

    public static Command Health() => ClientCommand.Create(
        "health",
        "Is the sidecar ready to answer?",
        [],
        (_, channel, call) => new Health.HealthClient(channel).CheckAsync(new HealthCheckRequest(), call),
        Print.Health);
}
