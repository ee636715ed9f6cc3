using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using AuthSidecar.Hosting;
using AuthSidecar.Testing;
using AuthSidecar.Tests.Testing;
using AuthSidecar.V1;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;

namespace AuthSidecar.Tests.Hosting;

/// <summary>The TLS listener, and workloads as callers (SPIFFE X509-SVID).</summary>
public sealed class TlsListenerTests : IDisposable
{
    private const string Frontend = "spiffe://acme.example/frontend";

    private readonly TestBundle _bundle = new();
    private readonly TemporaryFolder _folder = new();
    private readonly TestCa _ca = new();
    private readonly IPEndPoint _endPoint = FreePort();
    private readonly List<IDisposable> _clients = [];

    public TlsListenerTests()
    {
        WriteServer(_ca.Issue([], extendedUsage: TestCa.ServerAuth));
        File.WriteAllText(_folder["ca.pem"], _ca.Pem);
        _bundle.Write("bundle.json", """{"version": 1, "contents": ["policies"]}""");
        foreach (var file in new[] { "policies/extra.cedar", "schema.cedarschema", "entities.json" })
            _bundle.Delete(file);

        _bundle.Write("policies/callers.cedar", $$"""
            permit (principal, action == Action::"read", resource == Document::"of-caller")
            when { context has caller && context.caller == { spiffe_id: "{{Frontend}}", trust_domain: "acme.example" } };
            permit (principal == Workload::"{{Frontend}}", action == Action::"read", resource == Document::"of-workload");
            """);
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Check_ByAWorkload_HasTheCallerInItsContextBesideThePrincipal()
    {
        await using var sidecar = await StartAsync();
        var client = Connect(_ca.Issue([Frontend]));
        Assert.Equal(V1.Decision.Allow, await AskAsync(client, "of-caller", "alice"));
        // The caller is not the principal.
        Assert.Equal(V1.Decision.Deny, await AskAsync(client, "of-workload", "alice"));
        await AssertInvalidAsync(client, Ask("of-caller", principal: null), "either `token` or `principal` is required");

        var spoofed = Ask("of-caller", "alice");
        spoofed.Context.Add("caller", new Value { String = "x" });
        await AssertInvalidAsync(client, spoofed, "reserved");

        // Another workload of the domain, and who comes by the socket, are not it.
        Assert.Equal(V1.Decision.Deny, await AskAsync(Connect(_ca.Issue(["spiffe://acme.example/backend"])), "of-caller", "alice"));
        Assert.Equal(V1.Decision.Deny, await AskAsync(sidecar.Client, "of-caller", "alice"));
        await AssertInvalidAsync(sidecar.Client, Ask("of-workload", principal: null), "either `token` or `principal` is required");
    }

    [Fact]
    public async Task Check_WithoutPrincipal_IsThatOfTheCallerWhereTheListenerSaysSo()
    {
        await using var sidecar = await StartAsync(t => t with { PrincipalType = "Workload" });
        var client = Connect(_ca.Issue([Frontend]));
        Assert.Equal(V1.Decision.Allow, await AskAsync(client, "of-workload", principal: null));
        Assert.Equal(V1.Decision.Deny, await AskAsync(client, "of-workload", "alice"));
        Assert.Equal(V1.Decision.Deny, await AskAsync(Connect(_ca.Issue(["spiffe://acme.example/backend"])), "of-workload", principal: null));
        var batch = await client.CheckPermissionsAsync(
            new CheckPermissionsRequest
            {
                Defaults = new CheckPermissionRequest { Action = new EntityUid { Id = "read" } },
                Checks = { Ask("of-workload", null), Ask("of-workload", "alice"), Ask("of-caller", null) },
            },
            cancellationToken: Cancellation);
        Assert.Equal([V1.Decision.Allow, V1.Decision.Deny, V1.Decision.Allow], batch.Results.Select(r => r.Decision));

        // A token that is none is not a request that names none.
        var withToken = Ask("of-workload", principal: null);
        withToken.Token = "";
        var refused = await client.CheckPermissionAsync(withToken, cancellationToken: Cancellation);
        Assert.Equal((V1.Decision.Deny, DecisionReason.TokenRejected), (refused.Decision, refused.Reason));
        await AssertInvalidAsync(sidecar.Client, Ask("of-workload", principal: null), "either `token` or `principal` is required");
    }

    /// <summary>X509-SVID, sections 2 to 5.</summary>
    [Theory]
    [InlineData("none", "no client certificate")]
    [InlineData("other-ca", "PartialChain")]
    [InlineData("self-signed", "UntrustedRoot")]
    [InlineData("expired", "NotTimeValid")]
    [InlineData("not-yet-valid", "NotTimeValid")]
    [InlineData("server-only", "NotValidForUsage")]
    [InlineData("other-domain", "`spiffe://other.example/frontend` is not in the trust domain `acme.example`")]
    [InlineData("no-uri", "exactly one URI SAN")]
    [InlineData("two-uris", "exactly one URI SAN")]
    [InlineData("no-path", "`spiffe://acme.example/` is not the SPIFFE ID of a workload")]
    [InlineData("other-scheme", "`https://acme.example/frontend` is not the SPIFFE ID of a workload")]
    [InlineData("ca", "the certificate is that of a CA")]
    [InlineData("no-usage", "key usage")]
    [InlineData("signs-certificates", "key usage")]
    [InlineData("signs-nothing", "key usage")]
    public async Task Client_WithoutAnSvidOfTheDomain_IsRefusedAndTheReasonLogged(string kind, string reason)
    {
        using var other = new TestCa();
        await using var sidecar = await StartAsync();
        using var certificate = kind switch
        {
            "none" => null,
            "other-ca" => other.Issue([Frontend]),
            "self-signed" => X509CertificateLoader.LoadPkcs12(other.Certificate.Export(X509ContentType.Pfx), null),
            "expired" => _ca.Issue([Frontend], until: DateTimeOffset.UnixEpoch.AddYears(51)),
            "not-yet-valid" => _ca.Issue([Frontend], from: DateTimeOffset.UnixEpoch.AddYears(89)),
            "server-only" => _ca.Issue([Frontend], extendedUsage: TestCa.ServerAuth),
            "other-domain" => _ca.Issue(["spiffe://other.example/frontend"]),
            "no-uri" => _ca.Issue([]),
            "two-uris" => _ca.Issue([Frontend, "spiffe://acme.example/backend"]),
            "no-path" => _ca.Issue(["spiffe://acme.example/"]),
            "other-scheme" => _ca.Issue(["https://acme.example/frontend"]),
            "ca" => _ca.Issue([Frontend], isCa: true),
            "no-usage" => _ca.Issue([Frontend], usage: null),
            "signs-certificates" => _ca.Issue([Frontend], X509KeyUsageFlags.DigitalSignature | X509KeyUsageFlags.KeyCertSign),
            _ => _ca.Issue([Frontend], X509KeyUsageFlags.NonRepudiation),
        };
        await AssertRefusedAsync(Connect(certificate));
        Assert.Contains(sidecar.Logs, l => l.Contains("TLS client 127.0.0.1 rejected: ", StringComparison.Ordinal) && l.Contains(reason, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(null)]
    [InlineData(TestCa.ClientAuth)]
    [InlineData($"{TestCa.ServerAuth} {TestCa.ClientAuth}")]
    public async Task Client_OfAnIntermediateCa_IsTheCaller(string? extendedUsage)
    {
        using var intermediate = new TestCa(_ca);
        await using var sidecar = await StartAsync();
        var client = Connect(intermediate.Issue([Frontend], extendedUsage: extendedUsage), intermediate.Certificate);
        Assert.Equal(V1.Decision.Allow, await AskAsync(client, "of-caller", "alice"));
        // Its CA is not known when the client does not say it.
        await AssertRefusedAsync(Connect(intermediate.Issue([Frontend])));
    }

    [Fact]
    public async Task Client_WithoutClientCa_NeedsNoCertificateAndIsNoCaller()
    {
        await using var sidecar = await StartAsync(t => t with { ClientCa = null, TrustDomain = null });
        foreach (var certificate in new[] { null, _ca.Issue([Frontend]) })
            Assert.Equal(V1.Decision.Deny, await AskAsync(Connect(certificate), "of-caller", "alice"));
    }

    [Fact]
    public async Task Client_OfACaWithoutTrustDomain_NeedsACertificateOfAnyKindAndIsNoCaller()
    {
        await using var sidecar = await StartAsync(t => t with { TrustDomain = null });
        Assert.Equal(V1.Decision.Deny, await AskAsync(Connect(_ca.Issue([])), "of-caller", "alice"));
        await AssertRefusedAsync(Connect(certificate: null));
    }

    [Theory]
    [InlineData(SslProtocols.Tls13, true)]
    [InlineData(SslProtocols.Tls12, false)]
    public async Task Handshake_IsThatOfTls13(SslProtocols protocol, bool isAccepted)
    {
        await using var sidecar = await StartAsync();
        Assert.Equal(isAccepted, await ShakesHandsAsync(protocol) is not null);
    }

    [Fact]
    public async Task Client_WithoutHttp2_IsClosedAndLoggedOnceASecond()
    {
        await using var sidecar = await StartAsync();
        for (var i = 0; i < 3; i++)
            Assert.NotNull(await ShakesHandsAsync(SslProtocols.Tls13, offersHttp2: false));

        await WaitUntilAsync(() => Task.FromResult(sidecar.Logs.Any(l => l.Contains("TLS client 127.0.0.1 rejected: ALPN protocol `h2`", StringComparison.Ordinal))));
        Assert.DoesNotContain(sidecar.Logs, l => l.Contains("HTTP/2 over TLS was not negotiated", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Files_Replaced_CountForTheNextHandshake()
    {
        await using var sidecar = await StartAsync();
        using var newCa = new TestCa();
        using var newClient = newCa.Issue([Frontend]);
        await AssertRefusedAsync(Connect(newClient));

        File.WriteAllText(_folder["ca.pem"], _ca.Pem + "\n" + newCa.Pem);
        await WaitUntilAsync(async () => await AcceptsAsync(newClient));

        // Half-written: the one before counts on, and the log says why.
        var serial = await ShakesHandsAsync(SslProtocols.Tls13);
        Assert.NotNull(serial);
        File.WriteAllText(_folder["server.pem"], "-----BEGIN CERTIFICATE-----\nMIIB");
        await WaitUntilAsync(() => Task.FromResult(sidecar.Logs.Any(l => l.Contains("failed to reload the TLS certificate", StringComparison.Ordinal))));
        Assert.Equal(serial, await ShakesHandsAsync(SslProtocols.Tls13));

        WriteServer(_ca.Issue([], extendedUsage: TestCa.ServerAuth));
        await WaitUntilAsync(async () => await ShakesHandsAsync(SslProtocols.Tls13) is { } now && now != serial);
    }

    [Fact]
    public async Task Connection_OfACertificateThatExpires_IsClosed()
    {
        await using var sidecar = await StartAsync();
        var client = Connect(_ca.Issue([Frontend], until: TimeProvider.System.GetUtcNow().AddSeconds(8)));
        Assert.Equal(V1.Decision.Allow, await AskAsync(client, "of-caller", "alice"));
        // A stream that stays does not keep the connection open.
        using var watch = new Health.HealthClient(_clients.OfType<GrpcChannel>().Last()).Watch(new HealthCheckRequest(), cancellationToken: Cancellation);
        Assert.True(await watch.ResponseStream.MoveNext(Cancellation));
        // The client connects again, with the same certificate.
        await WaitUntilAsync(async () => await Record.ExceptionAsync(() => AskAsync(client, "of-caller", "alice")) is RpcException { StatusCode: StatusCode.Unavailable or StatusCode.Internal });
        Assert.Contains(sidecar.Logs, l => l.Contains("NotTimeValid", StringComparison.Ordinal));
        await Assert.ThrowsAsync<RpcException>(async () =>
        {
            while (await watch.ResponseStream.MoveNext(Cancellation))
            {
            }
        });
    }

    [Theory]
    [InlineData("server.pem", "not a certificate and its private key in PEM")]
    [InlineData("server.key", "not a certificate and its private key in PEM")]
    [InlineData("ca.pem", "has no certificate in PEM")]
    [InlineData("server.key", "does not match the certificate")]
    [InlineData("ca.pem", "has no root CA")]
    [InlineData("ca.pem", "a certificate in PEM that is not complete")]
    [InlineData("ca.pem", "is not one of the trust domain `acme.example`")]
    public async Task Start_WithAnotherFile_SaysWhich(string file, string reason)
    {
        using var other = _ca.Issue([]);
        using var partner = new TestCa(uri: "spiffe://partner.example");
        using var intermediate = new TestCa(_ca);
        File.WriteAllText(_folder[file], reason switch
        {
            "does not match the certificate" => other.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem(),
            "has no root CA" => intermediate.Pem,
            "a certificate in PEM that is not complete" => $"{_ca.Pem}\n{partner.Pem[..200]}",
            "is not one of the trust domain `acme.example`" => $"{_ca.Pem}\n{partner.Pem}",
            _ => "nothing of the kind",
        });
        var e = await Assert.ThrowsAsync<InvalidDataException>(() => StartAsync());
        Assert.Contains(_folder[file], e.Message, StringComparison.Ordinal);
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, "acme.example", null, "`--tls-trust-domain` requires `--tls-client-ca`")]
    [InlineData("ca.pem", "Acme.example", null, "`Acme.example` is not a SPIFFE trust domain")]
    [InlineData("ca.pem", "spiffe://acme.example", null, "is not a SPIFFE trust domain")]
    [InlineData("ca.pem", null, "Workload", "`--tls-principal` requires `--tls-trust-domain`")]
    [InlineData("ca.pem", "acme.example", "Work load", "is not an entity type name")]
    [InlineData("ca.pem", "acme.example", "Action", "is not an entity type name")]
    [InlineData("missing.pem", "acme.example", null, "of `--tls-client-ca` does not exist")]
    public void Validate_OfOptionsThatCannotBe_SaysWhich(string? ca, string? domain, string? type, string fault)
    {
        var listener = Listener with { ClientCa = ca is null ? null : _folder[ca], TrustDomain = domain, PrincipalType = type };
        Assert.Contains(fault, Assert.Single(listener.Validate()), StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _clients.ForEach(c => c.Dispose());
        _ca.Dispose();
        _folder.Dispose();
        _bundle.Dispose();
    }

    private TlsListener Listener => new()
    {
        Listen = _endPoint,
        Certificate = _folder["server.pem"],
        CertificateKey = _folder["server.key"],
        ClientCa = _folder["ca.pem"],
        TrustDomain = "acme.example",
    };

    private static IPEndPoint FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return (IPEndPoint)socket.LocalEndPoint!;
    }

    private static CheckPermissionRequest Ask(string document, string? principal)
    {
        var request = new CheckPermissionRequest
        {
            Action = new EntityUid { Id = "read" },
            Resource = new Entity { Uid = new EntityUid { Type = "Document", Id = document } },
        };
        if (principal is not null)
            request.Principal = new EntityUid { Type = "User", Id = principal };

        return request;
    }

    private static async Task<V1.Decision> AskAsync(AuthSidecarService.AuthSidecarServiceClient client, string document, string? principal) =>
        (await client.CheckPermissionAsync(Ask(document, principal), cancellationToken: Cancellation)).Decision;

    private static async Task AssertInvalidAsync(AuthSidecarService.AuthSidecarServiceClient client, CheckPermissionRequest request, string description)
    {
        var e = await Assert.ThrowsAsync<RpcException>(() => client.CheckPermissionAsync(request, cancellationToken: Cancellation).ResponseAsync);
        Assert.Equal(StatusCode.InvalidArgument, e.StatusCode);
        Assert.Contains(description, Assert.Single(e.GetRpcStatus()!.GetDetail<Google.Rpc.BadRequest>()!.FieldViolations).Description, StringComparison.Ordinal);
    }

    private static async Task AssertRefusedAsync(AuthSidecarService.AuthSidecarServiceClient client)
    {
        var e = await Assert.ThrowsAsync<RpcException>(() => AskAsync(client, "of-caller", "alice"));
        Assert.True(e.StatusCode is StatusCode.Unavailable or StatusCode.Internal, e.ToString());
    }

    private static async Task WaitUntilAsync(Func<Task<bool>> isSo)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        patience.CancelAfter(TimeSpan.FromSeconds(20));
        while (!await isSo())
            await Task.Delay(100, patience.Token);
    }

    private async Task<bool> AcceptsAsync(X509Certificate2 certificate) =>
        await Record.ExceptionAsync(() => AskAsync(Connect(certificate), "of-caller", "alice")) is null;

    private Task<TestSidecar> StartAsync(Func<TlsListener, TlsListener>? change = null) => TestSidecar.StartAsync(
        _bundle, change: o => o with { ListenTls = change?.Invoke(Listener) ?? Listener });

    private void WriteServer(X509Certificate2 certificate)
    {
        File.WriteAllText(_folder["server.key"], certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        File.WriteAllText(_folder["server.pem"], certificate.ExportCertificatePem());
    }

    private AuthSidecarService.AuthSidecarServiceClient Connect(X509Certificate2? certificate, X509Certificate2? intermediate = null)
    {
        var handler = new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, server, _, _) => server is not null } };
        if (certificate is not null)
        {
            handler.SslOptions.ClientCertificateContext = SslStreamCertificateContext.Create(
                certificate, intermediate is null ? null : [intermediate], offline: true);
        }

        var channel = GrpcChannel.ForAddress($"https://{_endPoint}", new GrpcChannelOptions { HttpHandler = handler, DisposeHttpClient = true });
        _clients.Add(channel);
        return new AuthSidecarService.AuthSidecarServiceClient(channel);
    }

    /// <summary>The serial number of the certificate that the listener presents; null: it refuses.</summary>
    private async Task<string?> ShakesHandsAsync(SslProtocols protocol, bool offersHttp2 = true)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(_endPoint, Cancellation);
        await using var stream = new SslStream(client.GetStream());
        try
        {
            await stream.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = "localhost",
                    EnabledSslProtocols = protocol,
                    ApplicationProtocols = offersHttp2 ? [SslApplicationProtocol.Http2] : null,
                    RemoteCertificateValidationCallback = (_, server, _, _) => server is not null,
                    ClientCertificates = [_ca.Issue([Frontend])],
                },
                Cancellation);
            return stream.RemoteCertificate!.GetSerialNumberString();
        }
        catch (Exception e) when (e is AuthenticationException or IOException)
        {
            return null;
        }
    }
}
