using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>The commands about identity providers.</summary>
internal static class IdentityProviderCommands
{
    /// <summary><c>authsidecar-control identity-providers</c>.</summary>
    public static Command IdentityProviders()
    {
        var file = new Argument<string>("file")
        {
            Description = "The provider as JSON, as `identity-providers list` prints it; `-` for standard input. With a `revision`, the "
                + "write fails if the current one differs.",
        };
        var replace = JsonFile.ReplaceOption();
        var id = new Argument<string>("id") { Description = "The provider's id." };
        var secret = CliOption.Of<string?>("--secret-file", "FILE",
            "A file with the client secret that the provider has given; `-` for standard input. Without it, the secret is unchanged.");
        return new Command("identity-providers", "Configure external identity providers: Google, GitHub, Microsoft, any OpenID provider.")
        {
            AdminCommand.Create("write", "Create a provider, or update the fields in the file.",
                "authsidecar-control identity-providers write google.json --secret-file google.secret", [file, secret, replace],
                async (parsed, channel, output, cancellation) =>
            {
                var client = new IdentityProviderService.IdentityProviderServiceClient(channel);
                var request = new WriteIdentityProviderRequest
                {
                    IdentityProvider = await JsonFile.ReadAsync(IdentityProvider.Parser, parsed.GetValue(file)!, "an identity provider",
                        parsed.GetValue(replace), cancellation),
                    UpdateMask = JsonFile.MaskOf(parsed, replace),
                };
                var current = (await client.ListIdentityProvidersAsync(new ListIdentityProvidersRequest(),
                    cancellationToken: cancellation)).IdentityProviders.FirstOrDefault(u => u.Id == request.IdentityProvider.Id);
                request.ExpectedRevision = request.IdentityProvider.Revision.Length > 0 ? request.IdentityProvider.Revision
                    : current?.Revision ?? "";
                if (parsed.GetValue(secret) is { } path)
                    request.ClientSecret = await JsonFile.ReadSecretAsync(path, cancellation);

                AdminCommand.WriteResult(
                    output, current is null, (await client.WriteIdentityProviderAsync(request, cancellationToken: cancellation)).Revision);
            }),
            AdminCommand.Create("remove", "Remove a provider and disable sign-in with it.",
                "authsidecar-control identity-providers remove google", [id], async (parsed, channel, output, cancellation) =>
            {
                var response = await new IdentityProviderService.IdentityProviderServiceClient(channel).RemoveIdentityProviderAsync(
                    new RemoveIdentityProviderRequest { Id = parsed.GetValue(id)! }, cancellationToken: cancellation);
                output.WriteLine($"removed: revision {response.Revision}");
            }),
            AdminCommand.Create("list", "List providers, one line of JSON each, with the redirect URI to register.",
                "authsidecar-control identity-providers list", [], async (_, channel, output, cancellation) =>
            {
                foreach (var provider in (await new IdentityProviderService.IdentityProviderServiceClient(channel)
                    .ListIdentityProvidersAsync(
                        new ListIdentityProvidersRequest(), cancellationToken: cancellation)).IdentityProviders)
                {
                    output.WriteLine(JsonFormatter.Default.Format(provider));
                }
            }),
        };
    }
}
