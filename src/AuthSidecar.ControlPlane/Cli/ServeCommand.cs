using AuthSidecar.ControlPlane.Administrators;
using AuthSidecar.ControlPlane.Hosting;
using AuthSidecar.ControlPlane.Identity;
using AuthSidecar.ControlPlane.Identity.Passwords;
using AuthSidecar.ControlPlane.State;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary><c>authsidecar-control serve</c>.</summary>
internal static class ServeCommand
{
    /// <summary>The exit code of what could not be done.</summary>
    public const int Failed = 2;

    public static Command Create()
    {
        var database = CliOption.Of<string?>(
            "--database", "DATABASE", "`sqlite:PATH`, or `postgres:CONNECTION`. Default: SQLite in the state folder.");
        var keyVault = CliOption.Of<string?>("--key-vault", "VAULT",
            "Where the master key is: `file:PATH`, `env:NAME` or `vault:https://HOST:PORT/KEY`. Default: a file in the state folder.");
        var vaultToken = CliOption.Of<string?>("--vault-token", "FILE", "The file with the Vault token.");
        var state = CliOption.Of<string>("--state", "FOLDER", "The state folder of this node.").Require();
        var admin = CliOption.Of<string?>("--admin-socket", "PATH",
            "The Unix socket for administration; every user who can open it is an owner. Default: $AUTHSIDECAR_CONTROL_SOCKET, else "
                + "`control.sock` in $XDG_RUNTIME_DIR or /run/authsidecar.");
        var listen = CliOption.Of<string?>("--listen", "HOST:PORT", "Address and port for sidecars (gRPC, mutual TLS).");
        var listenHttps = CliOption.Of<string?>(
            "--listen-https", "HOST:PORT", "Address and port for administrators, sign-in pages and OAuth 2.0 (HTTPS).");
        var url = CliOption.Of<string?>(
            "--url", "URL", "The public URL of `--listen-https`, such as `https://control.example:8443`; the issuer of its tokens.");
        var listenCertificates = CliOption.Of<string?>("--listen-certificates", "HOST:PORT",
            "Address and port for clients that authenticate with certificates (mutual TLS, RFC 8705).");
        var certificatesUrl = CliOption.Of<string?>(
            "--certificates-url", "URL", "The public URL of `--listen-certificates`, such as `https://control.example:8444`.");
        var replaceIssuer = CliOption.Flag(
            "--replace-issuer", "Allow `--url` to replace the issuer in the database. All tokens of the previous issuer become invalid.");
        var passwordHashing = CliOption.Of<PasswordScheme>("--password-hashing", null,
            "`argon2id`, or `pbkdf2sha512` where FIPS 140 is required. Passwords are rehashed when they are next used.");
        var passwordPolicy = CliOption.Of<PasswordPolicy>("--password-policy", null,
            "`length`: 15 characters, 8 with a second factor (SP 800-63B-4); `classes`: 12 of all four classes. Common passwords are "
                + "always refused.");
        var commonPasswords = CliOption.Of<string?>(
            "--common-passwords", "FILE", "A file with further common passwords to refuse, one per line.");
        var breached = CliOption.Of<string?>("--breached-passwords", "FILE",
            "A file with sorted SHA-1 hashes of breached passwords (`HASH:COUNT` lines, the Pwned Passwords download ordered by hash); new "
                + "passwords in it are refused.");
        var attempts = CliOption.Of<int>("--attempts-per-minute", "COUNT",
            "Sign-in attempts per client address: burst size, and refill per minute; 20 times as many for token requests. 0: unlimited.")
            .WithDefault(() => 30);
        var proxies = CliOption.Of<string[]>("--trusted-proxy", "CIDR",
            "An address or CIDR range of a reverse proxy: the client is the right-most address in `X-Forwarded-For` that is not one of "
                + "them; may be repeated. Without it the header is ignored.");
        var wait = CliOption.Of<int>("--wait-for-database", "SECONDS", "How long to wait for the database at start, in seconds, 0 to 3600.")
            .WithDefault(() => (int)ServeOptions.DefaultWaitForDatabase.TotalSeconds);
        var afterRestore = CliOption.Flag("--after-restore",
            "The database was restored from a backup: begin a new history, so that all sidecars resynchronize in full. Remove the option "
                + "after this start.");
        var name = CliOption.Of<string[]>("--name", "NAME",
            "DNS name or IP address for the certificate that the control plane's own CA issues to this node; may be repeated.");
        var certificate = CliOption.Of<string?>("--certificate", "FILE", "A server certificate of another CA instead, in PEM.");
        var key = CliOption.Of<string?>("--certificate-key", "FILE", "Its key, in PEM.");
        var clientCa = CliOption.Of<string?>("--client-ca", "FILE", "An additional CA for sidecars' client certificates, in PEM.");
        var kubernetes = CliOption.Of<string?>("--join-kubernetes", "FILE",
            "JSON file with the Kubernetes clusters and service accounts whose pods may enrol with projected service account tokens; "
                + "reloaded when it changes.");
        var logoutHosts = CliOption.Of<string[]>("--logout-private-host", "HOST",
            "A host of `backchannelLogoutUri` that may resolve to a private address, such as one in the same cluster; may be repeated.");
        var keepAudit = CliOption.Of<int>("--keep-audit-days", "DAYS",
            $"Retention of audit records and superseded policies in days, {Retention.MinAuditDays} to {Retention.MaxAuditDays}. Older ones "
                + "are deleted.").WithDefault(() => Retention.DefaultAuditDays).Range(Retention.MinAuditDays, Retention.MaxAuditDays);
        var (log, logLevel) = (ConsoleLog.FormatOption(), ConsoleLog.LevelOption(debug: null));
        var command = new Command("serve", "Run the control plane.")
        {
            database, keyVault, vaultToken, state, admin, listen, listenHttps, url, listenCertificates, certificatesUrl,
            replaceIssuer, passwordHashing, passwordPolicy, commonPasswords, breached, attempts, proxies, wait, afterRestore, name,
            certificate, key, clientCa, kubernetes, keepAudit, logoutHosts, log, logLevel,
        }.WithExamples(
                "authsidecar-control serve --state /var/lib/authsidecar-control --listen 0.0.0.0:7443 --name control.example "
                    + "--listen-https 0.0.0.0:8443 --url https://control.example:8443")
            .WithExitCodes((0, "stopped"), (2, "error"));
        command.SetAction(async (parsed, cancellation) =>
        {
            try
            {
                var options = new ServeOptions
                {
                    Database = Database.Parse(
                        parsed.GetValue(database) ?? $"sqlite:{Path.Combine(parsed.GetValue(state)!, "control.db")}"),
                    KeyVault = parsed.GetValue(keyVault) is { } vault ? KeyVault.Parse(vault, parsed.GetValue(vaultToken)) : null,
                    State = parsed.GetValue(state)!,
                    AdminSocket = parsed.GetValue(admin) ?? ServeOptions.DefaultAdminSocket,
                    Listen = EndPointOf(parsed.GetValue(listen)),
                    ListenHttps = EndPointOf(parsed.GetValue(listenHttps)),
                    Identity = new IdentityServerOptions
                    {
                        Url = UrlOf(parsed.GetValue(url)),
                        CertificatesUrl = UrlOf(parsed.GetValue(certificatesUrl)),
                        ReplaceIssuer = parsed.GetValue(replaceIssuer),
                        LogoutPrivateHosts = parsed.GetValue(logoutHosts) ?? [],
                    },
                    Passwords = new PasswordOptions
                    {
                        Scheme = parsed.GetValue(passwordHashing),
                        Policy = parsed.GetValue(passwordPolicy),
                        CommonPasswords = parsed.GetValue(commonPasswords) is { } words
                            ? await File.ReadAllLinesAsync(words, cancellation) : [],
                        Breached = parsed.GetValue(breached) is { } list ? BreachedPasswords.Open(list) : null,
                    },
                    Addresses = new AddressOptions
                    {
                        TrustedProxies = [.. (parsed.GetValue(proxies) ?? []).Select(NetworkOf)],
                        AttemptsPerMinute = parsed.GetValue(attempts),
                    },
                    ListenCertificates = EndPointOf(parsed.GetValue(listenCertificates)),
                    IsAfterRestore = parsed.GetValue(afterRestore),
                    WaitForDatabase = TimeSpan.FromSeconds(parsed.GetValue(wait)),
                    Names = parsed.GetValue(name) ?? [],
                    Certificate = parsed.GetValue(certificate),
                    CertificateKey = parsed.GetValue(key),
                    ClientCa = parsed.GetValue(clientCa),
                    KeepAudit = TimeSpan.FromDays(parsed.GetValue(keepAudit)),
                    JoinKubernetes = parsed.GetValue(kubernetes),
                    Log = ConsoleLog.FormatOf(parsed, log),
                    LogLevel = ConsoleLog.LevelOf(parsed, logLevel),
                };
                return FindIgnored() is { } ignored ? Fail([ignored]) : await ServeAsync(options, cancellation);
            }
            catch (Exception e) when (e is FormatException or IOException or InvalidDataException or UnauthorizedAccessException
                or System.Data.Common.DbException or KeyVaultException)
            {
                // What an operator can mend: an address in use, a database that is not there, missing permissions.
                return Fail([FileErrors.Describe(e)]);
            }

            // What would be ignored without what it is for.
            string? FindIgnored()
            {
                (Option Stray, Option[] Needed)[] rules =
                [
                    (vaultToken, [keyVault]), (replaceIssuer, [url]), (clientCa, [listen]), (name, [listen, listenHttps]),
                    (attempts, [listenHttps]), (proxies, [listenHttps]), (logoutHosts, [url]),
                ];
                return rules.FirstOrDefault(r => IsGiven(r.Stray) && !r.Needed.Any(IsGiven)) is { Stray: { } stray, Needed: var needed }
                    ? $"`{stray.Name}` requires {string.Join(" or ", needed.Select(n => $"`{n.Name}`"))}"
                    : IsGiven(name) && IsGiven(certificate)
                    ? $"`{certificate.Name}` excludes `{name.Name}`: the names are those of the certificate"
                    : null;
            }

            bool IsGiven(Option option) => parsed.GetResult(option) is { Implicit: false };
        });
        return command;
    }

