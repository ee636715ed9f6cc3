using AuthSidecar.ControlPlane.V1;
using Grpc.Net.Client;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary><c>authsidecar-control bootstrap</c>: creates the first administrator.</summary>
internal static class BootstrapCommand
{
    public static Command Create()
    {
        var (url, name, ca, file) = (CredentialsCommands.Url(), CredentialsCommands.Name(), CredentialsCommands.Ca(),
            CredentialsCommands.CredentialsFile());
        var codeFile = CliOption.Of<string?>("--code-file", "FILE",
            "A file with the code: `bootstrap-code` in the state folder of the control plane. Without it, the code is read from standard "
                + "input.");
        var command = new Command("bootstrap",
            "Create the first administrator, with the bootstrap code of the control plane and a new local private key.")
        {
            url, name, ca, file, codeFile,
        }.WithExamples(
                "authsidecar-control bootstrap https://control.example:8443 --name alice --ca ca.pem --code-file "
                    + "/var/lib/authsidecar-control/bootstrap-code");
        command.SetAction((parsed, cancellation) => AdminCommand.RunAsync(parsed.GetValue(url)!, async () =>
        {
            var credentials = CredentialsCommands.Create(parsed, url, name, ca);
            var code = parsed.GetValue(codeFile) is { } codePath ? await File.ReadAllTextAsync(codePath, cancellation) : AskForCode();
            // Kept before it is used, beside where it will be: a key without an office is better than an office without a key.
            var path = parsed.GetValue(file)!;
            var pending = path + ".pending";
            if (Path.Exists(path))
            {
                throw new InvalidDataException(
                    $"`{path}` exists: it may hold the key of an administrator; specify another with `{file.Name}`, or remove it");
            }

            // The answer to the request before was lost: with the same key it may be asked again.
            var isRetry = Path.Exists(pending);
            if (isRetry)
                credentials = Resume(pending, credentials, path);
            else
                credentials.Save(pending);

            try
            {
                using var channel = GrpcChannel.ForAddress(
                    credentials.Url, new GrpcChannelOptions { HttpHandler = credentials.CreateHandler() });
                await new AdministratorService.AdministratorServiceClient(channel).BootstrapControlPlaneAsync(
                    new BootstrapControlPlaneRequest { Code = code.Trim(), Name = credentials.Name, Jwks = credentials.ToJwks() },
                    cancellationToken: cancellation);
            }
            catch (RpcException e) when (e.StatusCode is StatusCode.Unauthenticated or StatusCode.InvalidArgument
                or StatusCode.PermissionDenied or StatusCode.AlreadyExists or StatusCode.FailedPrecondition || AdminCommand.WasNotSent(e))
            {
                // For certain it was not taken; but of the request before nobody knows.
                if (!isRetry)
                    File.Delete(pending);

                throw;
            }
            catch (RpcException)
            {
                Console.Error.WriteLine($"authsidecar-control: bootstrap result unknown; the key is in `{pending}`");
                throw;
            }

            File.Move(pending, path);
            Console.WriteLine($"{credentials.Name} is an owner; the key is in {parsed.GetValue(file)}");
        }));
        return command;
    }

    private static Credentials Resume(string pending, Credentials wanted, string path) =>
        Credentials.Load(pending) is var kept && kept.Url == wanted.Url && kept.Name == wanted.Name ? kept : throw new InvalidDataException(
            $"`{pending}` exists: it has the key of another bootstrap whose result is unknown. If that administrator exists, rename it to "
                + $"`{path}`; else remove it");

    private static string AskForCode()
    {
        if (!Console.IsInputRedirected)
            Console.Error.Write("code: ");

        return Console.In.ReadLine() ?? "";
    }
}
