using Microsoft.AspNetCore.Connections;

namespace AuthSidecar.ControlPlane.Hosting;

/// <summary>Limits how many connections an address has at once, of IPv6 a /64: before a handshake, so that connections that do nothing cost
/// their maker more than us. The proxies that are trusted have those of everybody.</summary>
internal sealed partial class ConnectionLimits(ServeOptions options, TimeProvider time, ILogger<ConnectionLimits> logger)
{
    /// <summary>A browser has six, a client one; behind an address of a carrier there are many of them.</summary>
    public const int MaxOfAddress = 200;

    /// <summary>Of connections to the sidecars' listener without a client certificate: those that enrol, of which a whole cluster may have
    /// one address.</summary>
    public const int MaxEnrollingOfAddress = 1_000;

    private readonly Outage _refusals = new(time);
    private readonly ConcurrentDictionary<(string Network, int Most), int> _connections = [];

    /// <summary>How many addresses have any.</summary>
    internal int Count => _connections.Count;

    public async Task LimitAsync(ConnectionContext connection, int most, Func<Task> next)
    {
        var address = connection.RemoteEndPoint is IPEndPoint { Address: var remote } ? RemoteNetwork.Unmapped(remote) : null;
        if (address is null || options.Addresses.TrustedProxies.Any(p => p.Contains(address)))
        {
            await next();
            return;
        }

        var network = RemoteNetwork.Of(address);
        var key = (network, most);
        var count = _connections.AddOrUpdate(key, 1, static (_, n) => n + 1);
        try
        {
            if (count > most)
            {
                lock (_refusals)
                {
                    if (_refusals.Fail())
                        Log.TooMany(logger, network, most);
                }

                connection.Abort();
                return;
            }

            await next();
        }
        finally
        {
            if (_connections.AddOrUpdate(key, 0, static (_, n) => n - 1) == 0)
            {
                // Only if nobody has come meanwhile.
                _connections.TryRemove(KeyValuePair.Create(key, 0));
            }
        }
    }

    private static partial class Log
    {
        [LoggerMessage(57, LogLevel.Warning, "connections from {Address} refused: more than {Limit} at once",
            EventName = "TooManyConnections")]
        public static partial void TooMany(ILogger logger, string address, int limit);
    }
}
