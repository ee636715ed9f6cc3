namespace AuthSidecar.Common;

/// <summary>Certificate path validation (RFC 5280, section 6) against given CAs, without network access, and descriptions of its
/// failures.</summary>
internal static class CertificateChains
{
    /// <summary>Reads the certificates of CAs, in PEM.</summary>
    /// <exception cref="InvalidDataException">The file has no certificate, or an invalid one.</exception>
    public static X509Certificate2Collection ReadAuthorities(string path)
    {
        var authorities = new X509Certificate2Collection();
        try
        {
            authorities.ImportFromPemFile(path);
        }
        catch (CryptographicException e)
        {
            throw new InvalidDataException($"`{path}` has an invalid certificate: {e.Message}", e);
        }

        return authorities.Count > 0 ? authorities : throw new InvalidDataException($"`{path}` has no certificate in PEM");
    }

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

    /// <summary>Why the certificate of a control plane is rejected: the platform reports only a flag.</summary>
    /// <param name="certificate">The certificate it presented; null: none.</param>
    /// <param name="errors">The result of the validation, not <see cref="SslPolicyErrors.None"/>.</param>
    /// <param name="now">The local time.</param>
    /// <param name="untrusted">The message for a certificate of an unknown CA.</param>
    public static string Describe(X509Certificate? certificate, SslPolicyErrors errors, DateTimeOffset now, string untrusted) =>
        certificate is not X509Certificate2 its
        ? "the control plane presented no certificate"
        : DescribeValidity("the certificate of the control plane", its.NotBefore, its.NotAfter, now)
            ?? (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)
                ? $"certificate name mismatch: the certificate of the control plane is for {Names(its)}" : untrusted);

    /// <summary>Why a certificate is not valid at a time; null: it is.</summary>
    public static string? DescribeValidity(string whose, DateTimeOffset from, DateTimeOffset until, DateTimeOffset now) =>
        now >= from && now < until
        ? null
        : string.Create(
            CultureInfo.InvariantCulture, $"{whose} is not valid now: valid from {from:u} until {until:u}, local clock {now:u}");

    private static string Names(X509Certificate2 certificate)
    {
        var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(
            e => e.EnumerateDnsNames().Concat(e.EnumerateIPAddresses().Select(a => a.ToString()))).ToList();
        return names.Count == 0 ? "none" : string.Join(", ", names);
    }
}
