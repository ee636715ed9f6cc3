using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>The commands about revocations.</summary>
internal static class RevocationCommands
{
    /// <summary><c>authsidecar-control revocations</c>.</summary>
    public static Command Revocations()
    {
        var application = CliOption.Of<string>("--application", "NAME", "The application.").Require();
        var madeFor = CliOption.Of<string>("--application", "NAME",
            "The application of the revocation, as `list` shows it. Default: all applications.").WithDefault(() => "");
        var target = new RevocationTarget();
        return new Command("revocations", "Add, list and remove revocations.")
        {
            AdminCommand.Create("add", "Revoke a token, or all tokens of a session or subject issued until now, and print the revision.",
                "authsidecar-control revocations add --issuer https://issuer.example --subject alice", [.. target.Options],
                async (parsed, channel, output, cancellation) =>
            {
                var response = await new RevocationService.RevocationServiceClient(channel)
                    .RevokeAsync(new RevokeRequest { Revocation = target.Read(parsed) }, cancellationToken: cancellation);
                output.WriteLine(response.Revision);
            }),
            AdminCommand.Create("list", "List revocations of an application and of all applications, oldest first.",
                "authsidecar-control revocations list --application documents", [application],
                async (parsed, channel, output, cancellation) =>
            {
                var client = new RevocationService.RevocationServiceClient(channel);
                var request = new ListRevocationsRequest { Application = parsed.GetValue(application)!, PageSize = 1_000 };
                while ((await client.ListRevocationsAsync(request, cancellationToken: cancellation)).Revocations is { Count: > 0 } page)
                {
                    foreach (var each in page)
                        Write(output, each);

                    request.AfterRevision = page[^1].Revision;
                }
            }),
            AdminCommand.Create("remove", "Remove a revocation (tokens that have not expired are accepted again), and print the revision.",
                "authsidecar-control revocations remove --issuer https://issuer.example --subject alice", [.. target.Options, madeFor],
                async (parsed, channel, output, cancellation) =>
            {
                var response = await new RevocationService.RevocationServiceClient(channel).RemoveRevocationAsync(
                    new RemoveRevocationRequest { Revocation = target.Read(parsed), Application = parsed.GetValue(madeFor)! },
                    cancellationToken: cancellation);
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
        var before = revocation.NotBefore is { } at && revocation.TargetCase != Revocation.TargetOneofCase.TokenId
            ? $", issued until {at.ToDateTimeOffset():u}" : "";
        output.WriteLine(
            $"{recorded.Revision}  {what} of {revocation.Issuer} "
                + $"{(recorded.Application.Length == 0 ? "for all applications" : $"for the application {recorded.Application}")}{before}, "
                + $"expires {revocation.ExpiresAt.ToDateTimeOffset():u}");
    }

    /// <summary>The options that identify a revocation.</summary>
    private sealed class RevocationTarget
    {
        private readonly Option<string> _issuer = CliOption.Of<string>("--issuer", "ISSUER", "`iss` of the tokens.").Require();
        private readonly Option<string?> _token = CliOption.Of<string?>("--token-id", "ID", "The token with this `jti`.");
        private readonly Option<string?> _session = CliOption.Of<string?>("--session-id", "ID", "The session: all tokens with this `sid`.");
        private readonly Option<string?> _subject = CliOption.Of<string?>(
            "--subject", "SUBJECT", "The subject: all tokens with this `sub`.");

        public IReadOnlyList<Option> Options => [_issuer, _token, _session, _subject];

        /// <exception cref="InvalidDataException">No target, or more than one, is specified.</exception>
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
