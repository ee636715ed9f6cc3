using System.Net;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.Accounts;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Store;

namespace AuthSidecar.ControlPlane.Hosting;

/// <summary>What <c>serve</c> is told.</summary>
internal sealed record ServeOptions
{
    /// <summary>How long a database is waited for: in a cluster that starts, everything does at once.</summary>
    public static readonly TimeSpan DefaultWaitForDatabase = TimeSpan.FromMinutes(2);

    public required Database Database { get; init; }

    /// <summary>Where the socket for administration is unless it is said otherwise: of the user where there is such a place, else of the machine.</summary>
    public static string DefaultAdminSocket => Environment.GetEnvironmentVariable("AUTHSIDECAR_CONTROL_SOCKET") is { Length: > 0 } socket
        ? socket
        : Path.Combine(Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 } folder ? folder : "/run/authsidecar", "control.sock");

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

    /// <summary>The address by which they reach us, which is the issuer of our tokens; null without <see cref="ListenHttps"/>.</summary>
    public Uri? Url { get; init; }

    /// <summary>Where those connect who get tokens that are bound to their certificates; null: nowhere.</summary>
    public IPEndPoint? ListenCertificates { get; init; }

    /// <summary>The address by which they reach us; null without <see cref="ListenCertificates"/>.</summary>
    public Uri? CertificatesUrl { get; init; }

    /// <summary>How passwords are hashed that are set from now on.</summary>
    public PasswordScheme PasswordScheme { get; init; }

    /// <summary>What passwords have to be like.</summary>
    public PasswordPolicy PasswordPolicy { get; init; }

    /// <summary>What nobody's password may be made of, beside what is built in.</summary>
    public IReadOnlyList<string> CommonPasswords { get; init; } = [];

    /// <summary>What nobody's password may be since others have it already; null: no list.</summary>
    public BreachedPasswords? BreachedPasswords { get; init; }

    /// <summary>The proxies whose word on who is behind them (`X-Forwarded-For`) is taken.</summary>
    public IReadOnlyList<IPNetwork> TrustedProxies { get; init; } = [];

    /// <summary>How often an address may try to sign in within a minute; 0: as often as it likes.</summary>
    public int AttemptsPerMinute { get; init; } = 30;

    /// <summary>Whether <see cref="Url"/> takes the place of the one that other nodes, or this one before, issued tokens by.</summary>
    public bool ReplaceIssuer { get; init; }

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

    /// <summary>Hosts of back-channel logout URIs that may resolve to private addresses.</summary>
    public IReadOnlyList<string> LogoutPrivateHosts { get; init; } = [];

    /// <summary>How long audit records, and superseded policies, are kept.</summary>
    public TimeSpan KeepAudit { get; init; } = TimeSpan.FromDays(Retention.DefaultAuditDays);

    /// <summary>Every reason why these options cannot be served with.</summary>
    public IEnumerable<string> Validate()
    {
        if (State.Length == 0)
        {
            yield return "`--state` is empty: it is the folder for what is this node's own";
        }

        if (KeyVault is null && Database.IsShared)
        {
            yield return "nodes that share a database share a master key as well: give `--key-vault`";
        }

        if (UnixSockets.FindListenFault(AdminSocket) is { } noSocket)
        {
            yield return noSocket;
        }

        if (Certificate is null != CertificateKey is null)
        {
            yield return "a certificate goes with its key: give both `--certificate` and `--certificate-key`, or neither";
        }

        foreach (var (option, path) in new[] { ("--certificate", Certificate), ("--certificate-key", CertificateKey), ("--client-ca", ClientCa), ("--join-kubernetes", JoinKubernetes) })
        {
            if (path is not null && !File.Exists(path))
            {
                yield return $"the file `{path}` of `{option}` does not exist";
            }
        }

        if ((Listen ?? ListenHttps) is not null && Certificate is null && Names.Count == 0)
        {
            yield return "a certificate is for names: give `--name` for each name and address by which this node is reached";
        }

        if (JoinKubernetes is not null && Listen is null)
        {
            yield return "`--join-kubernetes` requires `--listen`";
        }

        if (WaitForDatabase < TimeSpan.Zero || WaitForDatabase > TimeSpan.FromHours(1))
        {
            yield return "`--wait-for-database` is 0 to 3600 seconds";
        }

        if (AttemptsPerMinute < 0)
        {
            yield return "`--attempts-per-minute` is 0 or more";
        }

        if (ListenHttps is null != Url is null)
        {
            yield return "administrators reach a node by its address: give both `--listen-https` and `--url`, or neither";
        }

        if (ListenCertificates is null != CertificatesUrl is null || (CertificatesUrl is not null && Url is null))
        {
            yield return "clients find where they connect with certificates by its address: give both `--listen-certificates` and `--certificates-url`, beside `--url`, or neither";
        }

        if (CertificatesUrl is { } certificates && certificates.Scheme != Uri.UriSchemeHttps)
        {
            yield return $"`{certificates}` is not an address such as `https://control.example:8444`";
        }

        if (Url is not null && (Url.Scheme != Uri.UriSchemeHttps || Url.Query.Length > 0 || Url.Fragment.Length > 0 || Url.UserInfo.Length > 0))
        {
            yield return $"`{Url}` is not the address of an issuer, such as `https://control.example:8443` (RFC 8414, section 2)";
        }
    }
}
