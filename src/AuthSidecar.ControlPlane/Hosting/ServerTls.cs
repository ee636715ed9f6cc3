using System.Security.Authentication;
using AuthSidecar.ControlPlane.Sidecars.Trust;

namespace AuthSidecar.ControlPlane.Hosting;

/// <summary>TLS 1.3 with a certificate from files or from our own CA; and from whoever connects one of ours or of a CA in a file, or none:
/// who has none can enrol and nothing else.</summary>
/// <remarks>The files are looked at with every handshake and read again when they have changed: cert-manager and SPIRE replace them while
/// we run.</remarks>
internal sealed class ServerTls(ServeOptions options, TrustRing trust, TimeProvider time)
{
    private readonly Lock _reading = new();
    private (string Files, TrustSet Trust)? _readOf;
    private (SslStreamCertificateContext Certificate, X509Certificate2Collection Authorities)? _current;
    private DateTimeOffset _renewAt;

    private IEnumerable<string> Files => new[] { options.Certificate, options.CertificateKey, options.ClientCa }.OfType<string>();

    /// <summary>Finds out now what is wrong with the files, and not by the first sidecar.</summary>
    /// <exception cref="InvalidDataException">A file holds something else.</exception>
    public void Check() => Read();

    /// <summary>How to shake hands with a sidecar that connects now.</summary>
    public SslServerAuthenticationOptions ForSidecars()
    {
        var (certificate, authorities) = Read();
        return new SslServerAuthenticationOptions
        {
            EnabledSslProtocols = SslProtocols.Tls13,
            ServerCertificateContext = certificate,
            ClientCertificateRequired = true,
            CertificateChainPolicy = CertificateChains.UncheckedPolicy(),
            RemoteCertificateValidationCallback = (_, client, _, _) => client is null || IsOurs(client, authorities),
        };
    }

    /// <summary>How to shake hands with anybody else: who they are, they say later.</summary>
    public SslServerAuthenticationOptions ForEverybody() => new()
    {
        EnabledSslProtocols = SslProtocols.Tls13,
        ServerCertificateContext = Read().Certificate,
    };

    /// <summary>How to shake hands with whoever has a certificate, of whatever CA or none: they have its key, and that is all it has to
    /// say.</summary>
    public SslServerAuthenticationOptions ForCertificates() => new()
    {
        EnabledSslProtocols = SslProtocols.Tls13,
        ServerCertificateContext = Read().Certificate,
        ClientCertificateRequired = true,
        CertificateChainPolicy = CertificateChains.UncheckedPolicy(),
        RemoteCertificateValidationCallback = (_, client, _, _) => client is not null,
    };

    /// <summary>Without intermediates of the client: a sidecar's certificate is issued by the CA itself, and one below another CA would not
    /// be found in the registry, which alone refuses certificates of a revoked CA.</summary>
    private static bool IsOurs(X509Certificate presented, X509Certificate2Collection authorities)
    {
        using var client = X509CertificateLoader.LoadCertificate(presented.GetRawCertData());
        return CertificateChains.FindClientFault(client, intermediates: [], authorities, out _) is null;
    }

    private (SslStreamCertificateContext Certificate, X509Certificate2Collection Authorities) Read()
    {
        lock (_reading)
        {
            var (stamp, now) = ((Files: FileStatus.StampOf(Files), Trust: trust.Current), time.GetUtcNow());
            if (_current is null || stamp != _readOf || now >= _renewAt)
            {
                try
                {
                    X509Certificate2Collection authorities = [.. stamp.Trust.Accepted];
                    if (options.ClientCa is { } clientCa)
                        authorities.AddRange(CertificateChains.ReadAuthorities(clientCa));

                    _current = (ReadCertificate(stamp.Trust, now), authorities);
                    (_readOf, _renewAt) = (stamp, now + (CertificateAuthority.ServerLifetime / 2));
                }
                catch (Exception e) when (_current is not null
                    && e is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException
                        or InvalidDataException)
                {
                    // Half-written: the next handshake looks again.
                }
            }

            return _current!.Value;
        }
    }

    private SslStreamCertificateContext ReadCertificate(TrustSet anchors, DateTimeOffset now)
    {
        if (options.Certificate is null)
            return SslStreamCertificateContext.Create(anchors.Authority.IssueServer(options.Names, now), anchors.Chain, offline: true);

        return CertificateChains.ReadServer(options.Certificate, options.CertificateKey!);
    }
}
