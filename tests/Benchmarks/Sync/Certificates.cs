using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Benchmarks.Sync;

/// <summary>A CA, a server and as many sidecars as are wanted, as files and in memory.</summary>
internal sealed class Certificates
{
    private readonly X509Certificate2 _ca;
    private readonly string _folder;

    public Certificates(string folder)
    {
        _folder = folder;
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=benchmarks", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        _ca = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(1));
        File.WriteAllText(In("ca.pem"), _ca.ExportCertificatePem());
        using var server = Issue("CN=control", names => names.AddIpAddress(IPAddress.Loopback), "1.3.6.1.5.5.7.3.1");
        File.WriteAllText(In("control.pem"), server.ExportCertificatePem());
        File.WriteAllText(In("control.key"), server.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
    }

    public string In(string name) => Path.Combine(_folder, name);

    public X509Certificate2 ForSidecar(string name) =>
        Issue($"CN={name}", names => names.AddUri(new Uri($"spiffe://benchmarks/application/documents/sidecar/{name}")), "1.3.6.1.5.5.7.3.2");

    public SocketsHttpHandler Handler(X509Certificate2? certificate)
    {
        var chain = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        chain.CustomTrustStore.Add(_ca);
        return new SocketsHttpHandler
        {
            SslOptions = new() { CertificateChainPolicy = chain, ClientCertificates = certificate is null ? null : [certificate] },
        };
    }

    private X509Certificate2 Issue(string subject, Action<SubjectAlternativeNameBuilder> addNames, string usage)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        addNames(names);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], critical: false));
        using var certificate = request.Create(_ca, _ca.NotBefore, _ca.NotAfter, RandomNumberGenerator.GetBytes(8));
        using var withKey = certificate.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pkcs12), null, X509KeyStorageFlags.Exportable);
    }
}
