using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>The commands about join tokens.</summary>
internal static class JoinTokenCommands
{
    /// <summary><c>authsidecar-control join-tokens</c>.</summary>
    public static Command JoinTokens()
    {
        var id = new Argument<string>("id") { Description = "The token's id, as `list` shows it." };
        return new Command("join-tokens", "Create, list and remove join tokens.")
        {
            CreateJoinToken(),
            AdminCommand.Create("list", "List join tokens with remaining uses and expiry, newest first.",
                "authsidecar-control join-tokens list", [], async (_, channel, output, cancellation) =>
            {
                var response = await new SidecarService.SidecarServiceClient(channel).ListJoinTokensAsync(new ListJoinTokensRequest(),
                    cancellationToken: cancellation);
                foreach (var token in response.Tokens)
                {
                    var placement = token.Tenant.Length == 0 ? token.Application : $"{token.Application}/{token.Tenant}";
                    output.WriteLine(
                        $"{token.Id}  {placement}  {token.UsesLeft} of {Count.Of(token.Uses, "use")} left, expires "
                            + $"{token.ExpiresAt.ToDateTimeOffset():u}{(token.Name.Length > 0 ? $", for `{token.Name}`" : "")}"
                            + $"{(token.Replace ? ", replaces" : "")}");
                }

                output.WriteLine(Count.Of(response.Tokens.Count, "join token"));
            }),
            AdminCommand.Create("remove", "Remove a join token. Sidecars that have enrolled with it stay enrolled.",
                "authsidecar-control join-tokens remove 3k9vq2m1x7wb", [id], async (parsed, channel, output, cancellation) =>
            {
                await new SidecarService.SidecarServiceClient(channel).RemoveJoinTokenAsync(
                    new RemoveJoinTokenRequest { Id = parsed.GetValue(id)! }, cancellationToken: cancellation);
                output.WriteLine("removed");
            }),
        };
    }

    private static Command CreateJoinToken()
    {
        var application = SidecarCommands.Application();
        var tenant = SidecarCommands.Tenant();
        var uses = CliOption.Of<int>("--uses", "COUNT", "How many sidecars may use it: 1 to 10000.").WithDefault(() => 1).Range(1, 10_000);
        var lifetime = CliOption.Of<int>("--lifetime-seconds", "SECONDS", "Lifetime in seconds, 1 to 2592000.")
            .WithDefault(() => 3_600).Range(1, 2_592_000);
        var name = CliOption.Of<string>(
            "--for", "NAME", "The only sidecar name that may enrol with it. Default: any.").WithDefault(() => "");
        var replace = CliOption.Flag("--replace", "Allow it to replace a connected sidecar of the same name.");
        return AdminCommand.Create("create", "Create and print a join token for sidecars. It cannot be shown again.",
            "authsidecar-control join-tokens create --application documents", [application, tenant, uses, lifetime, name, replace],
            async (parsed, channel, output, cancellation) =>
        {
            var response = await new SidecarService.SidecarServiceClient(channel).CreateJoinTokenAsync(
                new CreateJoinTokenRequest
                {
                    Application = parsed.GetValue(application)!,
                    Tenant = parsed.GetValue(tenant)!,
                    Uses = parsed.GetValue(uses),
                    LifetimeSeconds = parsed.GetValue(lifetime),
                    Name = parsed.GetValue(name)!,
                    Replace = parsed.GetValue(replace),
                },
                cancellationToken: cancellation);
            output.WriteLine(response.Token);
        });
    }
}
