using System.CommandLine;
using AuthSidecar.Common;
using AuthSidecar.Decisions;
using AuthSidecar.Hosting;
using AuthSidecar.Snapshots;
using AuthSidecar.Sync.Folder;
using AuthSidecar.Sync.Stream;
using AuthSidecar.Tokens;

namespace AuthSidecar.Cli;

/// <summary><c>authsidecar serve</c>.</summary>
internal static class ServeCommand
{
    public static Command Create()
    {
        var bundle = new Option<string?>("--bundle") { Description = "The bundle folder to decide from." };
        var requireSealed = new Option<bool>("--require-sealed") { Description = "Refuse a bundle without a matching `bundle.sums.json` (`authsidecar bundle seal`)." };
        var bundleKey = new Option<string?>("--bundle-key") { Description = "The P-256 public key, in PEM, that must have signed the bundle's seal; implies --require-sealed." };
        var controlPlane = new Option<string[]>("--control-plane") { Description = "The control plane, as `https://HOST:PORT`; may be repeated, once for each node." };
        var application = new Option<string>("--application") { Description = "The application to serve. Required with --control-plane.", DefaultValueFactory = _ => "" };
        var tenant = new Option<string>("--tenant") { Description = "The tenant to serve. Default: all.", DefaultValueFactory = _ => "" };
        var joinToken = new Option<string?>("--join-token") { Description = "The file with a join token, to enrol with: the certificate, the CA and the keys below are then in the state folder. Keep the option after enrolment." };
        var joinKubernetes = new Option<string?>("--join-kubernetes") { Description = "The file with the pod's projected service account token (audience `authsidecar`), to enrol with instead of a join token; requires `--ca`." }.NotEmpty();
        var name = new Option<string>("--name") { Description = "The name to enrol with; in a pod its name, or `NAMESPACE.POD`.", DefaultValueFactory = _ => Environment.MachineName };
        var certificate = new Option<string>("--certificate") { Description = "The client certificate for the control plane, in PEM.", DefaultValueFactory = _ => "" };
        var certificateKey = new Option<string>("--certificate-key") { Description = "Its key, in PEM.", DefaultValueFactory = _ => "" };
        var ca = new Option<string>("--ca") { Description = "The CA of the control plane's certificate, in PEM.", DefaultValueFactory = _ => "" };
        var pinnedKeys = new Option<string>("--pinned-keys") { Description = "The bundle-signing keys of the control plane, as a JWKS (`bundle-keys.json`).", DefaultValueFactory = _ => "" };
        var state = new Option<string>("--state") { Description = "The state folder: keys and cached bundles, which survive a restart.", Required = true };
        var maxStaleness = new Option<string[]>("--max-staleness")
        {
            Description = "Maximum age of a type of resource, such as `revocations=5m` or `policies=unlimited`; may be repeated. Of a control plane: revocations 5m, all others 24h. Of a folder: unlimited, while it can be read; `source=1m` is how long it may be unreadable.",
        };
        var issuerHosts = new Option<string[]>("--issuer-host") { Description = "A host from which key sets (`jwksUrl`) may be fetched, and to which opaque tokens may be sent (`introspectionUrl`); may be repeated." };
        var issuerPrivateHosts = new Option<string[]>("--issuer-private-host") { Description = "Like --issuer-host, for a host that may have a private address, such as an issuer in the same cluster; may be repeated." };
        var issuerCa = new Option<string?>("--issuer-ca") { Description = "The CA for issuer hosts, in PEM. Default: the CAs that the machine trusts." };
        var introspectionClients = new Option<string?>("--introspection-clients") { Description = "A file with client credentials for token introspection (RFC 7662): `{\"ISSUER\": {\"url\": …, \"clientId\": …, \"clientSecret\": …}}`." };
        var socket = new Option<string>("--socket") { Description = "The Unix socket to listen on; `none` for none.", DefaultValueFactory = _ => ServeOptions.DefaultSocket };
        var socketMode = new Option<string>("--socket-mode") { Description = "The permissions of the Unix socket, in octal.", DefaultValueFactory = _ => "0660" };
        var socketGroup = new Option<string?>("--socket-group") { Description = "The group that owns the Unix socket, by name or id. Default: that of the process." };
        var listen = new Option<string>("--listen") { Description = $"A loopback address and port to listen on as well, such as `{ServeOptions.ExampleListen}`: every process of the machine or pod may connect to it. Default: none.", DefaultValueFactory = _ => None };
        var maxConnections = new Option<int>("--max-connections") { Description = "Maximum number of concurrent connections; at the limit, the process with the most of them loses its least recently used one.", DefaultValueFactory = _ => ConnectionLimit.DefaultMax };
        var requestValidation = new Option<string>("--request-validation")
        {
            Description = "What to do about requests that do not conform to the schema: `off`, nothing; `warn`, report them in the answer's `detail` and, once a minute, in the log; `reject`, deny them.",
            DefaultValueFactory = _ => "warn",
        };
        requestValidation.AcceptOnlyFromAmong("off", "warn", "reject");
        var development = new Option<bool>("--development") { Description = "Enable gRPC reflection." };
        var log = new Option<string>("--log") { Description = "Log format: `json` or `text`.", DefaultValueFactory = _ => "json" };
        log.AcceptOnlyFromAmong("json", "text");
        var logLevel = new Option<string>("--log-level") { Description = "Minimum log level: `debug` (every call, its caller and its decision), `information`, `warning` or `error`.", DefaultValueFactory = _ => "information" };
        logLevel.AcceptOnlyFromAmong("debug", "information", "warning", "error");
        var command = new Command("serve", "Answers calls from a bundle or a control plane, and follows its changes.")
        {
            bundle, requireSealed, bundleKey, controlPlane, application, tenant, joinToken, joinKubernetes, name, certificate, certificateKey, ca, pinnedKeys, maxStaleness, requestValidation, issuerHosts, issuerPrivateHosts, issuerCa, introspectionClients, state, socket, socketMode, socketGroup, listen, maxConnections, development, log, logLevel,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            var listenText = parsed.GetValue(listen)!;
            var endPoint = ListenAddress.TryParseEndPoint(listenText);
            if (endPoint is null && listenText != None)
            {
                return Fail([$"`{listenText}` is not an address and port such as `{ServeOptions.ExampleListen}` or `[::1]:7080`"]);
            }

            var addresses = new List<Uri>();
            foreach (var text in parsed.GetValue(controlPlane) ?? [])
            {
                if (!Uri.TryCreate(text, UriKind.Absolute, out var address))
                {
                    return Fail([$"`{text}` is not an address such as `https://control:7443`"]);
                }

                addresses.Add(address);
            }

            if (addresses.Count == 0 && new Option[] { application, tenant, joinToken, joinKubernetes, name, certificate, certificateKey, ca, pinnedKeys }.FirstOrDefault(o => parsed.GetResult(o) is { Implicit: false }) is { } stray)
            {
                return Fail([$"`{stray.Name}` requires `--control-plane`"]);
            }

            if (FindJoinFault(parsed) is { } wrong)
            {
                return Fail([wrong]);
            }

            var limits = (addresses.Count == 0 ? MaxStaleness.OfFolder : MaxStaleness.Default).With(parsed.GetValue(maxStaleness) ?? [], out var fault);
            if (limits is null)
            {
                return Fail([$"--max-staleness: {fault}"]);
            }

            var modeText = parsed.GetValue(socketMode)!;
            if (modeText.Length is < 3 or > 4 || modeText.Any(c => c is < '0' or > '7') || Convert.ToInt32(modeText, 8) is var mode && (mode & ~0b110_110_110) != 0)
            {
                return Fail([$"--socket-mode: `{modeText}` is not a file mode such as `0660`: read and write permissions in octal"]);
            }

            var groupText = parsed.GetValue(socketGroup);
            if (groupText is not null && UnixSockets.FindGroup(groupText) is null)
            {
                return Fail([$"--socket-group: unknown group `{groupText}`"]);
            }

            var socketPath = parsed.GetValue(socket)!;
            return await ServeAsync(
                new ServeOptions
                {
                    Bundle = parsed.GetValue(bundle),
                    Seals = new SealOptions(parsed.GetValue(requireSealed), parsed.GetValue(bundleKey)),
                    SocketAccess = new SocketAccess((UnixFileMode)Convert.ToInt32(modeText, 8), groupText is null ? null : UnixSockets.FindGroup(groupText)),
                    ControlPlane = addresses.Count == 0 ? null : ReadControlPlane(parsed, addresses),
                    MaxStaleness = limits,
                    RequestValidation = Enum.Parse<RequestValidation>(parsed.GetValue(requestValidation)!, ignoreCase: true),
                    Issuers = new IssuerHosts { Hosts = parsed.GetValue(issuerHosts) ?? [], PrivateHosts = parsed.GetValue(issuerPrivateHosts) ?? [], Ca = parsed.GetValue(issuerCa) },
                    IntrospectionClients = parsed.GetValue(introspectionClients),
                    State = parsed.GetValue(state)!,
                    Socket = socketPath == None ? null : socketPath,
                    Listen = endPoint,
                    MaxConnections = parsed.GetValue(maxConnections),
                    IsDevelopment = parsed.GetValue(development),
                    Log = parsed.GetValue(log) == "text" ? LogFormat.Text : LogFormat.Json,
                    LogLevel = Enum.Parse<LogLevel>(parsed.GetValue(logLevel)!, ignoreCase: true),
                },
                cancellation);
        });
        return command;

