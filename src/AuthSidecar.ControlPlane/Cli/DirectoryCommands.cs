using System.CommandLine;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>The commands about users: what they are members of, their second factors, and what is revoked of theirs.</summary>
internal static class DirectoryCommands
{
    /// <summary><c>authsidecar-control members</c>.</summary>
    public static Command Members()
    {
        var entity = new Argument<string>("entity") { Description = "The entity, as in Cedar: 'User::\"alice\"'." };
        var add = new Option<string[]>("--add") { Description = "A group or role to add, as in Cedar; may be repeated." };
        var remove = new Option<string[]>("--remove") { Description = "A group or role to remove; may be repeated." };
        return AdminCommand.Create("members", "Adds and removes group and role memberships of an entity, and prints the revision.", [entity, add, remove], async (parsed, channel, output, cancellation) =>
        {
            var response = await new DirectoryService.DirectoryServiceClient(channel).ChangeMembershipsAsync(
                new ChangeMembershipsRequest { Entity = parsed.GetValue(entity)!, Added = { parsed.GetValue(add) ?? [] }, Removed = { parsed.GetValue(remove) ?? [] } }, cancellationToken: cancellation);
            output.WriteLine(response.Revision);
        });
    }

    /// <summary><c>authsidecar-control factors</c>.</summary>
    public static Command Factors()
    {
        var subject = new Argument<string>("subject") { Description = "The subject, as in Cedar: 'User::\"alice\"'." };
        var id = new Option<string>("--id") { Description = "The id of the factor.", Required = true };
        var account = new Option<string>("--account") { Description = "The account name shown by the authenticator app.", DefaultValueFactory = _ => "" };
        return new Command("factors", "Enrols, lists and removes second factors.")
        {
            AdminCommand.Create("enrol-totp", "Enrols an authenticator app and prints its `otpauth:` URI; it cannot be shown again.", [subject, id, account], async (parsed, channel, output, cancellation) =>
            {
                var response = await new FactorService.FactorServiceClient(channel).EnrolTotpAsync(
                    new EnrolTotpRequest { Subject = parsed.GetValue(subject)!, FactorId = parsed.GetValue(id)!, Account = parsed.GetValue(account)! }, cancellationToken: cancellation);
                output.WriteLine(response.OtpauthUri);
            }),
            AdminCommand.Create("enrol-backup-codes", "Creates ten backup codes, replacing the previous ones, and prints them; they cannot be shown again.", [subject, id], async (parsed, channel, output, cancellation) =>
            {
                var response = await new FactorService.FactorServiceClient(channel).EnrolBackupCodesAsync(
                    new EnrolBackupCodesRequest { Subject = parsed.GetValue(subject)!, FactorId = parsed.GetValue(id)! }, cancellationToken: cancellation);
                foreach (var code in response.Codes)
                {
                    output.WriteLine(code);
                }
            }),
            AdminCommand.Create("remove", "Removes a factor.", [subject, id], async (parsed, channel, output, cancellation) =>
            {
                var response = await new FactorService.FactorServiceClient(channel).RemoveFactorAsync(
                    new RemoveFactorRequest { Subject = parsed.GetValue(subject)!, FactorId = parsed.GetValue(id)! }, cancellationToken: cancellation);
                output.WriteLine($"removed: revision {response.Revision}");
            }),
            AdminCommand.Create("list", "Lists the factors of a subject.", [subject], async (parsed, channel, output, cancellation) =>
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
        var target = new RevocationTarget();
        return AdminCommand.Create("revoke", "Revokes a token, or all tokens of a session or subject issued until now, and prints the revision.", [.. target.Options], async (parsed, channel, output, cancellation) =>
        {
            var response = await new RevocationService.RevocationServiceClient(channel).RevokeAsync(new RevokeRequest { Revocation = target.Read(parsed) }, cancellationToken: cancellation);
            output.WriteLine(response.Revision);
        });
    }

    /// <summary><c>authsidecar-control revocations</c>.</summary>
    public static Command Revocations()
    {
        var application = new Option<string>("--application") { Description = "The application.", Required = true }.NotEmpty();
        var madeFor = new Option<string>("--application") { Description = "The application of the revocation, as `list` shows it. Default: all applications.", DefaultValueFactory = _ => "" }.NotEmpty();
        var target = new RevocationTarget();
        return new Command("revocations", "Lists and removes revocations.")
        {
            AdminCommand.Create("list", "Lists revocations of an application and of all applications, oldest first.", [application], async (parsed, channel, output, cancellation) =>
            {
                var client = new RevocationService.RevocationServiceClient(channel);
                var request = new ListRevocationsRequest { Application = parsed.GetValue(application)!, PageSize = 1_000 };
                while ((await client.ListRevocationsAsync(request, cancellationToken: cancellation)).Revocations is { Count: > 0 } page)
                {
                    foreach (var each in page)
                    {
                        Write(output, each);
                    }

                    request.AfterRevision = page[^1].Revision;
                }
            }),
            AdminCommand.Create("remove", "Removes a revocation (tokens that have not expired are accepted again), and prints the revision.", [.. target.Options, madeFor], async (parsed, channel, output, cancellation) =>
            {
                var response = await new RevocationService.RevocationServiceClient(channel).RemoveRevocationAsync(
                    new RemoveRevocationRequest { Revocation = target.Read(parsed), Application = parsed.GetValue(madeFor)! }, cancellationToken: cancellation);
                output.WriteLine(response.Revision);
            }),
        };
    }

    private static void Write(TextWriter output, RecordedRevocation recorded)
    {
        var revocation = recorded.Revocation;
        var what = revocation.TargetCase switch
        {
            Revocation.TargetOneofCase.TokenId => $"token {revocation.TokenId}",
            Revocation.TargetOneofCase.SessionId => $"session {revocation.SessionId}",
            _ => $"subject {revocation.Subject}",
        };
        var before = revocation.NotBefore is { } at && revocation.TargetCase != Revocation.TargetOneofCase.TokenId ? $", issued until {at.ToDateTimeOffset():u}" : "";
        output.WriteLine($"{recorded.Revision}  {what} of {revocation.Issuer} {(recorded.Application.Length == 0 ? "for all applications" : $"for the application {recorded.Application}")}{before}, expires {revocation.ExpiresAt.ToDateTimeOffset():u}");
    }

    /// <summary>The options that identify a revocation.</summary>
    private sealed class RevocationTarget
    {
        private readonly Option<string> _issuer = new("--issuer") { Description = "`iss` of the tokens.", Required = true };
        private readonly Option<string?> _token = new("--token-id") { Description = "The token with this `jti`." };
        private readonly Option<string?> _session = new("--session-id") { Description = "The session: all tokens with this `sid`." };
        private readonly Option<string?> _subject = new("--subject") { Description = "The subject: all tokens with this `sub`." };

        public IReadOnlyList<Option> Options => [_issuer, _token, _session, _subject];

        /// <exception cref="InvalidDataException">None, or more than one of them is specified.</exception>
        public Revocation Read(ParseResult parsed)
        {
            var revocation = new Revocation { Issuer = parsed.GetValue(_issuer)! };
            switch (parsed.GetValue(_token), parsed.GetValue(_session), parsed.GetValue(_subject))
            {
                case ({ } jti, null, null): revocation.TokenId = jti; break;
                case (null, { } sid, null): revocation.SessionId = sid; break;
                case (null, null, { } sub): revocation.Subject = sub; break;
                default: throw new InvalidDataException("specify exactly one of `--token-id`, `--session-id` and `--subject`");
            }

            return revocation;
        }
    }
}