    private static async Task<int> ServeAsync(ServeOptions options, CancellationToken cancellation)
    {
        var faults = options.Validate().ToList();
        if (faults.Count > 0)
            return Fail(faults);

        OutOfMemory.EndsTheProcess();
        await using var app = ControlPlaneHost.Build(options);
        await app.PrepareAsync(cancellation);
        if (options.Identity.Url is not null)
            await OfferBootstrapAsync(app.Services, options, cancellation);

        await app.RunAsync(cancellation);
        return 0;
    }

    /// <summary>As long as there is no administrator: the code is in a file of its owner's alone, since what is printed is what many can
    /// read in a log.</summary>
    private static async Task OfferBootstrapAsync(IServiceProvider services, ServeOptions options, CancellationToken cancellation)
    {
        var folder = services.GetRequiredService<StateFolder>();
        if (await services.GetRequiredService<AdministratorAccounts>().TryCreateCodeAsync(
            folder.ReadBootstrapCode(), cancellation) is not { } code)
        {
            folder.RemoveBootstrapCode();
            return;
        }

        folder.WriteBootstrapCode(code);
        var (file, minutes) = (Path.GetFullPath(folder.BootstrapCode), AdministratorAccounts.CodeLifetime.TotalMinutes);
        var ca = options.Certificate is null ? $" --ca {Path.GetFullPath(Path.Combine(options.State, "ca.pem"))}" : "";
        Console.Error.WriteLine($"""
            No administrator exists yet. The bootstrap code is in {file}, valid for {minutes} minutes. To become the first administrator:
              authsidecar-control bootstrap {options.Identity.Url} --name NAME --code-file {file}{ca}
            """);
    }

