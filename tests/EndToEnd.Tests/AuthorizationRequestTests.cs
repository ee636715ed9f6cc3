using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using AuthSidecar.ControlPlane.V1;
using Microsoft.AspNetCore.WebUtilities;

namespace EndToEnd.Tests;

/// <summary>What clients ask for when they send somebody's browser: honoured, or refused, and never passed over (OpenID Connect Core, section 3.1.2.1).</summary>
public sealed class AuthorizationRequestTests
{
    private const string Challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", Verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("prompt=login")]
    [InlineData("prompt=select_account")]
    [InlineData("max_age=0")]
    [InlineData("prompt=login%20consent&max_age=1")]
    public async Task Reauthentication_ThatIsAskedFor_CannotBeSkipped(string asked)
    {
        await using var fleet = await StartAsync();
        using var browser = NewBrowser(fleet);
        await SignInAsync(browser, await browser.GoAsync("login"), "alice");
        Assert.Equal("code", await AskAsync(browser, ""));
        await Task.Delay(TimeSpan.FromSeconds(1.5), Cancellation);
        var login = await GoAsync(browser, asked);
        Assert.Equal("/login", login.Url.AbsolutePath);
        // Whoever sits at this browser opens the address that it would go back to.
        var back = QueryHelpers.ParseQuery(login.Url.Query)["return"].ToString();
        Assert.Equal("/login", (await browser.GoAsync(back, Stop)).Url.AbsolutePath);
        // Of a note that was made for another request, nothing comes either.
        var note = QueryHelpers.ParseQuery(back)["login_note"].ToString();
        Assert.NotEmpty(note);
        Assert.Equal("/login", (await GoAsync(browser, $"{asked}&state=other&login_note={Uri.EscapeDataString(note)}")).Url.AbsolutePath);
        var page = await browser.SubmitAsync(login, "/login", Stop, ("name", "alice"), ("password", OpenIdClient.Password));
        if (page.Url.AbsolutePath == "/consent")
        {
            page = await browser.SubmitAsync(page, "/consent", Stop, ("decision", "allow"));
        }

        Assert.Equal("code", AnswerOf(page));
    }

    [Fact]
    public async Task Hint_OfAnotherUser_IsNoAnswerForThisOne()
    {
        await using var fleet = await StartAsync();
        using var alice = NewBrowser(fleet);
        await SignInAsync(alice, await alice.GoAsync("login"), "alice");
        var hint = Uri.EscapeDataString(await IdTokenAsync(fleet, (await GoAsync(alice, "")).Location!));
        using var bob = NewBrowser(fleet);
        await SignInAsync(bob, await bob.GoAsync("login"), "bob");
        Assert.Equal("code", await AskAsync(alice, $"prompt=none&id_token_hint={hint}"));
        Assert.Equal("login_required", await AskAsync(bob, $"prompt=none&id_token_hint={hint}"));
        var login = await GoAsync(bob, $"id_token_hint={hint}");
        Assert.Equal("/login", login.Url.AbsolutePath);
        Assert.Equal("login_required", AnswerOf(await bob.SubmitAsync(login, "/login", Stop, ("name", "bob"), ("password", OpenIdClient.Password))));
        Assert.Equal("code", AnswerOf(await bob.SubmitAsync(login, "/login", Stop, ("name", "alice"), ("password", OpenIdClient.Password))));
    }

    [Fact]
    public async Task Requests_WithWhatCannotBeMet_AreRefused()
    {
        await using var fleet = await StartAsync();
        using var browser = NewBrowser(fleet);
        await SignInAsync(browser, await browser.GoAsync("login"), "alice");
        foreach (var (asked, answer) in new[]
        {
            ("max_age=abc", "invalid_request"), ("max_age=-1", "invalid_request"), ("max_age=", "invalid_request"), ("acr_values=gold", "invalid_request"), ("prompt=none&acr_values=mfa", "login_required"),
            ("max_age=3600", "code"), ("max_age=9223372036854775807", "code"), ("acr_values=gold%20mfa&prompt=none", "login_required"),
        })
        {
            Assert.Equal((asked, answer), (asked, await AskAsync(browser, asked)));
        }

        // There is no second factor to sign in with: after having tried, that is said.
        var login = await GoAsync(browser, "acr_values=mfa&login_hint=alice");
        Assert.Contains("value=\"alice\"", login.Text, StringComparison.Ordinal);
        Assert.Equal("unmet_authentication_requirements", AnswerOf(await browser.SubmitAsync(login, "/login", Stop, ("name", "alice"), ("password", OpenIdClient.Password))));
        var codes = await fleet.Factors.EnrolBackupCodesAsync(new EnrolBackupCodesRequest { Subject = "User::\"alice\"", FactorId = "paper" }, cancellationToken: Cancellation);
        login = await GoAsync(browser, "acr_values=mfa");
        var second = await browser.SubmitAsync(login, "/login", Stop, ("name", "alice"), ("password", OpenIdClient.Password));
        var back = await browser.SubmitAsync(second, "/login?handler=Code", Stop, ("code", codes.Codes[0]));
        Assert.Equal("code", AnswerOf(back));
        var claims = JsonNode.Parse(Microsoft.AspNetCore.WebUtilities.WebEncoders.Base64UrlDecode((await IdTokenAsync(fleet, back.Location!)).Split('.')[1]))!;
        Assert.Equal("mfa", (string?)claims["acr"]);
    }

