using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace AuthSidecar.Testing;

/// <summary>A CA, and the certificates that it issues.</summary>
internal sealed class TestCa : IDisposable
{
    public const string ClientAuth = "1.3.6.1.5.5.7.3.2";
    public const string ServerAuth = "1.3.6.1.5.5.7.3.1";

    private readonly X509Certificate2 _certificate;

    public TestCa(TestCa? parent = null, string? uri = null)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN=CA {Guid.NewGuid():N}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, critical: true));
        if (uri is not null)
        {
            var names = new SubjectAlternativeNameBuilder();
            names.AddUri(new Uri(uri));
            request.CertificateExtensions.Add(names.Build());
        }

        var (from, until) = (DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(99));
        _certificate = parent is null ? request.CreateSelfSigned(from, until)
            : request.Create(parent._certificate, from, until, RandomNumberGenerator.GetBytes(8)).CopyWithPrivateKey(key);
    }

    public X509Certificate2 Certificate => _certificate;

    public string Pem => _certificate.ExportCertificatePem();

    /// <summary>Issues the X.509-SVID of a workload, or what differs from one as a test wants.</summary>
    public X509Certificate2 Issue(
        string[] uris, X509KeyUsageFlags? usage = X509KeyUsageFlags.DigitalSignature, string? extendedUsage = ClientAuth, bool isCa = false,
        DateTimeOffset? until = null, DateTimeOffset? from = null, string dnsName = "localhost")
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=workload", key, HashAlgorithmName.SHA256);
        if (isCa)
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));

        if (usage is { } flags)
            request.CertificateExtensions.Add(new X509KeyUsageExtension(flags, critical: true));

        if (extendedUsage is not null)
            request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([.. extendedUsage.Split(' ').Select(u => new Oid(u))], critical: false));

        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(dnsName);
        foreach (var uri in uris)
            names.AddUri(new Uri(uri));

        request.CertificateExtensions.Add(names.Build());
        using var issued = request.Create(
            _certificate, from ?? DateTimeOffset.UnixEpoch.AddYears(50), until ?? DateTimeOffset.UnixEpoch.AddYears(90), RandomNumberGenerator.GetBytes(8));
        using var own = issued.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(own.Export(X509ContentType.Pfx), null);
    }

    public void Dispose() => _certificate.Dispose();
}
