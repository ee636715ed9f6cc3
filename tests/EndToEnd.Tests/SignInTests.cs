using System.Buffers.Text;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using AuthSidecar.ControlPlane.Tests.Testing;
using AuthSidecar.ControlPlane.V1;
using Grpc.Core;

namespace EndToEnd.Tests;

/// <summary>Accounts, and clients, whose credentials others guess, replay or take from a log.</summary>
public sealed class SignInTests
{
    private const string Wrong = "Incorrect name or password.";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Owner_WhileTheAccountIsAttacked_SignsInAtOnceFromAKnownBrowserAndWithinAMinuteFromAnother()
    {
        await using var fleet = await StartAsync("--attempts-per-minute", "0");
        using var owner = NewBrowser(fleet);
        Assert.Equal("/account", (await SignInAsync(owner, OpenIdClient.Password)).Url.AbsolutePath);
        Assert.Equal("/signed-out", (await owner.SubmitAsync(await owner.GoAsync("account"), "/account?handler=SignOut", ("__RequestVerificationToken", await TokenOfAsync(owner)))).Url.AbsolutePath);

        using var attacker = NewBrowser(fleet);
        for (var i = 0; i < 20; i++)
        {
            Assert.Contains(Wrong, (await SignInAsync(attacker, "a wrong password")).Read(), StringComparison.Ordinal);
        }

        Assert.Equal("/account", (await SignInAsync(owner, OpenIdClient.Password)).Url.AbsolutePath);

        // The attack goes on, twice a second, and the owner sits at another computer.
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var attack = AttackAsync();
        using var elsewhere = NewBrowser(fleet);
        var (began, page) = (TimeProvider.System.GetTimestamp(), await SignInAsync(elsewhere, OpenIdClient.Password));
        while (page.Url.AbsolutePath != "/account" && TimeProvider.System.GetElapsedTime(began) < TimeSpan.FromMinutes(1))
        {
            await Task.Delay(TimeSpan.FromSeconds(5), Cancellation);
            page = await SignInAsync(elsewhere, OpenIdClient.Password);
        }

        Assert.Equal("/account", page.Url.AbsolutePath);
        await ended.CancelAsync();
        await attack;

        // They are told, and so is the operator: neither the name nor the password is in it.
        var text = page.Read();
        Assert.Contains("Failed sign-in attempts", text, StringComparison.Ordinal);
        Assert.Contains("wrong password, ", text, StringComparison.Ordinal);
        Assert.Contains("from 127.0.0.1", text, StringComparison.Ordinal);
        Assert.Contains(fleet.OutputOf(), l => l.Contains("sign-in of account alice failed from 127.0.0.1: WrongPassword", StringComparison.Ordinal));
        Assert.Contains(fleet.OutputOf(), l => l.Contains("sign-in of account alice succeeded (pwd) from 127.0.0.1", StringComparison.Ordinal));
        Assert.DoesNotContain(fleet.OutputOf(), l => l.Contains("a wrong password", StringComparison.Ordinal));
        Assert.InRange(fleet.OutputOf().Count(l => l.Contains("failed from 127.0.0.1", StringComparison.Ordinal)), 5, 30);
        var audit = await fleet.Audit.ListAuditRecordsAsync(new ListAuditRecordsRequest { Action = "accounts.throttle" }, cancellationToken: Cancellation);
        Assert.Equal("alice", Assert.Single(audit.Records).Target);

        async Task AttackAsync()
        {
            while (!ended.IsCancellationRequested)
            {
                await SignInAsync(attacker, "a wrong password");
                await Task.Delay(TimeSpan.FromMilliseconds(500), Cancellation);
            }
        }
    }