    [Fact]
    public async Task Metadata_WhateverTheHost_IsTrue()
    {
        await using var fleet = await StartAsync();
        var metadata = JsonNode.Parse(await SendAsEvilAsync(fleet, "GET /.well-known/openid-configuration", ""))!.AsObject();
        Assert.DoesNotContain("evil", metadata.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal(new Uri(fleet.UrlOf(), "oauth2/token").ToString(), (string?)metadata["token_endpoint"]);
        Assert.Equal(["query"], metadata["response_modes_supported"]!.AsArray().Select(m => (string?)m));
        Assert.Equal(["none", "private_key_jwt"], metadata["token_endpoint_auth_methods_supported"]!.AsArray().Select(m => (string?)m).Order());
        Assert.Equal(["private_key_jwt"], metadata["introspection_endpoint_auth_methods_supported"]!.AsArray().Select(m => (string?)m));
        Assert.Contains("ES256", metadata["token_endpoint_auth_signing_alg_values_supported"]!.AsArray().Select(m => (string?)m));
        Assert.Equal(["mfa"], metadata["acr_values_supported"]!.AsArray().Select(m => (string?)m));
        Assert.Subset(metadata["claims_supported"]!.AsArray().Select(m => (string?)m).ToHashSet(), new HashSet<string?> { "iss", "sub", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "sid", "name", "email" });
        Assert.DoesNotContain("client_secret", metadata.ToJsonString(), StringComparison.Ordinal);

        // A device is sent to where we are, too, and an error leads nowhere else.
        var device = JsonNode.Parse(await SendAsEvilAsync(fleet, "POST /oauth2/device_authorization", "client_id=web&scope=openid"))!;
        Assert.Equal(new Uri(fleet.UrlOf(), "device").ToString(), (string?)device["verification_uri"]);
        using var http = fleet.CreateHttp();
        using var wrong = await http.PostAsync("oauth2/token", new FormUrlEncodedContent([new("grant_type", "password")]), Cancellation);
        Assert.DoesNotContain("error_uri", await wrong.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
        foreach (var (method, path) in new[] { (HttpMethod.Put, "device"), (HttpMethod.Post, ".well-known/openid-configuration"), (HttpMethod.Post, ".well-known/jwks.json"), (HttpMethod.Put, "oauth2/authorize"), (HttpMethod.Get, "oauth2/token") })
        {
            using var answer = await http.SendAsync(new HttpRequestMessage(method, path), Cancellation);
            Assert.InRange((int)answer.StatusCode, 400, 499);
            Assert.DoesNotContain("error_uri", await answer.Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
        }
    }

    /// <summary>PostgreSQL cannot look it up. It is the client's mistake, whichever endpoint it came by, and no fault of ours in the log.</summary>
    [Fact]
    public async Task Text_WithANullCharacter_IsABadRequest()
    {
        await using var fleet = await StartAsync();
        using var browser = NewBrowser(fleet);
        var page = await SignInAsync(browser, await browser.GoAsync("login"), "ali\0ce");
        Assert.Equal(HttpStatusCode.BadRequest, page.Status);
        using var http = fleet.CreateHttp();
        foreach (var (path, form) in new[] { ("oauth2/token", "grant_type=client_credentials&client_id=a%00b"), ("oauth2/device_authorization", "client_id=a%00b"), ("oauth2/revoke", "token=a%00b&client_id=web") })
        {
            using var answer = await http.PostAsync(path, new StringContent(form, System.Net.Http.Headers.MediaTypeHeaderValue.Parse("application/x-www-form-urlencoded")), Cancellation);
            Assert.InRange((int)answer.StatusCode, 400, 499);
        }

        using var asked = await http.GetAsync("oauth2/authorize?client_id=a%00b&response_type=code&redirect_uri=http%3A%2F%2F127.0.0.1%3A8123%2Fcallback", Cancellation);
        Assert.Equal((HttpStatusCode.BadRequest, "Invalid request: text must not contain U+0000."), (asked.StatusCode, await asked.Content.ReadAsStringAsync(Cancellation)));
        var refused = await Assert.ThrowsAsync<Grpc.Core.RpcException>(async () => await fleet.Audit.ListAuditRecordsAsync(new ListAuditRecordsRequest { Actor = "a\0b" }, cancellationToken: Cancellation));
        Assert.Equal((Grpc.Core.StatusCode.InvalidArgument, "text must not contain U+0000"), (refused.StatusCode, refused.Status.Detail));
        Assert.DoesNotContain(fleet.OutputOf(), l => l.Contains("\"LogLevel\":\"Error\"", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Logout_ByPost_AsksAsByGet()
    {
        await using var fleet = await StartAsync();
        using var browser = NewBrowser(fleet);
        await SignInAsync(browser, await browser.GoAsync("login"), "alice");
        var asked = await browser.PostAsync("oauth2/logout", ("client_id", "web"));
        Assert.Contains("Sign out?", asked.Text, StringComparison.Ordinal);
        Assert.Equal("/account", (await browser.GoAsync("account")).Url.AbsolutePath);
        await browser.SubmitAsync(asked, "/oauth2/logout", ("client_id", "web"));
        Assert.Equal("/login", (await browser.GoAsync("account")).Url.AbsolutePath);
    }

    /// <summary>Sends a request with the name of another host, as a proxy that rewrites it does, and whoever wants to poison a cache. No HTTP client does that over TLS.</summary>
    private static async Task<string> SendAsEvilAsync(Fleet fleet, string request, string form)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.ImportFromPemFile(fleet.CaFile);
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(IPAddress.Loopback, fleet.UrlOf().Port, Cancellation);
        await using var tls = new SslStream(tcp.GetStream());
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "127.0.0.1", CertificateChainPolicy = policy, ApplicationProtocols = [SslApplicationProtocol.Http11] }, Cancellation);
        await tls.WriteAsync(Encoding.ASCII.GetBytes($"{request} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {form.Length}\r\n\r\n{form}"), Cancellation);
        using var reader = new StreamReader(tls);
        var answer = await reader.ReadToEndAsync(Cancellation);
        return answer[answer.IndexOf('{', StringComparison.Ordinal)..(answer.LastIndexOf('}') + 1)];
    }

    private static async Task<Fleet> StartAsync()
    {
        var fleet = await Fleet.StartAsync(ownCa: true, https: true);
        await fleet.CreateApplicationAsync();
        foreach (var id in new[] { "alice", "bob" })
        {
            await fleet.Accounts.WriteAccountAsync(new WriteAccountRequest { Account = new Account { Id = id }, Password = OpenIdClient.Password }, cancellationToken: Cancellation);
        }

        await fleet.Clients.WriteClientAsync(
            new WriteClientRequest { Client = new Client { Id = "web", Application = "documents", GrantTypes = { GrantType.AuthorizationCode, GrantType.DeviceCode }, RedirectUris = { "http://127.0.0.1/callback" }, NeedsConsent = false } }, cancellationToken: Cancellation);
        return fleet;
    }

    private static TestBrowser NewBrowser(Fleet fleet) => new(fleet.UrlOf(), proxy: null, fleet.CaFile);

    private static Uri? Stop(Uri to) => to.Port == 8123 ? null : to;

    private static Task<TestBrowser.Page> SignInAsync(TestBrowser browser, TestBrowser.Page login, string name) =>
        browser.SubmitAsync(login, "/login", Stop, ("name", name), ("password", OpenIdClient.Password));

    private static Task<TestBrowser.Page> GoAsync(TestBrowser browser, string asked) => browser.GoAsync(
        $"oauth2/authorize?client_id=web&response_type=code&scope=openid&redirect_uri=http%3A%2F%2F127.0.0.1%3A8123%2Fcallback&code_challenge={Challenge}&code_challenge_method=S256&{asked}", Stop);

    private static async Task<string> AskAsync(TestBrowser browser, string asked) => AnswerOf(await GoAsync(browser, asked));

    /// <summary>`code`, or the error, that a client is answered; or the page that somebody is shown.</summary>
    private static string AnswerOf(TestBrowser.Page page)
    {
        if (page.Location is not { Port: 8123 } back)
        {
            return page.Url.AbsolutePath;
        }

        var answer = QueryHelpers.ParseQuery(back.Query);
        return answer.TryGetValue("error", out var error) ? error.ToString() : answer.ContainsKey("code") ? "code" : back.Query;
    }

    private static async Task<string> IdTokenAsync(Fleet fleet, Uri callback)
    {
        using var http = fleet.CreateHttp();
        using var form = new FormUrlEncodedContent(
            [new("grant_type", "authorization_code"), new("client_id", "web"), new("code", QueryHelpers.ParseQuery(callback.Query)["code"].ToString()), new("code_verifier", Verifier), new("redirect_uri", "http://127.0.0.1:8123/callback")]);
        using var response = await http.PostAsync("oauth2/token", form, Cancellation);
        return (string)JsonNode.Parse(await response.Content.ReadAsStringAsync(Cancellation))!["id_token"]!;
    }
}
