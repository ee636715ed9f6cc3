using System.Diagnostics.CodeAnalysis;
using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace AuthSidecar.Tokens;

/// <summary>X.509-SVIDs: certificates that name a workload by its SPIFFE ID (X509-SVID, sections 2 to 5). Their path is validated
/// elsewhere.</summary>
internal static class X509Svid
{
    private const string SubjectAlternativeName = "2.5.29.17";

    /// <summary>Reads the SPIFFE ID of a leaf certificate.</summary>
    /// <param name="certificate">A certificate that was issued by the CA of the trust domain.</param>
    /// <param name="trustDomain">The trust domain that its ID must be in.</param>
    /// <param name="id">The ID; empty if there is none.</param>
    /// <param name="fault">Why the certificate is not the X.509-SVID of a workload of the trust domain.</param>
    public static bool TryReadId(X509Certificate2 certificate, string trustDomain, out string id, [NotNullWhen(false)] out string? fault)
    {
        id = "";
        if (certificate.Extensions.OfType<X509BasicConstraintsExtension>().Any(e => e.CertificateAuthority))
        {
            fault = "the certificate is that of a CA";
            return false;
        }

        // Section 4.3: digitalSignature, and neither keyCertSign nor cRLSign.
        if (certificate.Extensions.OfType<X509KeyUsageExtension>().FirstOrDefault() is not { KeyUsages: var usages }
            || !usages.HasFlag(X509KeyUsageFlags.DigitalSignature)
            || (usages & (X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign)) != 0)
        {
            fault = "the key usage of the certificate is not digitalSignature";
            return false;
        }

        // Section 2: exactly one URI, so that nobody reads another.
        if (UrisOf(certificate) is not [var uri])
        {
            fault = "the certificate does not have exactly one URI SAN";
            return false;
        }

        if (SpiffeId.TrustDomainOf(uri) is not { } domain)
        {
            fault = $"`{ForeignText.Show(uri)}` is not the SPIFFE ID of a workload";
            return false;
        }

        if (domain != trustDomain)
        {
            fault = $"`{ForeignText.Show(uri)}` is not in the trust domain `{trustDomain}`";
            return false;
        }

        (id, fault) = (uri, null);
        return true;
    }

    /// <summary>The URIs among the subject alternative names (RFC 5280, section 4.2.1.6); null: they cannot be read.</summary>
    private static List<string>? UrisOf(X509Certificate2 certificate)
    {
        // GeneralName: uniformResourceIdentifier [6] IA5String. The platform reads DNS names and IP addresses alone.
        var uri = new Asn1Tag(TagClass.ContextSpecific, 6);
        var uris = new List<string>();
        try
        {
            foreach (var extension in certificate.Extensions.Where(e => e.Oid?.Value == SubjectAlternativeName))
            {
                var names = new AsnReader(extension.RawData, AsnEncodingRules.DER).ReadSequence();
                while (names.HasData)
                {
                    if (names.PeekTag().HasSameClassAndValue(uri))
                        uris.Add(names.ReadCharacterString(UniversalTagNumber.IA5String, uri));
                    else
                        names.ReadEncodedValue();
                }
            }

            return uris;
        }
        catch (Exception e) when (e is AsnContentException or CryptographicException)
        {
            return null;
        }
    }
}
