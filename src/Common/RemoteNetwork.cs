namespace AuthSidecar.Common;

/// <summary>Where a client connects from, as it is counted.</summary>
internal static class RemoteNetwork
{
    private const int NetworkBytes = 8;

    /// <summary>An IPv4 address as such, also where the listener has it as one of IPv6.</summary>
    public static IPAddress Unmapped(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    /// <summary>The address, and of IPv6 the network, such as `192.0.2.1` and `2001:db8::/64`: whoever has one address there has all of
    /// them.</summary>
    /// <param name="address">One that is not mapped.</param>
    public static string Of(IPAddress address)
    {
        if (address.AddressFamily != AddressFamily.InterNetworkV6)
            return address.ToString();

        var bytes = address.GetAddressBytes();
        bytes.AsSpan(NetworkBytes).Clear();
        return $"{new IPAddress(bytes)}/{8 * NetworkBytes}";
    }
}
