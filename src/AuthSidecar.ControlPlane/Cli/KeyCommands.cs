using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>The commands about keys.</summary>
internal static class KeyCommands
{
    /// <summary><c>authsidecar-control keys</c>.</summary>
    public static Command Keys()
    {
        var revoke = CliOption.Flag("--revoke", "Revoke the existing keys (compromise): all tokens that they signed are rejected.");
        return new Command("keys", "List and rotate token signing keys, trust anchors (CA, bundle-signing key) and the password pepper.")
        {
            AdminCommand.Create("list", "List token signing keys: the next one, the active one, and those whose tokens have not expired.",
                "authsidecar-control keys list", [], async (_, channel, output, cancellation) =>
            {
                var response = await new KeyService.KeyServiceClient(channel).ListSigningKeysAsync(new ListSigningKeysRequest(),
                    cancellationToken: cancellation);
                foreach (var key in response.Keys)
                {
                    output.WriteLine(
                        $"{key.KeyId}  {key.Algorithm}  signs from {key.SignsFrom.ToDateTimeOffset():u}{(key.IsSigning ? "  (now)" : "")}");
                }
            }),
            AdminCommand.Create("list-trust-anchors",
                "List CAs and bundle-signing keys with their state: announced, active, retiring or revoked.",
                "authsidecar-control keys list-trust-anchors", [], async (_, channel, output, cancellation) =>
            {
                foreach (var anchor in (await new KeyService.KeyServiceClient(channel).ListTrustAnchorsAsync(new ListTrustAnchorsRequest(),
                    cancellationToken: cancellation)).Anchors)
                {
                    Write(output, anchor);
                }
            }),
            RotateTrustAnchor("rotate-ca", TrustAnchorUse.Ca,
                "Create a CA and announce it to all sidecars; it becomes active when the announcement period ends."),
            RotateTrustAnchor("rotate-bundle-key", TrustAnchorUse.BundleSigning,
                "Create a bundle-signing key and announce it to all sidecars; it becomes active when the announcement period ends."),
            AdminCommand.Create("rotate", "Rotate the token signing key immediately, and print the revision.",
                "authsidecar-control keys rotate", [revoke], async (parsed, channel, output, cancellation) =>
            {
                var response = await new KeyService.KeyServiceClient(channel).RotateSigningKeysAsync(
                    new RotateSigningKeysRequest { Revoke = parsed.GetValue(revoke) }, cancellationToken: cancellation);
                output.WriteLine(response.Revision);
            }),
            AdminCommand.Create("rotate-pepper",
                "Rotate the password pepper: passwords are rehashed when they are next used. Print the revision.",
                "authsidecar-control keys rotate-pepper", [], async (_, channel, output, cancellation) =>
            {
                var response = await new KeyService.KeyServiceClient(channel).RotatePasswordPepperAsync(new RotatePasswordPepperRequest(),
                    cancellationToken: cancellation);
                output.WriteLine(response.Revision);
            }),
        };
    }

    private static Command RotateTrustAnchor(string name, TrustAnchorUse use, string description)
    {
        var announce = CliOption.Of<int>("--announce-seconds", "SECONDS",
            "Announcement period in seconds, 1 to 2592000. Default: 2 days. The previous key stays trusted for 2 more days, a CA for 31. "
                + "Sidecars disconnected for the whole time have to enrol again.").Range(1, 2_592_000);
        var revoke = CliOption.Flag("--revoke",
            "Revoke the active and any announced one (compromise): sidecars stop trusting it, and the new one becomes active immediately.");
        return AdminCommand.Create(
            name, description, $"authsidecar-control keys {name}", [announce, revoke], async (parsed, channel, output, cancellation) =>
        {
            var response = await new KeyService.KeyServiceClient(channel).RotateTrustAnchorAsync(
                new RotateTrustAnchorRequest { Use = use, AnnounceSeconds = parsed.GetValue(announce), Revoke = parsed.GetValue(revoke) },
                cancellationToken: cancellation);
            Write(output, response.Anchor);
            output.WriteLine(response.Revision);
        });
    }

    private static void Write(TextWriter output, TrustAnchor anchor)
    {
        var use = anchor.Use == TrustAnchorUse.Ca ? "CA" : "bundle-signing key";
        var removed = anchor.RemovedAt is { } at ? $", removed at {at.ToDateTimeOffset():u}" : "";
        output.WriteLine(
            $"{anchor.KeyId}  {use}  {anchor.State.ToString().ToLowerInvariant()}, active from "
                + $"{anchor.ActiveFrom.ToDateTimeOffset():u}{removed}");
    }
}
