using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;

namespace AuthSidecar.ControlPlane.Hosting;

/// <summary>
/// Limits how many connections an address has at once, of IPv6 a /64: before a handshake, so that connections that do nothing cost their maker more than us. The
/// proxies that are trusted have those of everybody.
/// </summary>
internal sealed partial class ConnectionLimits(ServeOptions options, ILogger<ConnectionLimits> logger)
{
    /// <summary>A browser has six, a client one; behind an address of a carrier there are many of them.</summary>
    public const int MaxOfAddress = 200;

    private const int NetworkBytes = 8;

    private readonly ConcurrentDictionary<IPAddress, int> _connections = [];

    /// <summary>How many addresses have any.</summary>
    internal int Count => _connections.Count;

    public async Task LimitAsync(ConnectionContext connection, Func<Task> next)
    {
        if (connection.RemoteEndPoint is not IPEndPoint { Address: var address } || options.TrustedProxies.Any(p => p.Contains(address)))
        {
            await next();
            return;
        }

        var network = NetworkOf(address);
        var count = _connections.AddOrUpdate(network, 1, static (_, n) => n + 1);
        try
        {
            if (count > MaxOfAddress)
            {
                if (count == MaxOfAddress + 1)
                {
                    Log.TooMany(logger, network, MaxOfAddress);
                }

                connection.Abort();
                return;
            }

            await next();
        }
        finally
        {
            if (_connections.AddOrUpdate(network, 0, static (_, n) => n - 1) == 0)
            {
                // Only if nobody has come meanwhile.
                _connections.TryRemove(KeyValuePair.Create(network, 0));
            }
        }
    }

    private static IPAddress NetworkOf(IPAddress address)
    {
        address = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        if (address.AddressFamily != AddressFamily.InterNetworkV6)
        {
            return address;
        }

        var bytes = address.GetAddressBytes();
        bytes.AsSpan(NetworkBytes).Clear();
        return new IPAddress(bytes);
    }

    private static partial class Log
    {
        [LoggerMessage(57, LogLevel.Warning, "connections from {Address} refused: more than {Limit} at once", EventName = "TooManyConnections")]
        public static partial void TooMany(ILogger logger, IPAddress address, int limit);
    }
}
