namespace AuthSidecar.ControlPlane.Cli;

/// <summary>The commands about the credentials of an administrator.</summary>
internal static class CredentialsCommands
{
    /// <summary><c>authsidecar-control credentials</c>.</summary>
    public static Command Credentials() => new("credentials", "Create credentials of an administrator, and print access tokens with them.")
    {
        CreateCredentials(), PrintAccessToken(),
    };

    private static Command CreateCredentials()
    {
        var (url, name, ca, file) = (Url(), Name(), Ca(), CredentialsFile());
        var command = new Command("create",
            "Create a private key for an administrator in a local file, and print its public key for `administrators write --jwks`.")
        {
            url, name, ca, file,
        }.WithExamples("authsidecar-control credentials create https://control.example:8443 --name bob --ca ca.pem");
        command.SetAction((parsed, _) => AdminCommand.RunAsync(parsed.GetValue(url)!, () =>
        {
            var credentials = Create(parsed, url, name, ca);
            credentials.Save(parsed.GetValue(file)!);
            Console.WriteLine(credentials.ToJwks());
            return Task.CompletedTask;
        }));
        return command;
    }

    private static Command PrintAccessToken()
    {
        var file = CredentialsFile();
        var command = new Command("print-access-token", "Print an access token for HTTP clients.") { file }.WithExamples(
            "authsidecar-control credentials print-access-token");
        command.SetAction((parsed, cancellation) => AdminCommand.RunAsync(parsed.GetValue(file)!, async () =>
        {
            var credentials = Cli.Credentials.Load(parsed.GetValue(file)!);
            return await AdminCommand.RunAsync(credentials.Url.ToString(), async () =>
            {
                using var http = new HttpMessageInvoker(credentials.CreateHandler());
                Console.WriteLine(await credentials.GetTokenAsync(http, TimeProvider.System, cancellation));
            });
        }));
        return command;
    }

    /// <exception cref="InvalidDataException">The address is none.</exception>
    internal static Credentials Create(ParseResult parsed, Argument<string> url, Option<string> name, Option<string?> ca) =>
        !Names.Are(parsed.GetValue(name)!)
            ? throw new InvalidDataException($"{name.Name}: `{parsed.GetValue(name)}` must have {Names.Form}")
        : Uri.TryCreate(parsed.GetValue(url)!, UriKind.Absolute, out var address) && address.Scheme == Uri.UriSchemeHttps
            && (address.Query + address.UserInfo + address.Fragment).Length == 0
            ? Cli.Credentials.Create(address, parsed.GetValue(name)!, parsed.GetValue(ca) is { } path ? ReadCa(path) : null)
            : throw new InvalidDataException($"`{parsed.GetValue(url)}` is not an address such as `https://control.example:8443`");

    private static string ReadCa(string path)
    {
        CertificateChains.ReadAuthorities(path);
        return File.ReadAllText(path);
    }

    internal static Argument<string> Url() => new("url")
    {
        Description = "The control plane's address, such as `https://control.example:8443`.",
    };

    internal static Option<string> Name() => CliOption.Of<string>("--name", "NAME", "The administrator's name.").Require();

    internal static Option<string?> Ca() =>
        CliOption.Of<string?>("--ca", "FILE",
            "The CA of the control plane's certificate, in PEM, such as `ca.pem` of its state folder. Default: the CAs that this machine "
                + "trusts.");

    internal static Option<string> CredentialsFile() =>
        CliOption.Of<string>("--credentials", "FILE",
            "The file with the private key. Default: `authsidecar/credentials.json` in the configuration folder of the user.")
            .WithDefault(() => Cli.Credentials.DefaultPath);
}
