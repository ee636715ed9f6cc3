using AuthSidecar.ControlPlane.Identity;

namespace AuthSidecar.ControlPlane.Hosting;

/// <summary>What <c>serve</c> is told.</summary>
internal sealed record ServeOptions
{
    /// <summary>How long a database is waited for: in a cluster that starts, everything does at once.</summary>
    public static readonly TimeSpan DefaultWaitForDatabase = TimeSpan.FromMinutes(2);

    public required Database Database { get; init; }

    /// <summary>Where the socket for administration is unless it is said otherwise: of the user where there is such a place, else of the
    /// machine.</summary>
    public static string DefaultAdminSocket => Environment.GetEnvironmentVariable("AUTHSIDECAR_CONTROL_SOCKET") is { Length: > 0 } socket
        ? socket
        : Path.Combine(Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 } folder ? folder : "/run/authsidecar",
            "control.sock");

    /// <summary>Who has the master key; null: it is in the state folder, which does for a single node.</summary>
    public KeyVault? KeyVault { get; init; }

    /// <summary>The folder for what is this node's own, and for the keys that sidecars are given.</summary>
    public required string State { get; init; }

    /// <summary>The Unix socket for administration, open to its owner and group.</summary>
    public required string AdminSocket { get; init; }

    /// <summary>Where sidecars connect; null: nowhere.</summary>
    public IPEndPoint? Listen { get; init; }

    /// <summary>Where administrators and their tools connect; null: nowhere but to the socket.</summary>
    public IPEndPoint? ListenHttps { get; init; }

    /// <summary>How people and clients sign in.</summary>
    public IdentityServerOptions Identity { get; init; } = new();

    /// <summary>How passwords are hashed, and which are accepted.</summary>
    public PasswordOptions Passwords { get; init; } = new();

    /// <summary>Who is behind an address, and how often it may try.</summary>
    public AddressOptions Addresses { get; init; } = new();

    /// <summary>Where those connect who get tokens that are bound to their certificates; null: nowhere.</summary>
    public IPEndPoint? ListenCertificates { get; init; }

    /// <summary>How long a database that is not there yet is waited for.</summary>
    public TimeSpan WaitForDatabase { get; init; } = DefaultWaitForDatabase;

    /// <summary>Whether the database was put back, so that a new history begins with this start.</summary>
    public bool IsAfterRestore { get; init; }

    /// <summary>The certificate that sidecars are shown, in PEM; null: one of our own CA.</summary>
    public string? Certificate { get; init; }

    public string? CertificateKey { get; init; }

    /// <summary>A CA of sidecars' certificates beside our own, in PEM.</summary>
    public string? ClientCa { get; init; }

    /// <summary>The addresses and names by which sidecars reach us, for a certificate of our own CA.</summary>
    public IReadOnlyList<string> Names { get; init; } = [];

    /// <summary>The file with the Kubernetes clusters whose pods enrol with their service account tokens; null: none do.</summary>
    public string? JoinKubernetes { get; init; }

    /// <summary>How long audit records, and superseded policies, are kept.</summary>
    public TimeSpan KeepAudit { get; init; } = TimeSpan.FromDays(Retention.DefaultAuditDays);

    /// <summary>How log lines are written.</summary>
    public LogFormat Log { get; init; }

    /// <summary>What is logged, from this level up.</summary>
    public LogLevel LogLevel { get; init; } = LogLevel.Information;

    /// <summary>Every reason why these options cannot be served with.</summary>
    public IEnumerable<string> Validate()
    {
        if (State.Length == 0)
            yield return "`--state` is empty: specify a folder for the files of this node";

        if (KeyVault is null && Database.IsShared)
            yield return "`--key-vault` is required with PostgreSQL: all nodes of a database need the same master key";

        if (UnixSockets.FindListenFault(AdminSocket) is { } noSocket)
            yield return noSocket;

        if (Certificate is null != CertificateKey is null)
            yield return "specify both `--certificate` and `--certificate-key`, or neither";

        foreach (var (option, path) in new[] { ("--certificate", Certificate), ("--certificate-key", CertificateKey),
            ("--client-ca", ClientCa), ("--join-kubernetes", JoinKubernetes) })
        {
            if (path is not null && !File.Exists(path))
                yield return $"the file `{path}` of `{option}` does not exist";
        }

        if ((Listen ?? ListenHttps) is not null && Certificate is null && Names.Count == 0)
            yield return "`--name` is required without `--certificate`: specify each DNS name and IP address of this node";

        foreach (var name in Names.Where(n => !Common.Names.IsHost(n.StartsWith("*.", StringComparison.Ordinal) ? n[2..] : n)))
            yield return $"`{name}` of `--name` is not a DNS name or IP address";

        foreach (var host in Identity.LogoutPrivateHosts.Where(h => !Common.Names.IsHost(h)))
            yield return $"`{host}` of `--logout-private-host` is not a host such as `app.example`, without scheme, port and path";

        if (ClientCa is not null && File.Exists(ClientCa) && FileErrors.Find(() => CertificateChains.ReadAuthorities(ClientCa)) is { } noCa)
            yield return $"--client-ca: {noCa}";

        if (JoinKubernetes is not null && Listen is null)
            yield return "`--join-kubernetes` requires `--listen`";

        if (WaitForDatabase < TimeSpan.Zero || WaitForDatabase > TimeSpan.FromHours(1))
            yield return "`--wait-for-database` must be 0 to 3600 seconds";

        if (Addresses.AttemptsPerMinute < 0)
            yield return "`--attempts-per-minute` must be 0 or more";

        if (ListenHttps is null != Identity.Url is null)
            yield return "specify both `--listen-https` and `--url`, or neither";

        if (ListenCertificates is null != Identity.CertificatesUrl is null
            || (Identity.CertificatesUrl is not null && Identity.Url is null))
        {
            yield return "specify both `--listen-certificates` and `--certificates-url`, together with `--url`, or neither";
        }

        if (Identity.CertificatesUrl is { } certificates && certificates.Scheme != Uri.UriSchemeHttps)
            yield return $"`{certificates}` is not an `https:` URL such as `https://control.example:8444`";

        if (Identity.Url is not null && (Identity.Url.Scheme != Uri.UriSchemeHttps || Identity.Url.Query.Length > 0
            || Identity.Url.Fragment.Length > 0 || Identity.Url.UserInfo.Length > 0))
        {
            yield return $"`{Identity.Url}` is not an issuer URL such as `https://control.example:8443` (RFC 8414, section 2)";
        }
    }
}
