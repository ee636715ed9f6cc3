using System.Net;
using System.Net.Http.Headers;
using System.Text.Json.Nodes;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.V1;

namespace EndToEnd.Tests;

/// <summary>Signing in, tokens and their ends, as a standard client sees them and as a sidecar does.</summary>
public sealed class IdentityTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Login_WithPkceAndDpop_TokensAreGoodUntilTheGrantIsRevoked()
    {
        await using var fleet = await StartAsync();
        var sidecar = await JoinAsync(fleet);
        var web = await OpenIdClient.RegisterAsync(fleet, "web", dpop: true, hasKey: false, scope: "openid profile offline_access documents.read");
        var tokens = await web.RunAsync("login");
        Assert.Equal(("dpop", "alice"), ((string?)tokens["token_type"], (string?)tokens["claims"]!["sub"]));
        Assert.InRange((int)tokens["expires_in"]!, 890, 900);
        Assert.Equal("Alice Example", (string?)tokens["claims"]!["name"]);
        var claims = ClaimsOf(Text(tokens, "access_token"));
        Assert.Equal(("documents", "web", "alice", "openid profile offline_access documents.read"), ((string?)claims["aud"], (string?)claims["client_id"], (string?)claims["sub"], (string?)claims["scope"]));
        Assert.NotNull((string?)claims["cnf"]!["jkt"]);
        Assert.Equal("pwd", (string?)claims["amr"]![0]);

        Assert.Equal("Alice Example", (string?)(await web.RunAsync("userinfo", Text(tokens, "access_token"), "alice"))["name"]);
        var elsewhere = await web.OnAnotherDeviceAsync();
        Assert.Equal("invalid_token", ErrorOf(await elsewhere.RunAsync("userinfo", Text(tokens, "access_token"), "alice")));
        using (var http = fleet.CreateHttp())
        {
            // As if it were not bound.
            http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Text(tokens, "access_token"));
            Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync("oauth2/userinfo", Cancellation)).StatusCode);
        }

        var server = await OpenIdClient.RegisterAsync(fleet, "documents", dpop: false, hasKey: true);
        var introspected = await server.RunAsync("introspect", Text(tokens, "access_token"));
        Assert.Equal((true, (string?)claims["cnf"]!["jkt"], (string?)claims["sid"]), ((bool)introspected["active"]!, (string?)introspected["cnf"]?["jkt"], (string?)introspected["sid"]));

        // It is bound, and the sidecar wants its proof: without one it says so, and has checked all else.
        await Fleet.UntilAsync(async () => await ReasonAsync(sidecar, Text(tokens, "access_token")) == TokenRejection.ProofMissing);
        var refreshed = await web.RunAsync("refresh", Text(tokens, "refresh_token"));
        Assert.Equal(TokenRejection.ProofMissing, await ReasonAsync(sidecar, Text(refreshed, "access_token")));
        await web.RunAsync("revoke", Text(refreshed, "refresh_token"));
        foreach (var of in new[] { tokens, refreshed })
        {
            await Fleet.UntilAsync(async () => await ReasonAsync(sidecar, Text(of, "access_token")) == TokenRejection.Revoked);
        }

        Assert.Equal("invalid_grant", ErrorOf(await web.RunAsync("refresh", Text(refreshed, "refresh_token"))));
    }

    /// <summary>Whoever lost an answer, or signs out while a refresh is in flight, revokes the token that they have (RFC 7009, section 2.1).</summary>
    [Fact]
    public async Task Revocation_OfARefreshTokenThatWasUsedSince_EndsTheGrant()
    {
        await using var fleet = await StartAsync();
        var web = await OpenIdClient.RegisterAsync(fleet, "web", dpop: true, hasKey: false, scope: "openid offline_access documents.read");
        var other = await OpenIdClient.RegisterAsync(fleet, "other", dpop: true, hasKey: false);
        var first = await web.RunAsync("login");
        var second = await web.RunAsync("refresh", Text(first, "refresh_token"));
        // Of another client it is none.
        await other.RunAsync("revoke", Text(first, "refresh_token"));
        Assert.Equal("alice", (string?)(await web.RunAsync("userinfo", Text(second, "access_token"), "alice"))["sub"]);
        await web.RunAsync("revoke", Text(first, "refresh_token"));
        foreach (var tokens in new[] { first, second })
        {
            Assert.Equal("invalid_token", ErrorOf(await web.RunAsync("userinfo", Text(tokens, "access_token"), "alice")));
            Assert.Equal("invalid_grant", ErrorOf(await web.RunAsync("refresh", Text(tokens, "refresh_token"))));
        }
    }

    [Fact]
    public async Task Refresh_OnceMoreByTheSameDevice_SameSuccessor_ByAnotherOrTooOld_EndsTheGrant()
    {
        await using var fleet = await StartAsync();
        var sidecar = await JoinAsync(fleet);
        var web = await OpenIdClient.RegisterAsync(fleet, "web", dpop: true, hasKey: false);
        var first = await web.RunAsync("login");
        var second = await web.RunAsync("refresh", Text(first, "refresh_token"));
        var again = await web.RunAsync("refresh", Text(first, "refresh_token"));
        Assert.Equal(Text(second, "refresh_token"), Text(again, "refresh_token"));

        // A thief has the token, and not the key: nothing is lost by that.
        var thief = await web.OnAnotherDeviceAsync();
        Assert.Equal("invalid_grant", ErrorOf(await thief.RunAsync("refresh", Text(second, "refresh_token"))));
        var third = await web.RunAsync("refresh", Text(second, "refresh_token"));
        // Two generations late is no retry.
        Assert.Equal("invalid_grant", ErrorOf(await web.RunAsync("refresh", Text(first, "refresh_token"))));
        Assert.Equal("invalid_grant", ErrorOf(await web.RunAsync("refresh", Text(third, "refresh_token"))));
        await Fleet.UntilAsync(async () => await ReasonAsync(sidecar, Text(third, "access_token")) == TokenRejection.Revoked);
        var audit = await fleet.Audit.ListAuditRecordsAsync(new ListAuditRecordsRequest { Action = "grants.end" }, cancellationToken: Cancellation);
        Assert.Equal(("account:alice", "a refresh token was used twice"), (audit.Records.Single().Actor, audit.Records.Single().After));
    }

    [Fact]
    public async Task PublicClient_WithoutAKey_GetsNoRefreshToken()
    {
        await using var fleet = await StartAsync();
        var web = await OpenIdClient.RegisterAsync(fleet, "web", dpop: false, hasKey: false);
        var tokens = await web.RunAsync("login");
        Assert.Equal(("bearer", null), ((string?)tokens["token_type"], tokens["refresh_token"]));
    }

    [Fact]
    public async Task Code_UsedTwiceOrWithAnotherVerifier_Refused_AndTwiceEndsItsGrant()
    {
        await using var fleet = await StartAsync();
        var sidecar = await JoinAsync(fleet);
        var web = await OpenIdClient.RegisterAsync(fleet, "web", dpop: false, hasKey: false);
        Assert.Equal("invalid_grant", ErrorOf(await web.RunAsync("wrongVerifier")));
        var replayed = await web.RunAsync("replay");
        Assert.Equal("invalid_grant", ErrorOf(replayed["second"]!));
        await Fleet.UntilAsync(async () => await ReasonAsync(sidecar, Text(replayed["first"]!, "access_token")) == TokenRejection.Revoked);
    }

    [Fact]
    public async Task Confidential_ClientWithItsOwnKey_RefreshesIntrospectsAndGetsTokensForItself()
    {
        await using var fleet = await StartAsync();
        var sidecar = await JoinAsync(fleet);
        // A resource server is called like its application: then the tokens are its own to look into.
        var server = await OpenIdClient.RegisterAsync(fleet, "documents", dpop: false, hasKey: true);
        var tokens = await server.RunAsync("login");
        var refreshed = await server.RunAsync("refresh", Text(tokens, "refresh_token"));
        var active = await server.RunAsync("introspect", Text(refreshed, "access_token"));
        Assert.Equal((true, "alice"), ((bool)active["active"]!, (string?)active["sub"]));
        await Fleet.UntilAsync(async () => await ReasonAsync(sidecar, Text(refreshed, "access_token")) == TokenRejection.Unspecified);

        await server.RunAsync("revoke", Text(refreshed, "access_token"));
        Assert.False((bool)(await server.RunAsync("introspect", Text(refreshed, "access_token")))["active"]!);
        await Fleet.UntilAsync(async () => await ReasonAsync(sidecar, Text(refreshed, "access_token")) == TokenRejection.Revoked);
        Assert.True((bool)(await server.RunAsync("introspect", Text(refreshed, "refresh_token")))["active"]!);
        Assert.False((bool)(await server.RunAsync("introspect", Text(tokens, "refresh_token")))["active"]!);
        Assert.False((bool)(await server.RunAsync("introspect", "nonsense"))["active"]!);

        var own = await OpenIdClient.RegisterAsync(fleet, "alice", dpop: false, hasKey: true, scope: "documents.read");
        var credentials = await own.RunAsync("credentials");
        Assert.Equal(("client:alice", "documents.read"), ((string?)ClaimsOf(Text(credentials, "access_token"))["sub"], (string?)ClaimsOf(Text(credentials, "access_token"))["scope"]));
        Assert.Null(credentials["refresh_token"]);
    }

    [Fact]
    public async Task KeySet_AtItsAddress_IsFetchedByASidecarThatMay()
    {
        await using var fleet = await StartAsync();
        var server = await OpenIdClient.RegisterAsync(fleet, "documents", dpop: false, hasKey: true, scope: "documents.read");
        var folder = fleet.In("bundle");
        Directory.CreateDirectory(folder);
        await File.WriteAllTextAsync(Path.Combine(folder, "bundle.json"), """{"version": 1, "contents": ["issuers.json"]}""", Cancellation);
        await File.WriteAllTextAsync(
            Path.Combine(folder, "issuers.json"),
            $$"""{"issuers": [{"issuer": "{{fleet.UrlOf()}}", "jwksUrl": "{{fleet.UrlOf()}}.well-known/jwks.json", "audiences": ["documents"]}]}""",
            Cancellation);
        var sidecar = fleet.StartOnFolder("folder", folder, "--issuer-private-host", "127.0.0.1", "--issuer-ca", fleet.CaFile);
        var token = Text(await server.RunAsync("credentials"), "access_token");
        await Fleet.UntilAsync(async () => await ReasonAsync(sidecar, token) == TokenRejection.Unspecified);
        var stranger = fleet.StartOnFolder("stranger", folder, "--issuer-ca", fleet.CaFile);
        await Fleet.UntilAsync(async () => await ReasonAsync(stranger, token) == TokenRejection.KeyUnknown);
    }

    [Fact]
    public async Task Sessions_EndedByAdministratorPasswordOrLogout_TokensAndPagesEndWithThem()
    {
        await using var fleet = await StartAsync();
        var sidecar = await JoinAsync(fleet);
        var web = await OpenIdClient.RegisterAsync(fleet, "web", dpop: true, hasKey: false);
        var tokens = await web.RunAsync("login");
        var session = (await fleet.Accounts.ListSessionsAsync(new ListSessionsRequest { AccountId = "alice" }, cancellationToken: Cancellation)).Sessions.Single();
        Assert.Equal((string?)tokens["claims"]!["sid"], session.Id);
        await EndedAsync(tokens, async () => await fleet.Accounts.EndSessionsAsync(new EndSessionsRequest { AccountId = "alice", SessionId = session.Id }, cancellationToken: Cancellation));

        tokens = await web.RunAsync("login");
        await EndedAsync(tokens, async () => await fleet.Accounts.EndSessionsAsync(new EndSessionsRequest { AccountId = "alice" }, cancellationToken: Cancellation));
        tokens = await web.RunAsync("login");
        await EndedAsync(tokens, async () => await WriteAliceAsync(fleet));
        tokens = await web.RunAsync("login");
        await EndedAsync(tokens, async () => await fleet.Accounts.WriteAccountAsync(new WriteAccountRequest { Account = new Account { Id = "alice", Disabled = true } }, cancellationToken: Cancellation));
        await WriteAliceAsync(fleet);
        var bye = await web.RunAsync("logout");
        Assert.Equal("http://127.0.0.1:8123/bye?state=bye", (string?)bye["after"]);
        await EndedAsync(bye["tokens"]!, () => Task.CompletedTask);

        async Task EndedAsync(JsonNode of, Func<Task> end)
        {
            await end();
            await Fleet.UntilAsync(async () => await ReasonAsync(sidecar, Text(of, "access_token")) == TokenRejection.Revoked);
            Assert.Equal("invalid_grant", ErrorOf(await web.RunAsync("refresh", Text(of, "refresh_token"))));
            Assert.Empty((await fleet.Accounts.ListSessionsAsync(new ListSessionsRequest { AccountId = "alice" }, cancellationToken: Cancellation)).Sessions);
        }
    }

    [Fact]
    public async Task Role_TakenAway_EndsAccessTokensAndTheNextIsARefreshAway()
    {
        await using var fleet = await StartAsync();
        var sidecar = await JoinAsync(fleet);
        await Writes.WriteAsync(fleet, Writes.User("alice", "reader"), Writes.User("bob", "reader"));
        var server = await OpenIdClient.RegisterAsync(fleet, "documents", dpop: false, hasKey: true);
        var tokens = await server.RunAsync("login");
        await Fleet.UntilAsync(async () => await ReasonAsync(sidecar, Text(tokens, "access_token")) == TokenRejection.Unspecified);
        // What others lose, and what is given, is of no concern.
        await Writes.RemoveRoleAsync(fleet.Directories, "bob");
        await fleet.Directories.ChangeMembershipsAsync(new ChangeMembershipsRequest { Entity = "User::\"alice\"", Added = { "Role::\"writer\"" } }, cancellationToken: Cancellation);
        var revision = await Writes.RemoveRoleAsync(fleet.Directories, "alice");
        await Fleet.UntilAsync(async () => await ReasonAsync(sidecar, Text(tokens, "access_token")) == TokenRejection.Revoked);
        var refreshed = await server.RunAsync("refresh", Text(tokens, "refresh_token"));
        var answer = await sidecar.ValidateTokenAsync(new ValidateTokenRequest { Token = Text(refreshed, "access_token"), AtLeastRevision = revision }, deadline: Binary.Deadline, cancellationToken: Cancellation);
        Assert.True(answer.Valid, $"{answer.Reason}");
    }

    [Fact]
    public async Task Client_GivenLessOrTakenAway_WhatItWasGrantedEnds()
    {
        await using var fleet = await StartAsync();
        var sidecar = await JoinAsync(fleet);
        var web = await OpenIdClient.RegisterAsync(fleet, "web", dpop: true, hasKey: false, scope: "openid offline_access documents.read");
        var plain = await OpenIdClient.RegisterAsync(fleet, "plain", dpop: true, hasKey: false);
        var own = await OpenIdClient.RegisterAsync(fleet, "own", dpop: false, hasKey: true, scope: "documents.read");
        var (tokens, others, credentials) = (await web.RunAsync("login"), await plain.RunAsync("login"), await own.RunAsync("credentials"));
        await Fleet.UntilAsync(async () => await ReasonAsync(sidecar, Text(credentials, "access_token")) == TokenRejection.Unspecified);

        // Somebody has just agreed to something, and the client has not asked for it yet.
        using var browser = new TestBrowser(fleet.UrlOf(), proxy: null, fleet.CaFile);
        await browser.SubmitAsync(await browser.GoAsync("login"), "/login", ("name", "alice"), ("password", OpenIdClient.Password));
        const string Challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", Verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        var back = (await browser.GoAsync(
            $"oauth2/authorize?client_id=web&response_type=code&scope=openid%20documents.read&redirect_uri=http%3A%2F%2F127.0.0.1%3A8123%2Fcallback&code_challenge={Challenge}&code_challenge_method=S256", to => to.Port == 8123 ? null : to)).Location!;
        var code = Microsoft.AspNetCore.WebUtilities.QueryHelpers.ParseQuery(back.Query)["code"].ToString();

        foreach (var id in new[] { "web", "plain" })
        {
            var client = (await fleet.Clients.ListClientsAsync(new ListClientsRequest(), cancellationToken: Cancellation)).Clients.Single(c => c.Id == id);
            client.Scopes.Clear();
            await fleet.Clients.WriteClientAsync(new WriteClientRequest { Client = client, UpdateMask = new Google.Protobuf.WellKnownTypes.FieldMask { Paths = { "scopes" } } }, cancellationToken: Cancellation);
        }

        await Fleet.UntilAsync(async () => await ReasonAsync(sidecar, Text(tokens, "access_token")) == TokenRejection.Revoked);
        Assert.Equal("invalid_grant", ErrorOf(await web.RunAsync("refresh", Text(tokens, "refresh_token"))));
        using (var http = fleet.CreateHttp())
        {
            var form = new FormUrlEncodedContent([new("grant_type", "authorization_code"), new("client_id", "web"), new("code", code), new("code_verifier", Verifier), new("redirect_uri", "http://127.0.0.1:8123/callback")]);
            Assert.Contains("invalid_grant", await (await http.PostAsync("oauth2/token", form, Cancellation)).Content.ReadAsStringAsync(Cancellation), StringComparison.Ordinal);
        }

        // What it still may have, it has.
        others = await plain.RunAsync("refresh", Text(others, "refresh_token"));
        Assert.Equal(TokenRejection.ProofMissing, await ReasonAsync(sidecar, Text(others, "access_token")));

        await fleet.Clients.RemoveClientAsync(new RemoveClientRequest { Id = "plain", Application = "documents" }, cancellationToken: Cancellation);
        await fleet.Clients.RemoveClientAsync(new RemoveClientRequest { Id = "own", Application = "documents" }, cancellationToken: Cancellation);
        await Fleet.UntilAsync(async () => await ReasonAsync(sidecar, Text(others, "access_token")) == TokenRejection.Revoked);
        await Fleet.UntilAsync(async () => await ReasonAsync(sidecar, Text(credentials, "access_token")) == TokenRejection.Revoked);
    }

    [Fact]
    public async Task Applications_AreKeptApart_WhateverTheirClientsAreCalled()
    {
        await using var fleet = await StartAsync();
        // Of another application, and called like this one.
        var spy = await OpenIdClient.RegisterAsync(fleet, "documents", dpop: false, hasKey: true);
        var client = (await fleet.Clients.ListClientsAsync(new ListClientsRequest(), cancellationToken: Cancellation)).Clients.Single();
        await fleet.Clients.RemoveClientAsync(new RemoveClientRequest { Id = "documents", Application = "documents" }, cancellationToken: Cancellation);
        client.Application = "others";
        await fleet.CreateApplicationAsync("others");
        await fleet.Clients.WriteClientAsync(new WriteClientRequest { Client = client }, cancellationToken: Cancellation);
        var web = await OpenIdClient.RegisterAsync(fleet, "web", dpop: true, hasKey: false);
        var tokens = await web.RunAsync("login");
        Assert.False((bool)(await spy.RunAsync("introspect", Text(tokens, "access_token")))["active"]!);

        // Nor is a subject that another application's administrator revokes revoked here.
        var everywhere = new Revocation { Issuer = fleet.UrlOf().ToString(), Subject = "alice", NotBefore = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(TimeProvider.System.GetUtcNow().AddMinutes(1)), ExpiresAt = Google.Protobuf.WellKnownTypes.Timestamp.FromDateTimeOffset(TimeProvider.System.GetUtcNow().AddHours(1)) };
        await fleet.Revocations.RevokeAsync(new RevokeRequest { Application = "others", Revocation = everywhere }, cancellationToken: Cancellation);
        Assert.Equal("alice", (string?)(await web.RunAsync("userinfo", Text(tokens, "access_token"), "alice"))["sub"]);
        await fleet.Revocations.RevokeAsync(new RevokeRequest { Application = "documents", Revocation = everywhere }, cancellationToken: Cancellation);
        Assert.Equal("invalid_token", ErrorOf(await web.RunAsync("userinfo", Text(tokens, "access_token"), "alice")));
    }

    [Fact]
    public async Task FourthSession_EndsTheOneThatWasLongestNotUsed()
    {
        await using var fleet = await StartAsync();
        var web = await OpenIdClient.RegisterAsync(fleet, "web", dpop: true, hasKey: false);
        var first = await web.RunAsync("login");
        await web.RunAsync("login");
        await web.RunAsync("login");
        await web.RunAsync("login");
        Assert.Equal(3, (await fleet.Accounts.ListSessionsAsync(new ListSessionsRequest { AccountId = "alice" }, cancellationToken: Cancellation)).Sessions.Count);
        Assert.Equal("invalid_grant", ErrorOf(await web.RunAsync("refresh", Text(first, "refresh_token"))));
    }

    [Fact]
    public async Task Consent_AskedOnce_AndRefusedWhenRefused()
    {
        await using var fleet = await StartAsync();
        var web = await OpenIdClient.RegisterAsync(fleet, "web", dpop: false, hasKey: true, needsConsent: true);
        Assert.Equal("access_denied", ErrorOf(await web.RunAsync("deny")));
        var silent = await web.RunAsync("silent");
        Assert.Equal("login_required", (string?)silent["before"]);
        Assert.NotNull(silent["after"]!["access_token"]);
    }

    /// <summary>Any program on the machine can use the id of a native client that has no key (RFC 8252, section 8.6).</summary>
    [Fact]
    public async Task Consent_OfANativeClientWithoutAKey_IsAskedEachTime()
    {
        await using var fleet = await StartAsync();
        var native = await OpenIdClient.RegisterAsync(fleet, "native", dpop: false, hasKey: false, needsConsent: null);
        Assert.NotNull((await native.RunAsync("login"))["access_token"]);
        var twice = await native.RunAsync("twice");
        Assert.Equal(("/consent", "/consent", "consent_required"), ((string?)twice["first"], (string?)twice["second"], (string?)twice["silent"]));
        // The address that a consent led back to is good for that request alone.
        Assert.Equal(("/callback", "/consent"), ((string?)twice["same"], (string?)twice["other"]));

        var web = await OpenIdClient.RegisterAsync(fleet, "web", dpop: false, hasKey: true, needsConsent: null);
        Assert.Equal("/callback", (string?)(await web.RunAsync("twice"))["second"]);
        await fleet.Clients.WriteClientAsync(new WriteClientRequest { Client = new Client { Id = "native", Application = "documents", NeedsConsent = false } }, cancellationToken: Cancellation);
        Assert.Equal("/callback", (string?)(await native.RunAsync("twice"))["second"]);
    }

    /// <summary>RFC 8628, sections 3.5 and 5.4.</summary>
    [Fact]
    public async Task Device_ThatAsksTooOften_IsToldToSlowDown_AndItsUserSeesWhereItAskedFrom()
    {
        await using var fleet = await StartAsync();
        var tv = await OpenIdClient.RegisterAsync(fleet, "tv", dpop: true, hasKey: false);
        var polled = await tv.RunAsync("devicePolls");
        Assert.Equal((5, "authorization_pending slow_down slow_down authorization_pending"), ((int?)polled["interval"], (string?)polled["answers"]));
        Assert.Contains("from 127.0.0.1", (string?)polled["page"], StringComparison.Ordinal);
        Assert.Contains("less than a minute ago", (string?)polled["page"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Device_ConnectedByItsCode_GetsTokens_AndRefusedNone()
    {
        await using var fleet = await StartAsync();
        var tv = await OpenIdClient.RegisterAsync(fleet, "tv", dpop: true, hasKey: false);
        var connected = await tv.RunAsync("device");
        Assert.Equal("?result=connected", (string?)connected["page"]);
        Assert.Equal("alice", (string?)ClaimsOf(Text(connected["tokens"]!, "access_token"))["sub"]);
        Assert.NotNull(connected["tokens"]!["refresh_token"]);
        Assert.Equal("access_denied", ErrorOf(await tv.RunAsync("device", "deny")));
    }

    [Fact]
    public async Task Requests_ThatAreNotAsTheyShouldBe_AreRefused()
    {
        await using var fleet = await StartAsync();
        var web = await OpenIdClient.RegisterAsync(fleet, "web", dpop: false, hasKey: false);
        foreach (var wrong in new[]
        {
            """{"redirect_uri": "https://evil.example/callback"}""", """{"redirect_uri": "http://127.0.0.1:8123/callback/more"}""", """{"redirect_uri": "http://localhost:8123/callback"}""", """{"client_id": "nobody"}""",
            """{"code_challenge_method": "plain"}""", """{"code_challenge": "", "code_challenge_method": ""}""", """{"scope": "openid payroll"}""", """{"response_type": "token"}""", """{"response_type": "code token"}""",
            """{"response_mode": "query.jwt"}""", """{"prompt": "none login"}""", """{"request_uri": "https://evil.example/request"}""",
        })
        {
            var answer = await web.RunAsync("page", wrong);
            Assert.True((int?)answer["status"] == 400 || ErrorOf(answer) is not null, $"{wrong}: {answer.ToJsonString()}");
            // Where to is not to be believed.
            Assert.NotEqual("evil.example", (string?)answer["host"]);
        }
    }

    private static async Task<Fleet> StartAsync()
    {
        var missing = await NodeScripts.MissingAsync();
        Assert.SkipWhen(missing is not null, missing ?? "");
        var fleet = await Fleet.StartAsync(ownCa: true, https: true);
        await fleet.CreateApplicationAsync();
        await WriteAliceAsync(fleet);
        return fleet;
    }

    private static async Task WriteAliceAsync(Fleet fleet) => await fleet.Accounts.WriteAccountAsync(
        new WriteAccountRequest { Account = new Account { Id = "alice", DisplayName = "Alice Example", Email = "alice@example.com", Disabled = false }, Password = OpenIdClient.Password }, cancellationToken: Cancellation);

    private static async Task<AuthSidecarService.AuthSidecarServiceClient> JoinAsync(Fleet fleet)
    {
        var join = await Binary.RunControlAsync("join-tokens", "create", "--application", "documents", "--admin-socket", fleet.In("control.sock"));
        return await fleet.JoinAsync("one", join.Output.Trim(), "documents");
    }

    /// <summary>Why a sidecar does not take a token; unspecified: it does.</summary>
    private static async Task<TokenRejection> ReasonAsync(AuthSidecarService.AuthSidecarServiceClient sidecar, string token)
    {
        var answer = await sidecar.ValidateTokenAsync(new ValidateTokenRequest { Token = token }, cancellationToken: Cancellation);
        TestContext.Current.TestOutputHelper!.WriteLine($"the sidecar: valid {answer.Valid}, {answer.Reason} {answer.Detail}");
        return answer.Reason;
    }

    private static string Text(JsonNode tokens, string name) => (string?)tokens[name] ?? throw new InvalidOperationException($"there is no {name}: {tokens.ToJsonString()}");

    private static string? ErrorOf(JsonNode answer)
    {
        TestContext.Current.TestOutputHelper!.WriteLine($"answered: {answer.ToJsonString()}");
        return (string?)answer["error"];
    }

    private static JsonNode ClaimsOf(string token) => JsonNode.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(token.Split('.')[1]))!;
}
