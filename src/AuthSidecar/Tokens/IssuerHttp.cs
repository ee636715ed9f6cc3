using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using AuthSidecar.Common;

namespace AuthSidecar.Tokens;

/// <summary>Asks issuers: by HTTPS, allowed hosts at public addresses, without following anything, for at most so much and so long.</summary>
internal sealed partial class IssuerHttp : IDisposable
{
    private const int MaxBytes = 64 * 1024;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly IssuerHosts _hosts;
    private readonly WatchedFiles<HttpClient> _http;

    public IssuerHttp(IssuerHosts hosts, ILogger<IssuerHttp> logger)
    {
        _hosts = hosts;
        _http = new WatchedFiles<HttpClient>(hosts.Ca is { } file ? [file] : [], Create, e => Log.CaKept(logger, hosts.Ca!, e.Message)).Watch();
    }

    /// <exception cref="HttpRequestException">It could not be asked, or its answer is too large.</exception>
    /// <exception cref="OperationCanceledException">It took too long.</exception>
    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellation) => _hosts.Allows(request.RequestUri!)
        ? _http.Current.SendAsync(request, cancellation)
        : throw new HttpRequestException("the host is not allowed: see `--issuer-host`");

    public void Dispose()
    {
        _http.Dispose();
        _http.Current.Dispose();
    }

    /// <summary>A client that trusts the CA as it is in its file now. The one before it is left to end what is under way.</summary>
    private HttpClient Create()
    {
        var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = false, ConnectTimeout = Patience, ConnectCallback = ConnectAsync, PooledConnectionLifetime = TimeSpan.FromMinutes(1) };
        if (_hosts.Ca is { } ca)
        {
            var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
            policy.CustomTrustStore.ImportFromPemFile(ca);
            if (policy.CustomTrustStore.Count == 0)
            {
                throw new InvalidDataException($"`{ca}` has no certificate in PEM");
            }

            handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
        }

        return new HttpClient(handler) { Timeout = Patience, MaxResponseContentBufferSize = MaxBytes };
    }

    /// <summary>Connects to an address that was looked at: a name may lead to one place when it is checked and to another when it is used.</summary>
    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellation)
    {
        var host = context.DnsEndPoint.Host;
        var addresses = await Dns.GetHostAddressesAsync(host, cancellation);
        if (!_hosts.AllowsPrivate(host) && addresses.FirstOrDefault(a => !IsPublic(a)) is not null)
        {
            throw new HttpRequestException("the host is at a private address: see `--issuer-private-host`");
        }

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

    /// <summary>Whether an address is one of the internet's at large (RFC 6890), and not of this machine, this network, or nobody.</summary>
    internal static bool IsPublic(IPAddress address)
    {
        address = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        var b = address.GetAddressBytes();
        if (address.AddressFamily == AddressFamily.InterNetworkV6)
        {
            // Global unicast, but for documentation, and for what wraps an IPv4 address: 6to4 and Teredo.
            return (b[0] & 0xe0) == 0x20 && !(b[0] == 0x20 && b[1] == 0x01 && ((b[2] == 0x0d && b[3] == 0xb8) || b[2] < 0x02)) && !(b[0] == 0x20 && b[1] == 0x02);
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

    private static partial class Log
    {
        [LoggerMessage(65, LogLevel.Error, "invalid issuer CA {File}, using the previous one: {Why}", EventName = "IssuerCaInvalid")]
        public static partial void CaKept(ILogger logger, string file, string why);
    }
}
