using AuthSidecar.Decisions;
using AuthSidecar.Hosting;
using AuthSidecar.Issuers;
using AuthSidecar.Snapshots;
using AuthSidecar.Sync.Folder;
using AuthSidecar.Sync.Stream;

namespace AuthSidecar.Cli;

/// <summary><c>authsidecar serve</c>.</summary>
internal static class ServeCommand
{
    public static Command Create()
    {
        var bundle = CliOption.Of<string?>("--bundle", "FOLDER", "The bundle folder to decide from.");
        var requireSealed = CliOption.Flag(
            "--require-sealed", "Refuse a bundle without a matching `bundle.sums.json` (`authsidecar bundles seal`).");
        var bundleKey = CliOption.Of<string?>(
            "--bundle-key", "FILE", "The P-256 public key, in PEM, that must have signed the bundle's seal; implies --require-sealed.");
        var controlPlane = CliOption.Of<string[]>(
            "--control-plane", "URL", "The control plane, as `https://HOST:PORT`; may be repeated, once for each node.");
        var application = CliOption.Of<string>("--application", "NAME", "The application to serve. Required with --control-plane.")
            .WithDefault(() => "");
        var tenant = CliOption.Of<string>("--tenant", "NAME", "The tenant to serve. Default: all.").WithDefault(() => "");
        var joinToken = CliOption.Of<string?>("--join-token", "FILE",
            "The file with a join token, to enrol with: the certificate, the CA and the keys below are then in the state folder. Keep the "
                + "option after enrolment.");
        var joinKubernetes = CliOption.Of<string?>("--join-kubernetes", "FILE",
            "The file with the pod's projected service account token (audience `authsidecar`), to enrol with instead of a join token; "
                + "requires `--ca`.");
        var name = CliOption.Of<string?>("--name", "NAME",
            "The name to enrol with; in a pod its name, or `NAMESPACE.POD`. Default: the host name.");
        var certificate = CliOption.Of<string>("--certificate", "FILE", "The client certificate for the control plane, in PEM.")
            .WithDefault(() => "");
        var certificateKey = CliOption.Of<string>("--certificate-key", "FILE", "Its key, in PEM.").WithDefault(() => "");
        var ca = CliOption.Of<string>("--ca", "FILE", "The CA of the control plane's certificate, in PEM.").WithDefault(() => "");
        var pinnedKeys = CliOption.Of<string>(
            "--pinned-keys", "FILE", "The bundle-signing keys of the control plane, as a JWKS (`bundle-keys.json`).").WithDefault(() => "");
        var state = CliOption.Of<string>("--state", "FOLDER", "The state folder: keys and cached bundles, which survive a restart.")
            .Require();
        var maxStaleness = CliOption.Of<string[]>("--max-staleness", "TYPE=AGE",
            "Maximum age of a data type, such as `revocations=5m` or `policies=unlimited`; may be repeated. Of a control plane: "
                + "revocations 5m, all others 24h. Of a folder: unlimited, while it can be read; `source=1m` is how long it may be "
                    + "unreadable.");
        var issuerHosts = CliOption.Of<string[]>("--issuer-host", "HOST",
            "A host from which key sets (`jwksUrl`) may be fetched, and to which opaque tokens may be sent (`introspectionUrl`); may be "
                + "repeated.");
        var issuerPrivateHosts = CliOption.Of<string[]>("--issuer-private-host", "HOST",
            "Like --issuer-host, for a host that may have a private address, such as an issuer in the same cluster; may be repeated.");
        var issuerCa = CliOption.Of<string?>(
            "--issuer-ca", "FILE", "The CA for issuer hosts, in PEM. Default: the CAs that the machine trusts.");
        var issuerProxy = CliOption.Of<string?>("--issuer-proxy", "URL",
            "The HTTP proxy to reach issuer hosts by, as `http://HOST:PORT`. It resolves their names, so that private addresses are not "
                + "refused. Default: none; environment variables are not read.");
        issuerProxy.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var text }] && IssuerHosts.FindProxyFault(text) is { } fault)
                result.AddError($"`{issuerProxy.Name}`: {fault}");
        });
        var introspectionClients = CliOption.Of<string?>("--introspection-clients", "FILE",
            "A file with client credentials for token introspection (RFC 7662): `{\"ISSUER\": {\"url\": …, \"clientId\": …, "
                + "\"clientSecret\": …}}`.");
        var maxTokenBytes = CliOption.Of<int>("--max-token-bytes", "BYTES",
            "Maximum size of a token, as it is sent; larger ones are rejected with TOO_LARGE.")
            .WithDefault(() => TokenLimits.DefaultMaxBytes);
        var maxTokenHeaderBytes = CliOption.Of<int>("--max-token-header-bytes", "BYTES",
            "Maximum size of the header of a token, decoded.").WithDefault(() => TokenLimits.DefaultMaxHeaderBytes);
        var socket = CliOption.Of<string>("--socket", "PATH",
            "The Unix socket to listen on; `none` for none. Default: `authsidecar.sock` in $XDG_RUNTIME_DIR or /run/authsidecar.")
            .WithDefault(() => ServeOptions.DefaultSocket);
        var socketMode = CliOption.Of<string>(
            "--socket-mode", "MODE", "The permissions of the Unix socket, in octal.").WithDefault(() => "0660");
        var socketGroup = CliOption.Of<string?>(
            "--socket-group", "GROUP", "The group that owns the Unix socket, by name or id. Default: that of the process.");
        var listen = CliOption.Of<string>("--listen", "HOST:PORT",
            $"A loopback address and port to listen on as well, such as `{ServeOptions.ExampleListen}`: "
                + "every process of the machine or pod may connect to it. Default: none.")
            .WithDefault(() => None);
        var tls = new TlsOptions();
        var maxConnections = CliOption.Of<int>("--max-connections", "COUNT",
            "Maximum number of concurrent connections; at the limit, the process with the most of them loses its least recently used one.")
            .WithDefault(() => ConnectionLimit.DefaultMax);
        var requestValidation = CliOption.Of<string>("--request-validation", null,
            "What to do about requests that do not conform to the schema: `off`, nothing; `warn`, report them in the answer's `detail` "
                + "and, once a minute, in the log; `reject`, deny them.").WithDefault(() => "warn");
        requestValidation.AcceptOnlyFromAmong("off", "warn", "reject");
        var development = CliOption.Flag("--development", "Enable gRPC reflection.");
        var (log, logLevel) = (ConsoleLog.FormatOption(), ConsoleLog.LevelOption("every call, its caller and its decision"));
        var command = new Command("serve", "Answer calls from the data of a bundle folder or a control plane, and follow its changes.")
        {
            bundle, requireSealed, bundleKey, controlPlane, application, tenant, joinToken, joinKubernetes, name, certificate,
            certificateKey, ca, pinnedKeys, maxStaleness, requestValidation, issuerHosts, issuerPrivateHosts, issuerCa,
            issuerProxy, introspectionClients, maxTokenBytes, maxTokenHeaderBytes, state, socket, socketMode, socketGroup, listen,
            tls.Listen, tls.Certificate, tls.CertificateKey, tls.ClientCa, tls.TrustDomain, tls.Principal, maxConnections,
            development, log, logLevel,
        }.WithExamples(
            "authsidecar serve --bundle app --state state --socket /tmp/authsidecar.sock",
            "authsidecar serve --control-plane https://control.example:7443 --application documents --join-token token.txt "
                + "--state /var/lib/authsidecar")
            .WithExitCodes((0, "stopped"), (2, "error"));
        command.SetAction(async (parsed, cancellation) =>
        {
            var listenText = parsed.GetValue(listen)!;
            var endPoint = ListenAddress.TryParseEndPoint(listenText);
            if (endPoint is null && listenText != None)
                return Fail([$"`{listenText}` is not an address and port such as `{ServeOptions.ExampleListen}` or `[::1]:7080`"]);

            var listenTls = tls.Read(parsed, out var tlsFault);
            if (tlsFault is not null)
                return Fail([tlsFault]);

            var addresses = new List<Uri>();
            foreach (var text in parsed.GetValue(controlPlane) ?? [])
            {
                if (!Uri.TryCreate(text, UriKind.Absolute, out var address))
                    return Fail([$"`{text}` is not an address such as `https://control:7443`"]);

                addresses.Add(address);
            }

            if (addresses.Count == 0 && new Option[] { application, tenant, joinToken, joinKubernetes, name, certificate, certificateKey,
                ca, pinnedKeys }.FirstOrDefault(o => parsed.GetResult(o) is { Implicit: false }) is { } stray)
            {
                return Fail([$"`{stray.Name}` requires `--control-plane`"]);
            }

            if (FindJoinFault(parsed) is { } wrong)
                return Fail([wrong]);

            var limits = (addresses.Count == 0 ? MaxStaleness.OfFolder : MaxStaleness.Default).With(parsed.GetValue(maxStaleness) ?? [],
                out var fault);
            if (limits is null)
                return Fail([$"--max-staleness: {fault}"]);

            var modeText = parsed.GetValue(socketMode)!;
            if (modeText.Length is < 3 or > 4 || modeText.Any(c => c is < '0' or > '7')
                || Convert.ToInt32(modeText, 8) is var mode && (mode & ~0b110_110_110) != 0)
            {
                return Fail([$"--socket-mode: `{modeText}` is not a file mode such as `0660`: read and write permissions in octal"]);
            }

            if (parsed.GetValue(socket) == None && new Option[] { socketMode, socketGroup }.FirstOrDefault(
                o => parsed.GetResult(o) is { Implicit: false }) is { } ofNoSocket)
            {
                return Fail([$"`{ofNoSocket.Name}` requires a socket: `--socket` is `{None}`"]);
            }

            var groupText = parsed.GetValue(socketGroup);
            if (groupText is not null && UnixSockets.FindGroup(groupText) is null)
                return Fail([$"--socket-group: unknown group `{groupText}`"]);

            var socketPath = parsed.GetValue(socket)!;
            return await ServeAsync(
                new ServeOptions
                {
                    Bundle = parsed.GetValue(bundle),
                    Seals = new SealOptions(parsed.GetValue(requireSealed), parsed.GetValue(bundleKey)),
                    SocketAccess = new SocketAccess(
                        (UnixFileMode)Convert.ToInt32(modeText, 8), groupText is null ? null : UnixSockets.FindGroup(groupText)),
                    ControlPlane = addresses.Count == 0 ? null : ReadControlPlane(parsed, addresses),
                    MaxStaleness = limits,
                    RequestValidation = Enum.Parse<RequestValidation>(parsed.GetValue(requestValidation)!, ignoreCase: true),
                    Issuers = new IssuerHosts
                    {
                        Hosts = parsed.GetValue(issuerHosts) ?? [],
                        PrivateHosts = parsed.GetValue(issuerPrivateHosts) ?? [],
                        Ca = parsed.GetValue(issuerCa),
                        Proxy = parsed.GetValue(issuerProxy) is { } proxy ? new Uri(proxy) : null,
                    },
                    IntrospectionClients = parsed.GetValue(introspectionClients),
                    State = parsed.GetValue(state)!,
                    Socket = socketPath == None ? null : socketPath,
                    Listen = endPoint,
                    ListenTls = listenTls,
                    MaxConnections = parsed.GetValue(maxConnections),
                    TokenLimits = new TokenLimits(parsed.GetValue(maxTokenBytes), parsed.GetValue(maxTokenHeaderBytes)),
                    IsDevelopment = parsed.GetValue(development),
                    Log = ConsoleLog.FormatOf(parsed, log),
                    LogLevel = ConsoleLog.LevelOf(parsed, logLevel),
                },
                cancellation);
        });
        return command;

        // What is given beside the one way to join and would be ignored, and what is missing.
        string? FindJoinFault(ParseResult parsed)
        {
            var (isToken, isKubernetes) = (parsed.GetValue(joinToken) is not null, parsed.GetValue(joinKubernetes) is not null);
            Option[] useless = isKubernetes ? [joinToken, certificate, certificateKey, pinnedKeys]
                : isToken ? [certificate, certificateKey, ca, pinnedKeys] : [];
            return useless.FirstOrDefault(o => parsed.GetResult(o) is { Implicit: false }) is { } stray
                ? $"`{(isKubernetes ? joinKubernetes : joinToken).Name}` excludes `{stray.Name}`"
                : isKubernetes && parsed.GetValue(ca)!.Length == 0
                ? "`--join-kubernetes` requires `--ca`, the CA certificate of the control plane"
                : null;
        }

        ControlPlaneOptions ReadControlPlane(ParseResult parsed, IReadOnlyList<Uri> addresses)
        {
            var placement = new Placement(parsed.GetValue(application)!, parsed.GetValue(tenant)!);
            return (parsed.GetValue(joinToken) ?? parsed.GetValue(joinKubernetes)) is { } token
                ? ControlPlaneOptions.Joining(addresses, placement, new JoinOptions(token, parsed.GetValue(name) ?? Environment.MachineName,
                    parsed.GetValue(joinKubernetes) is null ? null : parsed.GetValue(ca)), parsed.GetValue(state)!)
                : new ControlPlaneOptions
                {
                    Addresses = addresses,
                    Placement = placement,
                    Certificate = parsed.GetValue(certificate)!,
                    CertificateKey = parsed.GetValue(certificateKey)!,
                    Ca = parsed.GetValue(ca)!,
                    PinnedKeys = parsed.GetValue(pinnedKeys)!,
                };
        }
    }

    private const string None = "none";

    private static async Task<int> ServeAsync(ServeOptions options, CancellationToken cancellation)
    {
        var faults = options.Validate().ToList();
        if (faults.Count > 0)
            return Fail(faults);

        OutOfMemory.EndsTheProcess();
        try
        {
            await using var app = SidecarHost.Build(options);
            Listeners.Reserve(app, options);
            await app.RunAsync(cancellation);
            return ExitCode.Success;
        }
        catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            // What an operator can mend: an address in use, a damaged file, missing permissions.
            return Fail([e.Message]);
        }
    }

    private static int Fail(IEnumerable<string> faults)
    {
        foreach (var fault in faults)
            Console.Error.WriteLine($"authsidecar: {fault}");

        return ExitCode.Error;
    }
}
