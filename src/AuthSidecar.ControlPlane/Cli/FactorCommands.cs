using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>The commands about second factors.</summary>
internal static class FactorCommands
{
    /// <summary><c>authsidecar-control factors</c>.</summary>
    public static Command Factors()
    {
        var subject = new Argument<string>("subject") { Description = "The subject, as in Cedar: 'User::\"alice\"'." };
        var id = CliOption.Of<string>("--id", "ID", "The id of the factor.").Require();
        var account = CliOption.Of<string>("--account", "NAME", "The account name shown by the authenticator app.").WithDefault(() => "");
        return new Command("factors", "Enrol, list and remove second factors.")
        {
            AdminCommand.Create("enrol-totp", "Enrol an authenticator app and print its `otpauth:` URI, which cannot be shown again.",
                "authsidecar-control factors enrol-totp 'User::\"alice\"' --id phone --account alice@example.com", [subject, id, account],
                async (parsed, channel, output, cancellation) =>
            {
                var response = await new FactorService.FactorServiceClient(channel).EnrolTotpAsync(
                    new EnrolTotpRequest
                    {
                        Subject = parsed.GetValue(subject)!,
                        FactorId = parsed.GetValue(id)!,
                        Account = parsed.GetValue(account)!,
                    }, cancellationToken: cancellation);
                output.WriteLine(response.OtpauthUri);
            }),
            AdminCommand.Create("enrol-backup-codes",
                "Create and print ten backup codes, replacing the previous ones. They cannot be shown again.",
                "authsidecar-control factors enrol-backup-codes 'User::\"alice\"' --id backup", [subject, id],
                async (parsed, channel, output, cancellation) =>
            {
                var response = await new FactorService.FactorServiceClient(channel).EnrolBackupCodesAsync(
                    new EnrolBackupCodesRequest { Subject = parsed.GetValue(subject)!, FactorId = parsed.GetValue(id)! },
                    cancellationToken: cancellation);
                foreach (var code in response.Codes)
                    output.WriteLine(code);
            }),
            AdminCommand.Create("remove", "Remove a factor.", "authsidecar-control factors remove 'User::\"alice\"' --id phone",
                [subject, id], async (parsed, channel, output, cancellation) =>
            {
                var response = await new FactorService.FactorServiceClient(channel).RemoveFactorAsync(
                    new RemoveFactorRequest { Subject = parsed.GetValue(subject)!, FactorId = parsed.GetValue(id)! },
                    cancellationToken: cancellation);
                output.WriteLine($"removed: revision {response.Revision}");
            }),
            AdminCommand.Create("list", "List the factors of a subject.", "authsidecar-control factors list 'User::\"alice\"'", [subject],
                async (parsed, channel, output, cancellation) =>
            {
                var response = await new FactorService.FactorServiceClient(channel).ListFactorsAsync(
                    new ListFactorsRequest { Subject = parsed.GetValue(subject)! }, cancellationToken: cancellation);
                foreach (var factor in response.Factors)
                    output.WriteLine($"{factor.FactorId}  {factor.Kind}");
            }),
        };
    }
}
