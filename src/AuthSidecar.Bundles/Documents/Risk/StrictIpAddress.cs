using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace AuthSidecar.Bundles;

/// <summary>Reads IP addresses without a guess: four decimal octets or IPv6 groups. The platform's parser also takes <c>1</c>,
/// <c>0x7f.1</c>, octal, zones and ports, and so lets one address pass for another.</summary>
internal static class StrictIpAddress
{
    /// <summary>Reads a single address; an IPv4-mapped one in IPv6 notation counts as IPv4, so that lists of IPv4 ranges apply to
    /// it.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out IpRange? address)
    {
        address = null;
        var mapped = MappedIpv4(text);
        if (!IpRange.TryParse(mapped ?? text, out var parsed) || text.Contains('/'))
            return false;

        address = parsed!.MapToIpv4();
        return true;
    }

    /// <summary>The platform's form of an address that was parsed here.</summary>
    public static IPAddress ToIPAddress(this IpRange address) => new(address.ToAddressBytes());

    /// <summary>The IPv4 address inside an IPv6 address: of NAT64 (64:ff9b::/96, RFC 6052), 6to4 (2002::/16, RFC 3056), Teredo (2001::/32,
    /// RFC 4380, section 4) and ISATAP (RFC 5214, section 6.1); null: there is none. Whoever sends from it may choose it, so it may count
    /// against them, never for them.</summary>
    public static IpRange? EmbeddedIpv4(this IpRange address)
    {
        if (!address.IsIpv6 || address.Prefix != 128)
            return null;

        var b = address.ToAddressBytes();
        ReadOnlySpan<byte> ipv4 = b switch
        {
            [0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, ..] => b.AsSpan(12),
            [0x20, 0x02, ..] => b.AsSpan(2, 4),
            // The client's, each bit of it inverted.
            [0x20, 0x01, 0, 0, ..] => new[] { (byte)~b[12], (byte)~b[13], (byte)~b[14], (byte)~b[15] },
            [_, _, _, _, _, _, _, _, 0x00 or 0x02, 0x00, 0x5e, 0xfe, ..] => b.AsSpan(12),
            _ => default,
        };
        return ipv4.IsEmpty ? null
            : IpRange.TryParse(string.Create(CultureInfo.InvariantCulture, $"{ipv4[0]}.{ipv4[1]}.{ipv4[2]}.{ipv4[3]}"), out var embedded)
            ? embedded : null;
    }

    /// <summary><c>::ffff:10.0.0.1</c>, the one mixed notation in use (RFC 4291, section 2.5.5.2): sockets that listen on both families
    /// print it.</summary>
    private static string? MappedIpv4(string text)
    {
        const string Prefix = "::ffff:";
        return text.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) && text.Contains('.') ? text[Prefix.Length..] : null;
    }
}
