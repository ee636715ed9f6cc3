using System.CommandLine;
using System.Net;
using AuthSidecar.Cedar;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.Accounts;
using AuthSidecar.ControlPlane.Administration.Access;
using AuthSidecar.ControlPlane.Hosting;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Store;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary><c>authsidecar-control serve</c>.</summary>
internal static class ServeCommand
{
    /// <summary>The exit code of what could not be done.</summary>
    public const int Failed = 2;

    public static Command Create()
    {
        var database = new Option<string?>("--database") { Description = "`sqlite:PATH`, or `postgres:CONNECTION`. Default: SQLite in the state folder." };
        var keyVault = new Option<string?>("--key-vault") { Description = "Where the master key is: `file:PATH`, `env:NAME` or `vault:https://HOST:PORT/KEY`. Default: a file in the state folder." };
        var vaultToken = new Option<string?>("--vault-token") { Description = "The file with the Vault token." };
        var state = new Option<string>("--state") { Description = "The state folder of this node.", Required = true };
        var admin = new Option<string>("--admin-socket")
        {
            Description = "The Unix socket for administration; every user who can open it is an owner.",
            DefaultValueFactory = _ => ServeOptions.DefaultAdminSocket,
        };
        var listen = new Option<string?>("--listen") { Description = "Address and port for sidecars (gRPC, mutual TLS)." };
        var listenHttps = new Option<string?>("--listen-https") { Description = "Address and port for administrators, sign-in pages and OAuth 2.0 (HTTPS)." };
        var url = new Option<string?>("--url") { Description = "The public URL of `--listen-https`, such as `https://control.example:8443`; the issuer of its tokens." };
        var listenCertificates = new Option<string?>("--listen-certificates") { Description = "Address and port for clients that authenticate with certificates (mutual TLS, RFC 8705)." };
        var certificatesUrl = new Option<string?>("--certificates-url") { Description = "The public URL of `--listen-certificates`, such as `https://control.example:8444`." };
        var replaceIssuer = new Option<bool>("--replace-issuer") { Description = "Allow `--url` to replace the issuer in the database. All tokens of the previous issuer become invalid." };
        var passwordHashing = new Option<PasswordScheme>("--password-hashing") { Description = "`argon2id`, or `pbkdf2sha512` where FIPS 140 is required. Passwords are rehashed when they are next used." };
        var passwordPolicy = new Option<PasswordPolicy>("--password-policy") { Description = "`length`: 15 characters, 8 with a second factor (SP 800-63B-4); `classes`: 12 of all four classes. Common passwords are always refused." };
        var commonPasswords = new Option<string?>("--common-passwords") { Description = "A file with further common passwords to refuse, one per line." };
        var breached = new Option<string?>("--breached-passwords") { Description = "A file with sorted SHA-1 hashes of breached passwords (`HASH:COUNT` lines, the Pwned Passwords download ordered by hash); new passwords in it are refused." }.NotEmpty();
        var attempts = new Option<int>("--attempts-per-minute") { Description = "Sign-in attempts per client address: burst size, and refill per minute; 20 times as many for token requests. 0: unlimited.", DefaultValueFactory = _ => 30 };
        var proxies = new Option<string[]>("--trusted-proxy") { Description = "An address or CIDR range of a reverse proxy: the client is the right-most address in `X-Forwarded-For` that is not one of them; may be repeated. Without it the header is ignored." }.NotEmpty();
        var wait = new Option<int>("--wait-for-database") { Description = "How long to wait for the database at start, in seconds, 0 to 3600.", DefaultValueFactory = _ => (int)ServeOptions.DefaultWaitForDatabase.TotalSeconds };
        var afterRestore = new Option<bool>("--after-restore") { Description = "The database was restored from a backup: begin a new history, so that all sidecars resynchronize in full. Remove the option after this start." };
        var name = new Option<string[]>("--name") { Description = "DNS name or IP address for the certificate that the control plane's own CA issues to this node; may be repeated." };
        var certificate = new Option<string?>("--certificate") { Description = "A server certificate of another CA instead, in PEM." };
        var key = new Option<string?>("--certificate-key") { Description = "Its key, in PEM." };
        var clientCa = new Option<string?>("--client-ca") { Description = "An additional CA for sidecars' client certificates, in PEM." };
        var kubernetes = new Option<string?>("--join-kubernetes") { Description = "JSON file with the Kubernetes clusters and service accounts whose pods may enrol with projected service account tokens; reloaded when it changes." }.NotEmpty();
        var logoutHosts = new Option<string[]>("--logout-private-host") { Description = "A host of `backchannelLogoutUri` that may resolve to a private address, such as one in the same cluster; may be repeated." }.NotEmpty();
        var keepAudit = new Option<int>("--keep-audit-days") { Description = $"Retention of audit records and superseded policies in days, {Retention.MinAuditDays} to {Retention.MaxAuditDays}. Older ones are deleted.", DefaultValueFactory = _ => Retention.DefaultAuditDays }.Range(Retention.MinAuditDays, Retention.MaxAuditDays);
        var command = new Command("serve", "Runs the control plane.") { database, keyVault, vaultToken, state, admin, listen, listenHttps, url, listenCertificates, certificatesUrl, replaceIssuer, passwordHashing, passwordPolicy, commonPasswords, breached, attempts, proxies, wait, afterRestore, name, certificate, key, clientCa, kubernetes, keepAudit, logoutHosts };
        command.SetAction(async (parsed, cancellation) =>
        {
            try
            {
                return await ServeAsync(
                    new ServeOptions
                    {
                        Database = Database.Parse(parsed.GetValue(database) ?? $"sqlite:{Path.Combine(parsed.GetValue(state)!, "control.db")}"),
                        KeyVault = parsed.GetValue(keyVault) is { } vault ? KeyVault.Parse(vault, parsed.GetValue(vaultToken)) : null,
                        State = parsed.GetValue(state)!,
                        AdminSocket = parsed.GetValue(admin)!,
                        Listen = EndPointOf(parsed.GetValue(listen)),
                        ListenHttps = EndPointOf(parsed.GetValue(listenHttps)),
                        Url = UrlOf(parsed.GetValue(url)),
                        ListenCertificates = EndPointOf(parsed.GetValue(listenCertificates)),
                        CertificatesUrl = UrlOf(parsed.GetValue(certificatesUrl)),
                        PasswordScheme = parsed.GetValue(passwordHashing),
                        PasswordPolicy = parsed.GetValue(passwordPolicy),
                        CommonPasswords = parsed.GetValue(commonPasswords) is { } words ? await File.ReadAllLinesAsync(words, cancellation) : [],
                        BreachedPasswords = parsed.GetValue(breached) is { } list ? BreachedPasswords.Open(list) : null,
                        AttemptsPerMinute = parsed.GetValue(attempts),
                        TrustedProxies = [.. (parsed.GetValue(proxies) ?? []).Select(NetworkOf)],
                        ReplaceIssuer = parsed.GetValue(replaceIssuer),
                        IsAfterRestore = parsed.GetValue(afterRestore),
                        WaitForDatabase = TimeSpan.FromSeconds(parsed.GetValue(wait)),
                        Names = parsed.GetValue(name) ?? [],
                        Certificate = parsed.GetValue(certificate),
                        CertificateKey = parsed.GetValue(key),
                        ClientCa = parsed.GetValue(clientCa),
                        LogoutPrivateHosts = parsed.GetValue(logoutHosts) ?? [],
                        KeepAudit = TimeSpan.FromDays(parsed.GetValue(keepAudit)),
                        JoinKubernetes = parsed.GetValue(kubernetes),
                    },
                    cancellation);
            }
            catch (Exception e) when (e is FormatException or IOException or InvalidDataException or UnauthorizedAccessException or System.Data.Common.DbException or KeyVaultException)
            {
                // What an operator can mend: an address in use, a database that is not there, missing permissions.
                return Fail([e.Message]);
            }
        });
        return command;
    }

