using System.Collections.Concurrent;
using System.Net;
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

    private readonly ConcurrentDictionary<string, int> _connections = [];

    /// <summary>How many addresses have any.</summary>
    internal int Count => _connections.Count;

    public async Task LimitAsync(ConnectionContext connection, Func<Task> next)
    {
        var address = connection.RemoteEndPoint is IPEndPoint { Address: var remote } ? ClientAddress.Unmapped(remote) : null;
        if (address is null || options.TrustedProxies.Any(p => p.Contains(address)))
        {
            await next();
            return;
        }

        var network = ClientAddress.NetworkOf(address);
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

    private static partial class Log
    {
        [LoggerMessage(57, LogLevel.Warning, "connections from {Address} refused: more than {Limit} at once", EventName = "TooManyConnections")]
        public static partial void TooMany(ILogger logger, string address, int limit);
    }
}
