using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace AuthSidecar.Tokens;

/// <summary>X.509-SVIDs: certificates that name a workload by its SPIFFE ID (X509-SVID, sections 2 to 5). Their path is validated
/// elsewhere.</summary>
internal static class X509Svid
{
    /// <summary>Reads the SPIFFE ID of a leaf certificate.</summary>
    /// <param name="certificate">A certificate that was issued by the CA of the trust domain.</param>
    /// <param name="trustDomain">The trust domain that its ID must be in.</param>
    /// <param name="id">The ID; empty if there is none.</param>
    /// <param name="fault">Why the certificate is not the X.509-SVID of a workload of the trust domain.</param>
    public static bool TryReadId(X509Certificate2 certificate, string trustDomain, out string id, [NotNullWhen(false)] out string? fault)
    {
        id = "";
        try
        {
            fault = FindUsageFault(certificate);
        }
        catch (CryptographicException e)
        {
            // Extensions are decoded when they are read.
            fault = $"malformed certificate extension: {e.Message}";
        }

        if (fault is not null)
            return false;

        // Section 2: exactly one URI, so that all readers read the same.
        if (CertificateUris.Of(certificate) is not [var uri])
            fault = "the certificate does not have exactly one URI SAN";
        else if (SpiffeId.TrustDomainOf(uri) is not { } domain)
            fault = $"`{ForeignText.Show(uri)}` is not the SPIFFE ID of a workload";
        else if (domain != trustDomain)
            fault = $"`{ForeignText.Show(uri)}` is not in the trust domain `{trustDomain}`";
        else
            id = uri;

        return fault is null;
    }

    /// <summary>Why a CA cannot be one of a trust domain: it has the SPIFFE ID of another (section 3.2); null: it can.</summary>
    public static string? FindFaultOfCa(X509Certificate2 ca, string trustDomain) =>
        CertificateUris.Of(ca) is not { } uris ? $"the names of the CA `{ForeignText.Show(ca.Subject)}` are malformed"
        : uris.Where(u => u.StartsWith("spiffe:", StringComparison.OrdinalIgnoreCase))
            .FirstOrDefault(u => u.TrimEnd('/') != $"spiffe://{trustDomain}") is { } other
            ? $"the CA of `{ForeignText.Show(other)}` is not one of the trust domain `{trustDomain}`"
        : null;

    private static string? FindUsageFault(X509Certificate2 certificate)
    {
        // Without basic constraints, a certificate is not that of a CA (RFC 5280, section 4.2.1.9).
        if (certificate.Extensions.OfType<X509BasicConstraintsExtension>().Any(e => e.CertificateAuthority))
            return "the certificate is that of a CA";

        // Section 4.3: digitalSignature, and neither keyCertSign nor cRLSign.
        return certificate.Extensions.OfType<X509KeyUsageExtension>().ToList() is [{ KeyUsages: var usages }]
            && usages.HasFlag(X509KeyUsageFlags.DigitalSignature)
            && (usages & (X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign)) == 0
            ? null : "the key usage of the certificate is not digitalSignature alone";
    }
}
