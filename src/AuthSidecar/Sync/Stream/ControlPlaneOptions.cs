using System.Security.Authentication;
using Grpc.Net.Client;

namespace AuthSidecar.Sync.Stream;

/// <summary>Where the control plane is, and how the two know each other.</summary>
internal sealed partial record ControlPlaneOptions
{
    /// <summary>Documents come in parts; what is left are digests, and uids of what is gone.</summary>
    private const int MaxMessageBytes = 16 * 1024 * 1024;

    private static readonly TimeSpan ConnectWithin = TimeSpan.FromSeconds(5);

    /// <summary>Such as <c>https://control:7443</c>; several nodes of one control plane, any of which will do.</summary>
    public required IReadOnlyList<Uri> Addresses { get; init; }

    public required Placement Placement { get; init; }

    /// <summary>The sidecar's certificate and its key, in PEM.</summary>
    public required string Certificate { get; init; }

    public required string CertificateKey { get; init; }

    /// <summary>The CA of the control plane's certificate, in PEM.</summary>
    public required string Ca { get; init; }

    /// <summary>The keys that bundles are signed with, as a JWKS.</summary>
    public required string PinnedKeys { get; init; }

    /// <summary>How the files above come to be; null: somebody else sees to that.</summary>
    public JoinOptions? Join { get; init; }

    /// <summary>With the files where a sidecar that joins keeps what it gets.</summary>
    public static ControlPlaneOptions Joining(IReadOnlyList<Uri> addresses, Placement placement, JoinOptions join, string stateFolder)
    {
        var folder = Path.Combine(stateFolder, "identity");
        return new ControlPlaneOptions
        {
            Addresses = addresses,
            Placement = placement,
            Certificate = Path.Combine(folder, "certificate.pem"),
            CertificateKey = Path.Combine(folder, "certificate.pem"),
            Ca = Path.Combine(folder, "ca.pem"),
            PinnedKeys = Path.Combine(folder, "bundle-keys.json"),
            Join = join,
        };
    }

    /// <summary>Every reason why these options cannot be used.</summary>
    public IEnumerable<string> Validate()
    {
        foreach (var address in Addresses.Where(a => a.Scheme != Uri.UriSchemeHttps))
            yield return $"`{address}` is not an address such as `https://control:7443`";

        if (Placement.Application.Length == 0)
            yield return "`--control-plane` requires `--application`";

        if (Join is null && new[] { Certificate, CertificateKey, Ca, PinnedKeys }.Any(string.IsNullOrEmpty))
        {
            yield return "missing options: specify `--join-token` or `--join-kubernetes` (also after enrolment), or `--certificate`, "
                + "`--certificate-key`, `--ca` and `--pinned-keys`";
            yield break;
        }

        foreach (var (option, name) in new[] { ("--application", Placement.Application), ("--tenant", Placement.Tenant) })
        {
            if (name.Length > 0 && !Names.Are(name))
                yield return $"{option}: `{name}` must have {Names.Form}";
        }

        if (Join is { } joined && !Names.Are(joined.Name))
            yield return $"--name: `{joined.Name}` must have {Names.Form}";

        if (Join is not null && EnrolledAs(TimeProvider.System.GetUtcNow()) is { } enrolled && enrolled != Placement)
        {
            yield return $"the state folder is enrolled for application `{enrolled.Application}`"
                + $"{(enrolled.Tenant.Length == 0 ? "" : $", tenant `{enrolled.Tenant}`")}: specify that, or another `--state`";
        }

        if (Join is null && File.Exists(PinnedKeys)
            && FileErrors.Find(() => Stream.PinnedKeys.Read(PinnedKeys, File.ReadAllBytes(PinnedKeys))) is { } noKeys)
        {
            yield return $"--pinned-keys: {noKeys}";
        }

        var files = Join is { } join ? JoinOptions.HasEnrolled(this) ? [] : join.Files : [Certificate, CertificateKey, Ca, PinnedKeys];
        foreach (var path in files.Where(p => !File.Exists(p)))
            yield return $"the file `{path}` does not exist";
    }