        // What is given beside the one way to join and would be ignored, and what is missing.
        string? FindJoinFault(ParseResult parsed)
        {
            var (isToken, isKubernetes) = (parsed.GetValue(joinToken) is not null, parsed.GetValue(joinKubernetes) is not null);
            Option[] useless = isKubernetes ? [joinToken, certificate, certificateKey, pinnedKeys] : isToken ? [certificate, certificateKey, ca, pinnedKeys] : [];
            return useless.FirstOrDefault(o => parsed.GetResult(o) is { Implicit: false }) is { } stray ? $"`{(isKubernetes ? joinKubernetes : joinToken).Name}` excludes `{stray.Name}`"
                : isKubernetes && parsed.GetValue(ca)!.Length == 0 ? "`--join-kubernetes` requires `--ca`, the CA certificate of the control plane"
                : null;
        }

        ControlPlaneOptions ReadControlPlane(ParseResult parsed, IReadOnlyList<Uri> addresses)
        {
            var scope = new SidecarScope(parsed.GetValue(application)!, parsed.GetValue(tenant)!);
            return (parsed.GetValue(joinToken) ?? parsed.GetValue(joinKubernetes)) is { } token
                ? ControlPlaneOptions.Joining(addresses, scope, new JoinOptions(token, parsed.GetValue(name)!, parsed.GetValue(joinKubernetes) is null ? null : parsed.GetValue(ca)), parsed.GetValue(state)!)
                : new ControlPlaneOptions
                {
                    Addresses = addresses,
                    Scope = scope,
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
        {
            return Fail(faults);
        }

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
        {
            Console.Error.WriteLine($"authsidecar: {fault}");
        }

        return ExitCode.Error;
    }
}