    [Fact]
    public async Task ResetLink_MadeByAnAdministrator_SetsAPasswordOnceAndUnlocks()
    {
        await using var fleet = await StartAsync("--attempts-per-minute", "0");
        using var browser = NewBrowser(fleet);
        await SignInAsync(browser, OpenIdClient.Password);
        var admin = new[] { "--admin-socket", fleet.In("control.sock") };
        Assert.Contains("account `nobody` not found", (await Binary.RunControlAsync(["accounts", "create-reset-link", "nobody", .. admin])).Error, StringComparison.Ordinal);
        Assert.Equal(2, (await Binary.RunControlAsync(["accounts", "create-reset-link", "alice", "--minutes", "0", .. admin])).ExitCode);
        Assert.Equal("unlocked\n", (await Binary.RunControlAsync(["accounts", "unlock", "alice", .. admin])).Output);
        var url = (await Binary.RunControlAsync(["accounts", "create-reset-link", "alice", .. admin])).Output.Trim();
        Assert.StartsWith(fleet.UrlOf().ToString(), url, StringComparison.Ordinal);

        using var other = NewBrowser(fleet);
        var page = await other.GoAsync(url);
        Assert.Contains("New password", page.Read(), StringComparison.Ordinal);
        var weak = await other.SubmitAsync(page, "/reset", ("password", "password"));
        Assert.Contains("This password cannot be used: it must", weak.Read(), StringComparison.Ordinal);
        var done = await other.SubmitAsync(weak, "/reset", ("password", "another long walk along the Elbe"));
        Assert.Contains("The password is changed.", done.Read(), StringComparison.Ordinal);
        Assert.Equal((HttpStatusCode.NotFound, true), await other.GoAsync(url) is var again ? (again.Status, again.Read().Contains("This link is invalid, expired or already used.", StringComparison.Ordinal)) : default);
        Assert.Equal("/login", (await browser.GoAsync("account")).Url.AbsolutePath);
        Assert.Equal("/account", (await SignInAsync(other, "another long walk along the Elbe")).Url.AbsolutePath);
        Assert.Equal(HttpStatusCode.NotFound, (await other.GoAsync("reset")).Status);
    }

    /// <summary>Whoever sits down at a browser that somebody has left changes no password, and takes away no way in.</summary>
    [Fact]
    public async Task Password_InASessionThatIsNotFresh_IsChangedAfterSigningInAgain()
    {
        Assert.SkipUnless(File.Exists(ClockTests.FakeTime), $"there is no {ClockTests.FakeTime}; ./test.sh installs it, as Debian's `faketime`");
        var clock = Path.GetTempFileName();
        await File.WriteAllTextAsync(clock, "+0s\n", Cancellation);
        await using var fleet = await Fleet.StartAsync(ownCa: true, https: true, environment: new Dictionary<string, string>
        {
            ["LD_PRELOAD"] = ClockTests.FakeTime,
            ["FAKETIME_TIMESTAMP_FILE"] = clock,
            ["FAKETIME_NO_CACHE"] = "1",
            ["DONT_FAKE_MONOTONIC"] = "1",
            ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1",
        });
        await fleet.CreateApplicationAsync();
        await fleet.Accounts.WriteAccountAsync(new WriteAccountRequest { Account = new Account { Id = "alice" }, Password = OpenIdClient.Password }, cancellationToken: Cancellation);
        using var browser = NewBrowser(fleet);
        await SignInAsync(browser, OpenIdClient.Password);
        await File.WriteAllTextAsync(clock, "+11m\n", Cancellation);
        const string Next = "another password, and a long one";
        (string, string)[] fields = [("current", OpenIdClient.Password), ("next", Next)];
        var again = await browser.SubmitAsync(await browser.GoAsync("account"), "/account?handler=Password", fields);
        Assert.Equal("/login", again.Url.AbsolutePath);
        Assert.DoesNotContain("is changed", again.Read(), StringComparison.Ordinal);
        var account = await browser.SubmitAsync(again, "/login", ("name", "alice"), ("password", OpenIdClient.Password));
        Assert.Equal("/account", account.Url.AbsolutePath);
        Assert.Contains("The password is changed", (await browser.SubmitAsync(account, "/account?handler=Password", fields)).Read(), StringComparison.Ordinal);
        using var other = NewBrowser(fleet);
        Assert.Equal("/account", (await SignInAsync(other, Next)).Url.AbsolutePath);
        File.Delete(clock);
    }

