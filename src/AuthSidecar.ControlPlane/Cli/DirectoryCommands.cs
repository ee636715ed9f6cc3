using System.CommandLine;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>The commands about users: what they are members of, their second factors, and what is revoked of theirs.</summary>
internal static class DirectoryCommands
{
    /// <summary><c>authsidecar-control members</c>.</summary>
    public static Command Members()
    {
        var entity = new Argument<string>("entity") { Description = "Whose memberships, as in Cedar: 'User::\"alice\"'." };
        var add = new Option<string[]>("--add") { Description = "A group or role to be a member of, as in Cedar; may be repeated." };
        var remove = new Option<string[]>("--remove") { Description = "A group or role to be no longer a member of; may be repeated." };
        return AdminCommand.Create("members", "Changes what an entity is a member of, and prints the revision.", [entity, add, remove], async (parsed, channel, output, cancellation) =>
        {
            var response = await new DirectoryService.DirectoryServiceClient(channel).ChangeMembershipsAsync(
                new ChangeMembershipsRequest { Entity = parsed.GetValue(entity)!, Added = { parsed.GetValue(add) ?? [] }, Removed = { parsed.GetValue(remove) ?? [] } }, cancellationToken: cancellation);
            output.WriteLine(response.Revision);
        });
    }

    /// <summary><c>authsidecar-control factors</c>.</summary>
    public static Command Factors()
    {
        var subject = new Argument<string>("subject") { Description = "Whose, as in Cedar: 'User::\"alice\"'." };
        var id = new Option<string>("--id") { Description = "Which of their factors.", Required = true };
        var account = new Option<string>("--account") { Description = "What the app is to call the account.", DefaultValueFactory = _ => "" };
        return new Command("factors", "Second factors.")
        {
            AdminCommand.Create("enrol-totp", "Enrols an authenticator app, and prints the `otpauth:` URI for it, this once.", [subject, id, account], async (parsed, channel, output, cancellation) =>
            {
                var response = await new FactorService.FactorServiceClient(channel).EnrolTotpAsync(
                    new EnrolTotpRequest { Subject = parsed.GetValue(subject)!, FactorId = parsed.GetValue(id)!, Account = parsed.GetValue(account)! }, cancellationToken: cancellation);
                output.WriteLine(response.OtpauthUri);
            }),
            AdminCommand.Create("enrol-backup-codes", "Makes ten backup codes in place of those before, and prints them, this once.", [subject, id], async (parsed, channel, output, cancellation) =>
            {
                var response = await new FactorService.FactorServiceClient(channel).EnrolBackupCodesAsync(
                    new EnrolBackupCodesRequest { Subject = parsed.GetValue(subject)!, FactorId = parsed.GetValue(id)! }, cancellationToken: cancellation);
                foreach (var code in response.Codes)
                {
                    output.WriteLine(code);
                }
            }),
            AdminCommand.Create("remove", "Takes a factor away.", [subject, id], async (parsed, channel, output, cancellation) =>
            {
                var response = await new FactorService.FactorServiceClient(channel).RemoveFactorAsync(
                    new RemoveFactorRequest { Subject = parsed.GetValue(subject)!, FactorId = parsed.GetValue(id)! }, cancellationToken: cancellation);
                output.WriteLine($"removed: revision {response.Revision}");
            }),
            AdminCommand.Create("list", "Which factors a subject has.", [subject], async (parsed, channel, output, cancellation) =>
            {
                var response = await new FactorService.FactorServiceClient(channel).ListFactorsAsync(new ListFactorsRequest { Subject = parsed.GetValue(subject)! }, cancellationToken: cancellation);
                foreach (var factor in response.Factors)
                {
                    output.WriteLine($"{factor.FactorId}  {factor.Kind}");
                }
            }),
        };
    }

    /// <summary><c>authsidecar-control revoke</c>.</summary>
    public static Command Revoke()
    {
        var issuer = new Option<string>("--issuer") { Description = "`iss` of the tokens.", Required = true };
        var token = new Option<string?>("--token-id") { Description = "The token with this `jti`." };
        var session = new Option<string?>("--session-id") { Description = "All tokens with this `sid`, issued before now." };
        var subject = new Option<string?>("--subject") { Description = "All tokens with this `sub`, issued before now." };
        return AdminCommand.Create("revoke", "Revokes a token, a session, or all tokens of a subject, and prints the revision.", [issuer, token, session, subject], async (parsed, channel, output, cancellation) =>
        {
            var revocation = new Revocation { Issuer = parsed.GetValue(issuer)! };
            switch (parsed.GetValue(token), parsed.GetValue(session), parsed.GetValue(subject))
            {
                case ({ } jti, null, null): revocation.TokenId = jti; break;
                case (null, { } sid, null): revocation.SessionId = sid; break;
                case (null, null, { } sub): revocation.Subject = sub; break;
                default: throw new InvalidDataException("give one of `--token-id`, `--session-id` and `--subject`");
            }

            var response = await new RevocationService.RevocationServiceClient(channel).RevokeAsync(new RevokeRequest { Revocation = revocation }, cancellationToken: cancellation);
            output.WriteLine(response.Revision);
        });
    }
}
