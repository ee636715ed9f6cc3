using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using AuthSidecar.Cedar;

namespace AuthSidecar.ControlPlane.Hosting;

/// <summary>Reads IP addresses as they are written (RFC 5952 and four decimal numbers), and nothing that only looks like one.</summary>
internal static class StrictAddress
{
    public static bool TryParse(string text, [NotNullWhen(true)] out IPAddress? address)
    {
        // Cedar's reading is strict; an address without a prefix is what it has no slash in.
        var isStrict = !text.Contains('/', StringComparison.Ordinal) && IpRange.TryParse(text, out _);
#pragma warning disable RS0030 // What it would take beyond that is ruled out.
        address = isStrict ? IPAddress.Parse(text) : null;
#pragma warning restore RS0030
        return isStrict;
    }

    /// <summary>Reads <c>127.0.0.1:7443</c> or <c>[::1]:7443</c>.</summary>
    public static IPEndPoint? TryParseEndPoint(string text)
    {
        var colon = text.LastIndexOf(':');
        if (colon < 1 || !ushort.TryParse(text[(colon + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var port))
        {
            return null;
        }

        var host = text[..colon];
        var isBracketed = host is ['[', .., ']'];
        return TryParse(isBracketed ? host[1..^1] : host, out var address) && isBracketed == host.Contains(':', StringComparison.Ordinal) ? new IPEndPoint(address, port) : null;
    }
}