    [Fact]
    public async Task Addresses_BehindATrustedProxy_AreThoseOfItsClients()
    {
        await using var fleet = await StartAsync("--attempts-per-minute", "5", "--trusted-proxy", "127.0.0.0/8", "--trusted-proxy", "198.51.100.7");
        // Whatever a client says of itself stands to the left of what the proxies say of it.
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal(HttpStatusCode.BadRequest, await PostAsync($"192.0.2.{i}, 203.0.113.9, 198.51.100.7"));
        }

        Assert.Equal(HttpStatusCode.TooManyRequests, await PostAsync("192.0.2.99, 203.0.113.9, 198.51.100.7"));
        Assert.Equal(HttpStatusCode.BadRequest, await PostAsync("203.0.113.9, 203.0.113.10"));
        using var browser = new TestBrowser(fleet.UrlOf(), proxy: null, fleet.CaFile);
        await SignInAsync(browser, "a wrong password");
        Assert.Contains(fleet.OutputOf(), l => l.Contains("sign-in of account alice failed from 127.0.0.1", StringComparison.Ordinal));
        foreach (var (option, message) in new[] { ("", "`--trusted-proxy` is empty"), ("10.0.0.0/33", "`10.0.0.0/33` is not an address or network"), ("010.0.0.1", "`010.0.0.1` is not an address or network"), ("proxy", "`proxy` is not an address or network") })
        {
            var refused = await Binary.RunControlAsync("serve", "--state", fleet.In("x"), "--trusted-proxy", option);
            Assert.Equal((2, true), (refused.ExitCode, refused.Error.Contains(message, StringComparison.Ordinal)));
        }

