using System.Diagnostics.CodeAnalysis;
using System.Net;
using AuthSidecar.Cedar;

namespace AuthSidecar.Risk;

/// <summary>
/// Reads IP addresses without a guess: four decimal octets or IPv6 groups. The platform's parser also takes <c>1</c>, <c>0x7f.1</c>,
/// octal, zones and ports, and so lets one address pass for another.
/// </summary>
internal static class StrictIpAddress
{
    /// <summary>Reads a single address; an IPv4-mapped one in IPv6 notation counts as IPv4, so that lists of IPv4 ranges apply to it.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out IpRange? address)
    {
        address = null;
        var mapped = MappedIpv4(text);
        if (!IpRange.TryParse(mapped ?? text, out var parsed) || text.Contains('/'))
        {
            return false;
        }

        address = parsed!.MapToIpv4();
        return true;
    }

    /// <summary>The platform's form of an address that was parsed here.</summary>
    public static IPAddress ToIPAddress(this IpRange address) => new(address.ToAddressBytes());

    /// <summary><c>::ffff:10.0.0.1</c>, the one mixed notation in use (RFC 4291, section 2.5.5.2): sockets that listen on both families print it.</summary>
    private static string? MappedIpv4(string text)
    {
        const string Prefix = "::ffff:";
        return text.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) && text.Contains('.') ? text[Prefix.Length..] : null;
    }
}
