using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace AuthSidecar.Tokens;

/// <summary>The URIs among the subject alternative names of certificates (RFC 5280, section 4.2.1.6): the platform reads DNS names and IP
/// addresses alone.</summary>
internal static class CertificateUris
{
    private const string SubjectAlternativeName = "2.5.29.17";

    /// <summary>GeneralName: uniformResourceIdentifier [6] IA5String.</summary>
    private static readonly Asn1Tag UriTag = new(TagClass.ContextSpecific, 6);

    /// <summary>All of them; null: the names cannot be read, or there are two extensions with names.</summary>
    public static IReadOnlyList<string>? Of(X509Certificate2 certificate)
    {
        var extensions = certificate.Extensions.Where(e => e.Oid?.Value == SubjectAlternativeName).ToList();
        return extensions.Count switch { 0 => [], 1 => Read(extensions[0].RawData), _ => null };
    }

    /// <summary>Those in the value of the extension, in DER; null: it is malformed.</summary>
    internal static IReadOnlyList<string>? Read(ReadOnlyMemory<byte> value)
    {
        var uris = new List<string>();
        try
        {
            var reader = new AsnReader(value, AsnEncodingRules.DER);
            var names = reader.ReadSequence();
            reader.ThrowIfNotEmpty();
            while (names.HasData)
            {
                if (names.PeekTag().HasSameClassAndValue(UriTag))
                    uris.Add(names.ReadCharacterString(UniversalTagNumber.IA5String, UriTag));
                else
                    names.ReadEncodedValue();
            }

            return uris;
        }
        catch (Exception e) when (e is AsnContentException or CryptographicException)
        {
            return null;
        }
    }
}
