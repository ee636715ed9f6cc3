namespace AuthSidecar.Common;

/// <summary>Keeps requests to addresses that others choose from what is inside: this machine, this network, what a cloud tells its
/// machines.</summary>
internal static class PublicAddresses
{
    /// <summary>Connects to an address that was looked at: a name may lead to one place when it is checked and to another when it is
    /// used.</summary>
    /// <param name="context">The connection to make.</param>
    /// <param name="isPrivateAllowed">Whether the host may be at a private address.</param>
    /// <param name="option">The option that allows it, for the message.</param>
    /// <exception cref="HttpRequestException">The host resolves to a private address.</exception>
    public static async ValueTask<Stream> ConnectAsync(
        SocketsHttpConnectionContext context, bool isPrivateAllowed, string option, CancellationToken cancellation)
    {
        var addresses = await Dns.GetHostAddressesAsync(context.DnsEndPoint.Host, cancellation);
        if (!isPrivateAllowed && addresses.FirstOrDefault(a => !IsPublic(a)) is not null)
            throw new HttpRequestException($"host resolves to a private address: see `{option}`");

        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, context.DnsEndPoint.Port, cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Whether an address is one of the internet's at large (RFC 6890), and not of this machine, this network, or
    /// nobody.</summary>
    public static bool IsPublic(IPAddress address)
    {
        address = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        var b = address.GetAddressBytes();
        if (address.AddressFamily == AddressFamily.InterNetworkV6)
        {
            // Global unicast, but for documentation, and for what wraps an IPv4 address: 6to4 and Teredo.
            return (b[0] & 0xe0) == 0x20 && !(b[0] == 0x20 && b[1] == 0x01 && ((b[2] == 0x0d && b[3] == 0xb8) || b[2] < 0x02))
                && !(b[0] == 0x20 && b[1] == 0x02);
        }

        return (b[0], b[1], b[2]) switch
        {
            (0 or 10 or 127 or >= 224, _, _) => false,
            (100, >= 64 and < 128, _) => false,
            (169, 254, _) => false,
            (172, >= 16 and < 32, _) => false,
            (192, 168, _) or (192, 0, 0 or 2) or (192, 88, 99) => false,
            (198, 18 or 19, _) or (198, 51, 100) or (203, 0, 113) => false,
            _ => true,
        };
    }
}
