using AuthSidecar.Decisions;
using AuthSidecar.Issuers;
using AuthSidecar.Snapshots;
using AuthSidecar.Sync.Folder;
using AuthSidecar.Sync.Stream;

namespace AuthSidecar.Hosting;

/// <summary>What <c>serve</c> is told.</summary>
internal sealed record ServeOptions
{
    public const string ExampleListen = "127.0.0.1:7080";
    public const int DefaultTokenCacheSize = 10_000;

    /// <summary>The bundle folder; null: there is a control plane.</summary>
    public string? Bundle { get; init; }

    /// <summary>Which seals of the bundle count.</summary>
    public SealOptions Seals { get; init; } = new();

    /// <summary>The control plane to follow; null: there is a bundle folder.</summary>
    public ControlPlaneOptions? ControlPlane { get; init; }

    /// <summary>The Unix socket to listen on; null: none.</summary>
    public string? Socket { get; init; }

    /// <summary>Who may use the Unix socket.</summary>
    public SocketAccess SocketAccess { get; init; } = SocketAccess.Default;

    /// <summary>The loopback address and port to listen on; null: none.</summary>
    public IPEndPoint? Listen { get; init; }

    /// <summary>The address and port to listen on beyond the pod, with TLS; null: none.</summary>
    public TlsListener? ListenTls { get; init; }

    /// <summary>The most connections at once, over all listeners.</summary>
    public int MaxConnections { get; init; } = ConnectionLimit.DefaultMax;

    /// <summary>The folder for what must survive a restart: spent codes, the keys of second factors.</summary>
    public required string State { get; init; }

    /// <summary>Whether to offer gRPC reflection.</summary>
    public bool IsDevelopment { get; init; }

    /// <summary>How to log to the console.</summary>
    public LogFormat Log { get; init; }

    /// <summary>From which level on.</summary>
    public LogLevel LogLevel { get; init; } = LogLevel.Information;

    /// <summary>How many verified tokens to remember.</summary>
    public int TokenCacheSize { get; init; } = DefaultTokenCacheSize;

    /// <summary>How large tokens may be.</summary>
    public TokenLimits TokenLimits { get; init; } = TokenLimits.Default;

    /// <summary>Which issuers may be asked for anything.</summary>
    public IssuerHosts Issuers { get; init; } = new();

    /// <summary>The file that says what issuers are asked about opaque tokens with; null: none is asked.</summary>
    public string? IntrospectionClients { get; init; }

    /// <summary>How old what there is may be to be answered from. A folder is what there is to have, as long as it can be looked at:
    /// nothing newer is waiting somewhere else.</summary>
    public MaxStaleness MaxStaleness { get; init; } = MaxStaleness.OfFolder;

    /// <summary>What is done about requests that do not conform to the schema.</summary>
    public RequestValidation RequestValidation { get; init; } = RequestValidation.Warn;

