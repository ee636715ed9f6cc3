using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace AuthSidecar.ControlPlane.Hosting;

/// <summary>TLS 1.3 with a certificate from files, and one of a CA of ours from whoever connects.</summary>
/// <remarks>The files are looked at with every handshake and read again when they have changed: cert-manager and SPIRE replace them while we run.</remarks>
internal sealed class MutualTls(string certificate, string key, string clientCa)
{
    private readonly Lock _reading = new();
    private DateTime _readOf;
    private X509Certificate2? _certificate;
    private X509Certificate2Collection _authorities = [];

    /// <exception cref="InvalidDataException">A file holds something else.</exception>
    public HttpsConnectionAdapterOptions ToOptions()
    {
        try
        {
            // What is wrong from the start is to be found out then, and not by the first sidecar.
            Read();
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            throw new InvalidDataException($"`{certificate}`, `{key}` and `{clientCa}` are not a certificate, its key and a CA in PEM", e);
        }

        return new HttpsConnectionAdapterOptions
        {
            SslProtocols = SslProtocols.Tls13,
            ClientCertificateMode = ClientCertificateMode.RequireCertificate,
            CheckCertificateRevocation = false,
            ServerCertificateSelector = (_, _) => Read().Certificate,
            ClientCertificateValidation = (client, _, _) => IsOurs(client, Read().Authorities),
        };
    }

    private static bool IsOurs(X509Certificate2 client, X509Certificate2Collection authorities)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        // Certificates of sidecars are short-lived and end by themselves; nobody serves lists of them.
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.2", "clientAuth"));
        return chain.Build(client);
    }

    private (X509Certificate2 Certificate, X509Certificate2Collection Authorities) Read()
    {
        lock (_reading)
        {
            var written = new[] { certificate, key, clientCa }.Max(File.GetLastWriteTimeUtc);
            if (_certificate is null || written != _readOf)
            {
                try
                {
                    // Through PKCS #12: a key that is only in memory is not offered in handshakes on every platform.
                    using var pem = X509Certificate2.CreateFromPemFile(certificate, key);
                    var authorities = new X509Certificate2Collection();
                    authorities.ImportFromPemFile(clientCa);
                    (_certificate, _authorities, _readOf) = (X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pfx), null), authorities, written);
                }
                catch (Exception e) when (_certificate is not null && e is IOException or CryptographicException or ArgumentException)
                {
                    // Half-written: the next handshake looks again.
                }
            }

            return (_certificate!, _authorities);
        }
    }
}