        async Task<HttpStatusCode> PostAsync(string forwarded)
        {
            using var http = fleet.CreateHttp();
            using var request = new HttpRequestMessage(HttpMethod.Post, "login") { Content = new FormUrlEncodedContent([]), Headers = { { "X-Forwarded-For", forwarded } } };
            return (await http.SendAsync(request, Cancellation)).StatusCode;
        }
    }

    [Fact]
    public async Task Assertion_UsedAgainOrForYears_BuysNothing()
    {
        await using var postgres = new PostgresServer();
        await postgres.InitializeAsync();
        Assert.SkipWhen(postgres.Missing is not null, postgres.Missing ?? "");
        await using var fleet = await Fleet.StartAsync(ownCa: true, database: $"postgres:{await postgres.CreateDatabaseAsync()}", nodes: 2, https: true);
        await fleet.CreateApplicationAsync();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var q = key.ExportParameters(includePrivateParameters: false).Q;
        await fleet.Clients.WriteClientAsync(
            new WriteClientRequest
            {
                Client = new Client
                {
                    Id = "job",
                    Application = "documents",
                    GrantTypes = { GrantType.ClientCredentials },
                    Jwks = $$"""{"keys": [{"kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "alg": "ES256", "x": "{{Base64Url.EncodeToString(q.X)}}", "y": "{{Base64Url.EncodeToString(q.Y)}}"}]}""",
                },
            },
            cancellationToken: Cancellation);
        var now = TimeProvider.System.GetUtcNow().ToUnixTimeSeconds();
        var good = Sign($"\"exp\": {now + 300}, \"iat\": {now}, \"jti\": \"a\"");
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.Unauthorized, HttpStatusCode.Unauthorized), (await AskAsync(good, 0), await AskAsync(good, 1), await AskAsync(good, 0)));
        Assert.Equal(HttpStatusCode.OK, await AskAsync(Sign($"\"exp\": {now + 300}, \"jti\": \"b\""), 1));
        // At once at both nodes: one of them.
        var racing = Sign($"\"exp\": {now + 200}, \"jti\": \"c\"");
        var outcomes = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => AskAsync(racing, i % 2)));
        Assert.Equal((1, 7), (outcomes.Count(o => o == HttpStatusCode.OK), outcomes.Count(o => o == HttpStatusCode.Unauthorized)));
        foreach (var claims in new[]
        {
            $"\"exp\": {now + (10L * 365 * 24 * 3600)}, \"jti\": \"d\"", $"\"exp\": {now + 400}, \"jti\": \"e\"", $"\"exp\": {now + 200}", $"\"exp\": {now + 200}, \"jti\": \"\"", "\"jti\": \"f\"",
            $"\"exp\": {now + 200}, \"iat\": {now + 120}, \"jti\": \"g\"",
        })
        {
            Assert.Equal((claims, HttpStatusCode.Unauthorized), (claims, await AskAsync(Sign(claims), 0)));
        }

        Assert.Contains(fleet.OutputOf(1), l => l.Contains("token request of client job failed (client_credentials) from 127.0.0.1: invalid_client: the client assertion was already used (`jti`)", StringComparison.Ordinal));

        // Nor does a proof of possession that was used at another node (RFC 9449, section 11.1).
        var proof = Prove("once");
        Assert.Equal(
            (HttpStatusCode.OK, HttpStatusCode.BadRequest, HttpStatusCode.OK),
            (await AskAsync(Sign($"\"exp\": {now + 200}, \"jti\": \"h\""), 0, proof), await AskAsync(Sign($"\"exp\": {now + 200}, \"jti\": \"i\""), 1, proof), await AskAsync(Sign($"\"exp\": {now + 200}, \"jti\": \"j\""), 1, Prove("again"))));

        string Prove(string id)
        {
            var jwk = $$"""{"kty": "EC", "crv": "P-256", "x": "{{Base64Url.EncodeToString(q.X)}}", "y": "{{Base64Url.EncodeToString(q.Y)}}"}""";
            var input = $"{Encode($$"""{"alg": "ES256", "typ": "dpop+jwt", "jwk": {{jwk}}}""")}.{Encode($$"""{"htm": "POST", "htu": "{{new Uri(fleet.UrlOf(), "oauth2/token")}}", "iat": {{now}}, "jti": "{{id}}"}""")}";
            return $"{input}.{Base64Url.EncodeToString(key.SignData(Encoding.UTF8.GetBytes(input), HashAlgorithmName.SHA256))}";
        }

        string Sign(string claims)
        {
            var input = $"{Encode("""{"alg": "ES256", "kid": "one", "typ": "client-authentication+jwt"}""")}.{Encode($$"""{"iss": "job", "sub": "job", "aud": "{{fleet.UrlOf()}}", {{claims}}}""")}";
            return $"{input}.{Base64Url.EncodeToString(key.SignData(Encoding.UTF8.GetBytes(input), HashAlgorithmName.SHA256))}";
        }

        static string Encode(string json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json));

        async Task<HttpStatusCode> AskAsync(string assertion, int node, string? proof = null)
        {
            using var http = fleet.CreateHttp(node);
            if (proof is not null)
            {
                http.DefaultRequestHeaders.Add("DPoP", proof);
            }

            using var form = new FormUrlEncodedContent([new("grant_type", "client_credentials"), new("client_id", "job"), new("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), new("client_assertion", assertion)]);
            using var response = await http.PostAsync("oauth2/token", form, Cancellation);
            Assert.DoesNotContain("openiddict", await response.Content.ReadAsStringAsync(Cancellation), StringComparison.OrdinalIgnoreCase);
            return response.StatusCode;
        }
    }

    [Fact]
    public async Task Connections_OfOneAddressWithoutEnd_AreRefusedAndThoseOfOthersAreNot()
    {
        await using var fleet = await StartAsync();
        var (idle, refused) = (new List<TcpClient>(), 0);
        try
        {
            for (var i = 0; i < 250; i++)
            {
                var tcp = new TcpClient(new IPEndPoint(IPAddress.Loopback, 0));
                idle.Add(tcp);
                try
                {
                    await tcp.ConnectAsync(IPAddress.Loopback, fleet.UrlOf().Port, Cancellation);
                }
                catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
                {
                    // So soon that it was not connected yet.
                    idle.Remove(tcp);
                    tcp.Dispose();
                    refused++;
                }
            }

            await Fleet.UntilAsync(() => Task.FromResult(refused + idle.Count(IsClosed) >= 50));
            Assert.Equal(200, idle.Count(t => !IsClosed(t)));
            await Assert.ThrowsAsync<HttpRequestException>(async () =>
            {
                using var http = fleet.CreateHttp();
                await http.GetAsync("livez", Cancellation);
            });
            using var other = new TcpClient(new IPEndPoint(new IPAddress([127, 0, 0, 2]), 0));
            await other.ConnectAsync(IPAddress.Loopback, fleet.UrlOf().Port, Cancellation);
            await Task.Delay(TimeSpan.FromSeconds(1), Cancellation);
            Assert.False(IsClosed(other));
            Assert.Contains(fleet.OutputOf(), l => l.Contains("connections from 127.0.0.1 refused: more than 200 at once", StringComparison.Ordinal));
        }
        finally
        {
            idle.ForEach(t => t.Dispose());
        }

        using var again = fleet.CreateHttp();
        await Fleet.UntilAsync(async () =>
        {
            try
            {
                return (await again.GetAsync("livez", Cancellation)).IsSuccessStatusCode;
            }
            catch (HttpRequestException)
            {
                return false;
            }
        });

        static bool IsClosed(TcpClient tcp) => tcp.Client.Poll(0, SelectMode.SelectRead) && tcp.Available == 0;
    }

    [Fact]
    public async Task Readiness_OverHttpsAndGrpc_SaysWhetherTheNodeIsOfUse()
    {
        await using var fleet = await StartAsync();
        using var http = fleet.CreateHttp();
        Assert.Equal("""{"status":"ready"}""", await http.GetStringAsync("readyz", Cancellation));
        Assert.Equal("""{"status":"live"}""", await http.GetStringAsync("livez", Cancellation));
        Assert.Equal(Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus.Serving, await fleet.HealthAsync());
        // Not without a token on the network, where anybody could keep a stream open.
        using var request = new HttpRequestMessage(HttpMethod.Post, "grpc.health.v1.Health/Watch") { Version = HttpVersion.Version20, Content = new ByteArrayContent([0, 0, 0, 0, 0]) { Headers = { ContentType = new("application/grpc") } } };
        using var response = await http.SendAsync(request, Cancellation);
        Assert.Equal(((int)StatusCode.Unauthenticated).ToString(System.Globalization.CultureInfo.InvariantCulture), response.Headers.GetValues("grpc-status").Single());
    }

    private static async Task<Fleet> StartAsync(params string[] arguments)
    {
        var fleet = await Fleet.StartAsync(ownCa: true, https: true);
        await fleet.CreateApplicationAsync();
        await fleet.Accounts.WriteAccountAsync(new WriteAccountRequest { Account = new Account { Id = "alice" }, Password = OpenIdClient.Password }, cancellationToken: Cancellation);
        if (arguments.Length > 0)
        {
            fleet.KillControlPlane();
            await fleet.StartControlPlaneAsync(0, arguments);
        }

        return fleet;
    }

    private static TestBrowser NewBrowser(Fleet fleet) => new(fleet.UrlOf(), proxy: null, fleet.CaFile);

    private static async Task<TestBrowser.Page> SignInAsync(TestBrowser browser, string password) =>
        await browser.SubmitAsync(await browser.GoAsync("login"), "/login", ("name", "alice"), ("password", password));

    private static async Task<string> TokenOfAsync(TestBrowser browser) =>
        (await browser.GoAsync("account")).FormWith("__RequestVerificationToken", "/account?handler=SignOut").Single(f => f.Name == "__RequestVerificationToken").Value;
}
