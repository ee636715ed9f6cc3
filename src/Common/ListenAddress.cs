namespace AuthSidecar.Common;

/// <summary>Reads addresses to listen on as they are written (RFC 5952 and four decimal numbers), and nothing that only looks like
/// one.</summary>
internal static class ListenAddress
{
    /// <summary>Reads an IP address.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out IPAddress? address)
    {
        // Cedar's reading is strict; an address without a prefix is what it has no slash in.
        address = !text.Contains('/', StringComparison.Ordinal) && IpRange.TryParse(text, out var range)
            ? new IPAddress(range.ToAddressBytes()) : null;
        return address is not null;
    }

    /// <summary>Reads <c>127.0.0.1:7080</c> or <c>[::1]:7080</c>; null for anything else.</summary>
    public static IPEndPoint? TryParseEndPoint(string text)
    {
        var colon = text.LastIndexOf(':');
        if (colon < 1 || !ushort.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var port))
            return null;

        var host = text[..colon];
        var isBracketed = host is ['[', .., ']'];
        return TryParse(isBracketed ? host[1..^1] : host, out var address) && isBracketed == host.Contains(':', StringComparison.Ordinal)
            ? new IPEndPoint(address, port) : null;
    }
}