    /// <summary>What the certificate in the state folder is for, by its URI; null: there is none that counts.</summary>
    private Placement? EnrolledAs(DateTimeOffset now)
    {
        if (!JoinOptions.HasEnrolled(this))
            return null;

        try
        {
            using var certificate = X509Certificate2.CreateFromPem(File.ReadAllText(Certificate));
            // With one that has run out it enrols anew, as whatever it is then.
            if (certificate.NotAfter <= now.LocalDateTime)
                return null;

            var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault()?.Format(multiLine: false);
            return IdentityUri().Match(names ?? "") is { Success: true } match
                ? new Placement(match.Groups["application"].Value, match.Groups["tenant"].Value) : null;
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    [GeneratedRegex("spiffe://[^/]+/application/(?<application>[^/]+)(/tenant/(?<tenant>[^/]+))?/sidecar/")]
    private static partial Regex IdentityUri();

    /// <summary>A channel to a node.</summary>
    public static GrpcChannel Connect(Uri address, SslClientAuthenticationOptions tls) =>
        GrpcChannel.ForAddress(address, new GrpcChannelOptions
        {
            HttpHandler = new SocketsHttpHandler { SslOptions = tls, ConnectTimeout = ConnectWithin },
            DisposeHttpClient = true,
            MaxReceiveMessageSize = MaxMessageBytes,
        });

    /// <summary>TLS 1.3 that knows the control plane by its CA alone. The files are read now: each new connection sees what is there
    /// then.</summary>
    /// <param name="now">What the clock says.</param>
    /// <exception cref="InvalidDataException">A file holds something else, or a certificate that is not valid now.</exception>
    public SslClientAuthenticationOptions ToTls(DateTimeOffset now)
    {
        try
        {
            using var pem = X509Certificate2.CreateFromPemFile(Certificate, CertificateKey);
            var what = $"the certificate of this sidecar, `{Certificate}`,";
            if (CertificateChains.DescribeValidity(what, pem.NotBefore, pem.NotAfter, now) is { } invalid)
                throw new InvalidDataException(invalid);

            var authorities = CertificateChains.ReadAuthorities(Ca);
            // Through PKCS #12: a key that is only in memory is not offered in handshakes on every platform.
            return ToTls(authorities, X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pfx), null), now);
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new InvalidDataException(
                $"`{Certificate}`, `{CertificateKey}` and `{Ca}` are not a certificate, its key and a CA in PEM", e);
        }
    }

    /// <summary>TLS 1.3 that knows the control plane by its CA alone.</summary>
    /// <param name="certificate">What to show it; null: nothing yet.</param>
    /// <param name="now">What the clock says.</param>
    public static SslClientAuthenticationOptions ToTls(
        X509Certificate2Collection authorities, X509Certificate2? certificate, DateTimeOffset now)
    {
        var chain = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            DisableCertificateDownloads = true,
        };
        chain.CustomTrustStore.AddRange(authorities);
        return new SslClientAuthenticationOptions
        {
            EnabledSslProtocols = SslProtocols.Tls13,
            ClientCertificates = certificate is null ? null : [certificate],
            CertificateChainPolicy = chain,
            RemoteCertificateValidationCallback = (_, its, _, errors) => errors == SslPolicyErrors.None
                ? true
                : throw new AuthenticationException(CertificateChains.Describe(its, errors, now,
                    "untrusted certificate: that of the control plane was not issued by the configured CA (`--ca`, or the one of the join "
                        + "token)")),
        };
    }
}

/// <summary>How a sidecar gets its certificate from the control plane's own CA.</summary>
/// <param name="TokenFile">The file with the token: read for the first certificate, and when one has run out.</param>
/// <param name="Name">How the sidecar is to be called.</param>
/// <param name="Ca">The CA of the control plane, in PEM, where the token is the service account token of a pod; null: it is a join token,
/// which says itself whose it is.</param>
internal sealed record JoinOptions(string TokenFile, string Name, string? Ca = null)
{
    public IReadOnlyList<string> Files => Ca is null ? [TokenFile] : [TokenFile, Ca];

    /// <summary>Whether there is a certificate, of whatever age.</summary>
    public static bool HasEnrolled(ControlPlaneOptions options) =>
        File.Exists(options.Certificate) && File.Exists(options.CertificateKey) && File.Exists(options.Ca)
            && File.Exists(options.PinnedKeys);
}
