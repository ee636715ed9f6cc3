using System.Security.Authentication;
using AuthSidecar.Api.Calls;
using AuthSidecar.Decisions;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;

namespace AuthSidecar.Hosting;

/// <summary>The handshakes of the TLS listener: its certificate, and which clients may connect.</summary>
internal sealed partial class ListenerTls : IDisposable
{
    /// <summary>Timers cannot be set to later.</summary>
    private static readonly TimeSpan MaxDelay = TimeSpan.FromDays(1);

    private static readonly TimeSpan LogEvery = TimeSpan.FromSeconds(1);

    private readonly TlsListener _options;
    private readonly TimeProvider _time;
    private readonly ILogger<ListenerTls> _logger;
    private readonly LogPace _pace;
    private readonly WatchedFiles<Material> _files;

    /// <exception cref="InvalidDataException">A file does not hold what it has to.</exception>
    public ListenerTls(TlsListener options, TimeProvider time, ILogger<ListenerTls> logger)
    {
        (_options, _time, _logger, _pace) = (options, time, logger, new LogPace(time, LogEvery));
        _files = new WatchedFiles<Material>([.. options.Files], Read, e => Log.FilesKept(logger, e.Message)).Watch();
    }

    /// <summary>How to shake hands on a connection. A client that its certificate names is the caller of all calls on it.</summary>
    public SslServerAuthenticationOptions For(BaseConnectionContext connection)
    {
        var (certificate, authorities) = _files.Current;
        return new SslServerAuthenticationOptions
        {
            EnabledSslProtocols = SslProtocols.Tls13,
            // A resumed session has the certificate of the first, which may have ended since.
            AllowTlsResume = false,
            ServerCertificateContext = certificate,
            ClientCertificateRequired = authorities is not null,
            CertificateChainPolicy = CertificateChains.UncheckedPolicy(),
            RemoteCertificateValidationCallback = (_, client, chain, _) =>
                authorities is null || IsAccepted(connection, client, chain?.ChainPolicy.ExtraStore ?? [], authorities),
        };
    }

    /// <summary>Closes a connection gracefully when the certificate of its client expires: a client with a new one connects
    /// again.</summary>
    public ConnectionDelegate CloseAtExpiry(ConnectionDelegate next) => async connection =>
    {
        if (connection.Features.Get<ITlsConnectionFeature>()?.ClientCertificate is not { } certificate)
        {
            await next(connection);
            return;
        }

        using var done = CancellationTokenSource.CreateLinkedTokenSource(connection.ConnectionClosed);
        var expiry = CloseAtAsync(connection, certificate.NotAfter.ToUniversalTime(), done.Token);
        try
        {
            await next(connection);
        }
        finally
        {
            await done.CancelAsync();
            await expiry.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    };

    public void Dispose() => _files.Dispose();

    private async Task CloseAtAsync(ConnectionContext connection, DateTime end, CancellationToken done)
    {
        while (end - _time.GetUtcNow().UtcDateTime is var left && left > TimeSpan.Zero)
            await Task.Delay(left < MaxDelay ? left : MaxDelay, _time, done);

        connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.RequestClose();
    }

    private bool IsAccepted(BaseConnectionContext connection, X509Certificate? presented, X509Certificate2Collection intermediates,
        X509Certificate2Collection authorities)
    {
        var id = "";
        using var client = presented is null ? null : X509CertificateLoader.LoadCertificate(presented.GetRawCertData());
        var fault = client is null ? "no client certificate"
            : !CertificateChains.IsClientOf(client, intermediates, authorities, out var reason) ? reason
            : _options.TrustDomain is { } domain && !X509Svid.TryReadId(client, domain, out id, out var other) ? other
            : null;
        if (fault is not null)
        {
            var peer = (connection.RemoteEndPoint as IPEndPoint)?.Address.ToString() ?? "unknown";
            if (_pace.TryTake(out var suppressed))
                Log.Rejected(_logger, peer, fault, suppressed);

            return false;
        }

        if (_options.TrustDomain is { } trustDomain)
            connection.Features.GetRequiredFeature<ConnectionUse>().Caller = new Caller(id, trustDomain, _options.PrincipalType);

        return true;
    }

    private Material Read() => new(
        CertificateChains.ReadServer(_options.Certificate, _options.CertificateKey),
        _options.ClientCa is { } ca ? CertificateChains.ReadAuthorities(ca) : null);

    private sealed record Material(SslStreamCertificateContext Certificate, X509Certificate2Collection? Authorities);

    private static partial class Log
    {
        [LoggerMessage(80, LogLevel.Error, "failed to reload the TLS certificate, key or client CA, using the previous ones: {Error}",
            EventName = "TlsFilesInvalid")]
        public static partial void FilesKept(ILogger logger, string error);

        [LoggerMessage(81, LogLevel.Warning, "TLS client {Address} rejected: {Error} ({Suppressed} similar errors suppressed)",
            EventName = "TlsClientRejected")]
        public static partial void Rejected(ILogger logger, string address, string error, long suppressed);
    }
}
