using System.Security.Cryptography.X509Certificates;

namespace AuthSidecar.Common;

/// <summary>Certificate path validation (RFC 5280, section 6) against given CAs, without network access.</summary>
internal static class CertificateChains
{
    /// <summary>Whether one of the CAs issued the certificate. Validity periods are not checked.</summary>
    public static bool IsIssuedBy(X509Certificate2 certificate, X509Certificate2Collection authorities)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationFlags = X509VerificationFlags.IgnoreNotTimeValid;
        return chain.Build(certificate);
    }
}