    private static async Task<int> ServeAsync(ServeOptions options, CancellationToken cancellation)
    {
        var faults = options.Validate().ToList();
        if (faults.Count > 0)
        {
            return Fail(faults);
        }

        OutOfMemory.EndsTheProcess();
        await using var app = ControlPlaneHost.Build(options);
        await app.PrepareAsync(cancellation);
        if (options.Url is not null)
        {
            await OfferClaimAsync(app.Services, options, cancellation);
        }

        await app.RunAsync(cancellation);
        return 0;
    }

    /// <summary>As long as there is no administrator: the code is in a file of its owner's alone, since what is printed is what many can read in a log.</summary>
    private static async Task OfferClaimAsync(IServiceProvider services, ServeOptions options, CancellationToken cancellation)
    {
        var folder = services.GetRequiredService<StateFolder>();
        if (await services.GetRequiredService<Administrators>().TryCreateCodeAsync(folder.ReadClaimCode(), cancellation) is not { } code)
        {
            folder.RemoveClaimCode();
            return;
        }

        folder.WriteClaimCode(code);
        Console.Error.WriteLine($"""
            There is no administrator yet. The claim code is in {Path.GetFullPath(folder.ClaimCode)}, valid for {Administrators.CodeLifetime.TotalMinutes} minutes. To become the first administrator:
              authsidecar-control claim {options.Url} --name NAME --code-file {Path.GetFullPath(folder.ClaimCode)}{(options.Certificate is null ? $" --ca {Path.GetFullPath(Path.Combine(options.State, "ca.pem"))}" : "")}
            """);
    }

    /// <exception cref="FormatException">It is none.</exception>
    private static IPEndPoint? EndPointOf(string? text) => text is null
        ? null
        : ListenAddress.TryParseEndPoint(text) ?? throw new FormatException($"`{text}` is not an address and port such as `0.0.0.0:7443`");

    /// <exception cref="FormatException">It is none.</exception>
    private static IPNetwork NetworkOf(string text)
    {
        var cidr = text.Contains('/', StringComparison.Ordinal) ? text : $"{text}/{(text.Contains(':', StringComparison.Ordinal) ? 128 : 32)}";
        // Strictly: the framework takes `010.0.0.1` for an address of another kind.
        return IpRange.TryParse(text, out _) && IPNetwork.TryParse(cidr, out var network) ? network : throw new FormatException($"`{text}` is not an address or network such as `10.0.0.0/8`");
    }

    /// <exception cref="FormatException">It is none.</exception>
    private static Uri? UrlOf(string? text) => text is null
        ? null
        : Uri.TryCreate(text, UriKind.Absolute, out var url) ? url : throw new FormatException($"`{text}` is not an address such as `https://control.example:8443`");

    private static int Fail(IEnumerable<string> faults)
    {
        foreach (var fault in faults)
        {
            Console.Error.WriteLine($"authsidecar-control: {fault}");
        }

        return Failed;
    }
}