    /// <summary>How long a proof of a second factor is good.</summary>
    public TimeSpan MfaProofLifetime { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>How long calls under way may take to end when the sidecar is told to stop.</summary>
    public TimeSpan Drain { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Where the socket is unless it is said otherwise: of the user where there is such a place, else of the machine.</summary>
    public static string DefaultSocket =>
        Path.Combine(Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 } folder ? folder : "/run/authsidecar",
            "authsidecar.sock");

    /// <summary>Where it has from what it serves, for the log.</summary>
    public string DescribeSource() => ControlPlane is { } controlPlane
        ? $"control plane {string.Join(", ", controlPlane.Addresses)}, application "
            + $"{controlPlane.Placement.Application}"
            + $"{(controlPlane.Placement.Tenant.Length > 0 ? $", tenant {controlPlane.Placement.Tenant}" : "")}"
        : $"bundle folder {Bundle}";

    /// <summary>Every reason why these options cannot be served with.</summary>
    public IEnumerable<string> Validate()
    {
        if (State.Length == 0)
            yield return "`--state` is empty: specify a folder for keys and cached bundles";

        if (Bundle is null == ControlPlane is null)
            yield return "specify either `--bundle` or `--control-plane`";

        if (Bundle is not null && !Directory.Exists(Bundle))
            yield return $"the bundle folder `{Bundle}` does not exist";

        if (Bundle is null && (Seals.IsRequired || Seals.KeyFile is not null))
            yield return "`--require-sealed` and `--bundle-key` require `--bundle`: bundles of a control plane are always signed";

        if (Bundle is not null && IsVisibleIn(State, Bundle))
            yield return "`--state` must not be in the bundle folder: it holds keys, which would be served and copied with the bundle";

        if (Seals.KeyFile is { } sealKey && File.Exists(sealKey) && FileErrors.Find(() => SealKey.Read(sealKey).Dispose()) is { } noSealKey)
            yield return $"--bundle-key: {noSealKey}";

        foreach (var fault in ControlPlane?.Validate() ?? [])
            yield return fault;

        if (Socket is null && Listen is null && ListenTls is null)
            yield return "no listener: specify `--socket`, `--listen` or `--listen-tls`";

        foreach (var fault in ListenTls?.Validate() ?? [])
            yield return fault;

        if (Socket is not null && UnixSockets.FindListenFault(Socket) is { } noSocket)
            yield return noSocket;

        foreach (var (option, hosts) in new[] { ("--issuer-host", Issuers.Hosts), ("--issuer-private-host", Issuers.PrivateHosts) })
        {
            foreach (var host in hosts.Where(h => !IssuerHosts.IsHost(h)))
                yield return $"`{host}` of `{option}` is not a host such as `login.example`, without scheme, port and path";
        }

        if (Issuers.Proxy is not null && Issuers.Hosts.Count + Issuers.PrivateHosts.Count == 0)
            yield return "`--issuer-proxy` requires `--issuer-host` or `--issuer-private-host`: no host may be asked without";

        if (Listen is not null && !IPAddress.IsLoopback(Listen.Address))
            yield return $"`{Listen}` is not a loopback address: without TLS, the sidecar serves its own pod alone; see `--listen-tls`";

        foreach (var (option, path) in new[] { ("--issuer-ca", Issuers.Ca), ("--introspection-clients", IntrospectionClients),
            ("--bundle-key", Seals.KeyFile) })
        {
            if (path is not null && !File.Exists(path))
                yield return $"the file `{path}` of `{option}` does not exist";
        }

        if (ConnectionLimit.Ensure(MaxConnections) is { } tooMany)
            yield return tooMany;

        if (TokenLimits.MaxBytes is < TokenLimits.SmallestMaxBytes or > TokenLimits.LargestMaxBytes)
            yield return $"`--max-token-bytes` must be {TokenLimits.SmallestMaxBytes} to {TokenLimits.LargestMaxBytes}";

        if (TokenLimits.MaxHeaderBytes < TokenLimits.SmallestMaxHeaderBytes || TokenLimits.MaxHeaderBytes > TokenLimits.MaxBytes)
            yield return $"`--max-token-header-bytes` must be {TokenLimits.SmallestMaxHeaderBytes} to the value of `--max-token-bytes`";

        if (TokenCacheSize < 1)
            yield return "the token cache size must be 1 or more";

        if (MfaProofLifetime < TimeSpan.FromSeconds(30) || MfaProofLifetime > TimeSpan.FromHours(1))
            yield return "the lifetime of second-factor proofs must be 30 to 3600 seconds";
    }

    /// <summary>Whether a folder is in the other and read with it: hidden ones are not.</summary>
    private static bool IsVisibleIn(string folder, string other)
    {
        if (folder.Length == 0 || other.Length == 0)
            return false;

        var path = Path.GetRelativePath(other, folder);
        return path == "." || !path.Split('/').Any(s => s.StartsWith('.'));
    }
}
