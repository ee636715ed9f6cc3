using System.Security.Authentication;
using AuthSidecar.Api.Calls;
using AuthSidecar.Decisions;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace AuthSidecar.Hosting;

/// <summary>The handshakes of the TLS listener: its certificate, and which clients may connect.</summary>
internal sealed partial class ListenerTls : IDisposable
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMinutes(1);

    /// <summary>How long calls may take to end once the certificate of their client has expired.</summary>
    private static readonly TimeSpan CloseWithin = TimeSpan.FromSeconds(2);

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

    /// <summary>Closes connections of clients that do not speak HTTP/2 (ALPN `h2`): what the server logs of each, nothing limits.</summary>
    public ConnectionDelegate RequireHttp2(ConnectionDelegate next) => connection =>
    {
        if (connection.Features.Get<ITlsApplicationProtocolFeature>()?.ApplicationProtocol.Span.SequenceEqual("h2"u8) == true)
            return next(connection);

        LogRejected(connection, "ALPN protocol `h2` (HTTP/2) not negotiated");
        return Task.CompletedTask;
    };

    /// <summary>Closes a connection when the certificate of its client expires, gracefully as far as the client lets it: one with a new
    /// certificate connects again.</summary>
    public ConnectionDelegate CloseAtExpiry(ConnectionDelegate next) => async connection =>
    {
        var use = connection.Features.GetRequiredFeature<ConnectionUse>();
        if (use.ClientCertificateEnd is not { } end)
        {
            await next(connection);
            return;
        }

        using var done = CancellationTokenSource.CreateLinkedTokenSource(connection.ConnectionClosed);
        var expiry = CloseAtAsync(connection, use, end, done.Token);
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

    private async Task CloseAtAsync(ConnectionContext connection, ConnectionUse use, DateTimeOffset end, CancellationToken done)
    {
        // Looked at now and then: the clock may be set meanwhile.
        while (end - _time.GetUtcNow() is var left && left > TimeSpan.Zero)
            await Task.Delay(left < LookEvery ? left : LookEvery, _time, done);

        use.RequestClose();
        // A stream that stays, such as one that watches the health, would keep it open for its calls.
        await Task.Delay(CloseWithin, _time, done);
        connection.Abort(new ConnectionAbortedException("the client certificate expired"));
    }

    private bool IsAccepted(BaseConnectionContext connection, X509Certificate? presented, X509Certificate2Collection intermediates,
        X509Certificate2Collection authorities)
    {
        var use = connection.Features.GetRequiredFeature<ConnectionUse>();
        if (FindFault(use, presented, intermediates, authorities) is not { } fault)
            return true;

        LogRejected(connection, fault);
        return false;
    }

    private void LogRejected(BaseConnectionContext connection, string fault)
    {
        if (_pace.TryTake(out var suppressed))
            Log.Rejected(_logger, (connection.RemoteEndPoint as IPEndPoint)?.Address.ToString() ?? "unknown", fault, suppressed);
    }

    /// <summary>Why a client may not connect; null: it may, and its connection has what its certificate says.</summary>
    private string? FindFault(
        ConnectionUse use, X509Certificate? presented, X509Certificate2Collection intermediates, X509Certificate2Collection authorities)
    {
        if (presented is null)
            return "no client certificate";

        using var client = X509CertificateLoader.LoadCertificate(presented.GetRawCertData());
        if (CertificateChains.FindClientFault(client, intermediates, authorities, out var end) is { } invalid)
            return invalid;

        if (_options.TrustDomain is { } domain)
        {
            if (!X509Svid.TryReadId(client, domain, out var id, out var fault))
                return fault;

            use.Caller = new Caller(id, domain, _options.PrincipalType);
        }

        use.ClientCertificateEnd = end;
        return null;
    }

    private Material Read()
    {
        var authorities = _options.ClientCa is { } file ? CertificateChains.ReadAuthorities(file) : null;
        if (_options.TrustDomain is { } domain
            && authorities?.Select(a => X509Svid.FindFaultOfCa(a, domain)).FirstOrDefault(f => f is not null) is { } fault)
        {
            throw new InvalidDataException($"`{_options.ClientCa}`: {fault}");
        }

        return new Material(CertificateChains.ReadServer(_options.Certificate, _options.CertificateKey), authorities);
    }

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
