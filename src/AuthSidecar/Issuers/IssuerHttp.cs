namespace AuthSidecar.Issuers;

/// <summary>Asks issuers: by HTTPS, allowed hosts at public addresses, without following anything, for at most so much and so
/// long.</summary>
internal sealed partial class IssuerHttp : IDisposable
{
    private const int MaxBytes = 1024 * 1024;

    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private readonly IssuerHosts _hosts;
    private readonly WatchedFiles<HttpClient> _http;

    public IssuerHttp(IssuerHosts hosts, ILogger<IssuerHttp> logger)
    {
        _hosts = hosts;
        _http = new WatchedFiles<HttpClient>(
            hosts.Ca is { } file ? [file] : [], Create, e => Log.CaKept(logger, hosts.Ca!, e.Message)).Watch();
    }

    /// <exception cref="HttpRequestException">The request failed, or the response is too large.</exception>
    /// <exception cref="OperationCanceledException">The request timed out.</exception>
    public Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellation) =>
        _hosts.Allows(request.RequestUri!)
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
        var handler = new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = _hosts.Proxy is not null,
            Proxy = _hosts.Proxy is { } proxy ? new WebProxy(proxy) : null,
            ConnectTimeout = Timeout,
            ConnectCallback = ConnectAsync,
            PooledConnectionLifetime = TimeSpan.FromMinutes(1),
        };
        if (_hosts.Ca is { } ca)
        {
            var policy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            policy.CustomTrustStore.AddRange(CertificateChains.ReadAuthorities(ca));
            handler.SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy };
        }

        return new HttpClient(handler) { Timeout = Timeout, MaxResponseContentBufferSize = MaxBytes };
    }

    /// <summary>To an issuer, or to the proxy, which its operator has named.</summary>
    private ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellation) =>
        PublicAddresses.ConnectAsync(context, _hosts.Proxy is not null || _hosts.AllowsPrivate(context.DnsEndPoint.Host),
            "--issuer-private-host", cancellation);

    private static partial class Log
    {
        [LoggerMessage(65, LogLevel.Error, "invalid issuer CA {File}, using the previous one: {Error}", EventName = "IssuerCaInvalid")]
        public static partial void CaKept(ILogger logger, string file, string error);
    }
}