    /// <exception cref="FormatException">The text is invalid.</exception>
    private static IPEndPoint? EndPointOf(string? text) => text is null
        ? null
        : ListenAddress.TryParseEndPoint(text) ?? throw new FormatException($"`{text}` is not an address and port such as `0.0.0.0:7443`");

    /// <exception cref="FormatException">The text is invalid.</exception>
    private static IPNetwork NetworkOf(string text)
    {
        var cidr = text.Contains('/', StringComparison.Ordinal) ? text
            : $"{text}/{(text.Contains(':', StringComparison.Ordinal) ? 128 : 32)}";
        // Strictly: the framework takes `010.0.0.1` for an address of another kind.
        return IpRange.TryParse(text, out _) && IPNetwork.TryParse(cidr, out var network) ? network
            : throw new FormatException($"`{text}` is not an address or network such as `10.0.0.0/8`");
    }

    /// <exception cref="FormatException">The text is invalid.</exception>
    private static Uri? UrlOf(string? text) => text is null
        ? null
        : Uri.TryCreate(text, UriKind.Absolute, out var url) ? url
        : throw new FormatException($"`{text}` is not an address such as `https://control.example:8443`");

    private static int Fail(IEnumerable<string> faults)
    {
        foreach (var fault in faults)
            Console.Error.WriteLine($"authsidecar-control: {fault}");

        return Failed;
    }
}
