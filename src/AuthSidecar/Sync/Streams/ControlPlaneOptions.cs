using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace AuthSidecar.Sync.Streams;

/// <summary>Where the control plane is, and how the two know each other.</summary>
internal sealed record ControlPlaneOptions
{
    /// <summary>Such as <c>https://control:7443</c>; several nodes of one control plane, any of which will do.</summary>
    public required IReadOnlyList<Uri> Addresses { get; init; }

    public required SidecarScope Scope { get; init; }

    /// <summary>The sidecar's certificate and its key, in PEM.</summary>
    public required string Certificate { get; init; }

    public required string CertificateKey { get; init; }

    /// <summary>The CA of the control plane's certificate, in PEM.</summary>
    public required string Ca { get; init; }

    /// <summary>The keys that bundles are signed with, as a JWKS.</summary>
    public required string PinnedKeys { get; init; }

    /// <summary>Every reason why these options cannot be used.</summary>
    public IEnumerable<string> Validate()
    {
        foreach (var address in Addresses.Where(a => a.Scheme != Uri.UriSchemeHttps))
        {
            yield return $"`{address}` is not an address such as `https://control:7443`";
        }

        if (Scope.Application.Length == 0)
        {
            yield return "a sidecar that follows a control plane serves an application: give `--application`";
        }

        foreach (var path in new[] { Certificate, CertificateKey, Ca, PinnedKeys }.Where(p => !File.Exists(p)))
        {
            yield return $"the file `{path}` does not exist";
        }
    }

    /// <summary>TLS 1.3 that knows the control plane by its CA alone. The files are read now: each new connection sees what is there then.</summary>
    /// <exception cref="InvalidDataException">A file holds something else.</exception>
    public SslClientAuthenticationOptions ToTls()
    {
        try
        {
            using var pem = X509Certificate2.CreateFromPemFile(Certificate, CertificateKey);
            var authorities = new X509Certificate2Collection();
            authorities.ImportFromPemFile(Ca);
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
                // Through PKCS #12: a key that is only in memory is not offered in handshakes on every platform.
                ClientCertificates = [X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pfx), null)],
                CertificateChainPolicy = chain,
            };
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new InvalidDataException($"`{Certificate}`, `{CertificateKey}` and `{Ca}` are not a certificate, its key and a CA in PEM", e);
        }
    }
}
