using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using AuthSidecar.ControlPlane.V1;
using Grpc.Core;

namespace EndToEnd.Tests;

/// <summary>OpenID Connect Back-Channel Logout 1.0: whoever ends a session, the clients that got tokens in it are told.</summary>
public sealed class BackchannelLogoutTests
{
    private static readonly string[] Allowed = ["--logout-private-host", "127.0.0.1"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Logout_IsToldToTheClientsOfTheSession_ByASignedTokenThatIsNoOther()
    {
        await using var party = await RelyingParty.StartAsync();
        await using var fleet = await StartAsync(party);
        var web = await RegisterAsync(fleet, "web", party.LogoutUri);
        await OpenIdClient.RegisterAsync(fleet, "silent", dpop: false, hasKey: true);
        var ended = await web.RunAsync("logout");
        await Fleet.UntilAsync(() => Task.FromResult(!party.LogoutTokens.IsEmpty));
        var token = Assert.Single(party.LogoutTokens);
        var (header, claims) = await VerifyAsync(fleet, token);
        Assert.Equal(("RS256", "logout+jwt"), ((string?)header["alg"], (string?)header["typ"]));
        Assert.Equal((fleet.UrlOf().ToString(), "web", "alice"), ((string?)claims["iss"], (string?)claims["aud"], (string?)claims["sub"]));
        Assert.Equal((string?)ended["tokens"]!["claims"]!["sid"], (string?)claims["sid"]);
        Assert.Equal("""{"http://schemas.openid.net/event/backchannel-logout":{}}""", claims["events"]!.ToJsonString());
        Assert.Equal(120, (long)claims["exp"]! - (long)claims["iat"]!);
        Assert.False(claims.ContainsKey("nonce"));
        Assert.NotEmpty((string)claims["jti"]!);

        // Not to be used as an access token, and not as a hint of who is signed in.
        using var http = fleet.CreateHttp();
        http.DefaultRequestHeaders.Authorization = new("Bearer", token);
        Assert.Equal(System.Net.HttpStatusCode.Unauthorized, (await http.GetAsync("oauth2/userinfo", Cancellation)).StatusCode);

        var metadata = JsonNode.Parse(await http.GetStringAsync(".well-known/openid-configuration", Cancellation))!;
        Assert.Equal((true, true), ((bool)metadata["backchannel_logout_supported"]!, (bool)metadata["backchannel_logout_session_supported"]!));
    }

    [Fact]
    public async Task End_ByAnAdministrator_IsToldThoughTheClientIsAwayAndTheControlPlaneRestarts()
    {
        await using var party = await RelyingParty.StartAsync();
        await using var fleet = await StartAsync(party);
        var web = await RegisterAsync(fleet, "web", party.LogoutUri);
        var first = await web.RunAsync("login");
        var second = await web.RunAsync("login");
        // A redirect is no answer either, and nobody follows it.
        party.Status = 307;
        await fleet.Accounts.WriteAccountAsync(new WriteAccountRequest { Account = new Account { Id = "alice", Disabled = true } }, cancellationToken: Cancellation);
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf().Any(l => l.Contains($"back-channel logout of client web at {party.LogoutUri} failed (attempt 1), retried in 10 s: HTTP status 307", StringComparison.Ordinal))));
        Assert.Single(party.LogoutTokens);
        party.LogoutTokens.Clear();
        party.Status = 200;
        fleet.KillControlPlane();
        await fleet.StartControlPlaneAsync(0, Allowed);
        await Fleet.UntilAsync(() => Task.FromResult(party.LogoutTokens.Count >= 2));
        var sessions = new List<string>();
        foreach (var token in party.LogoutTokens)
        {
            sessions.Add((string)(await VerifyAsync(fleet, token)).Claims["sid"]!);
        }

        Assert.Equal(new[] { first, second }.Select(t => (string)t["claims"]!["sid"]!).Order(StringComparer.Ordinal), sessions.Order(StringComparer.Ordinal));
    }

    /// <summary>Whoever writes clients of one application does not reach what is inside the network by it; and a client that does not answer keeps no other waiting.</summary>
    [Fact]
    public async Task Address_ThatIsPrivateAndNotAllowed_IsNotAsked_AndOthersAreToldMeanwhile()
    {
        await using var party = await RelyingParty.StartAsync();
        await using var fleet = await StartAsync(party);
        fleet.KillControlPlane();
        await fleet.StartControlPlaneAsync(0, "--logout-private-host", "localhost");
        var inside = await RegisterAsync(fleet, "inside", party.LogoutUri);
        var web = await RegisterAsync(fleet, "web", party.LogoutUri.Replace("127.0.0.1", "localhost", StringComparison.Ordinal));
        await inside.RunAsync("logout");
        await web.RunAsync("logout");
        await Fleet.UntilAsync(() => Task.FromResult(party.LogoutTokens.Count == 1));
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf().Any(l => l.Contains("of client inside at https://127.0.0.1", StringComparison.Ordinal) && l.Contains("host resolves to a private address: see `--logout-private-host`", StringComparison.Ordinal))));
        Assert.Equal("web", (string?)(await VerifyAsync(fleet, party.LogoutTokens.Single())).Claims["aud"]);
    }

    [Fact]
    public async Task Address_ThatCannotBeTold_IsRefused()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true, https: true);
        await fleet.CreateApplicationAsync();
        foreach (var (client, why) in new[]
        {
            (ClientOf(GrantType.DeviceCode, "http://127.0.0.1/logout"), "expected an `https:` URL"),
            (ClientOf(GrantType.DeviceCode, "/logout"), "expected an `https:` URL"),
            (ClientOf(GrantType.DeviceCode, "https://web.example/logout#x"), "expected an `https:` URL"),
            (ClientOf(GrantType.ClientCredentials, "https://web.example/logout"), "requires GRANT_TYPE_AUTHORIZATION_CODE or GRANT_TYPE_DEVICE_CODE"),
        })
        {
            var refused = await Assert.ThrowsAsync<RpcException>(async () => await fleet.Clients.WriteClientAsync(new WriteClientRequest { Client = client }, cancellationToken: Cancellation));
            Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
            Assert.StartsWith($"client.backchannel_logout_uri: {why}", refused.Status.Detail, StringComparison.Ordinal);
        }

        await fleet.Clients.WriteClientAsync(new WriteClientRequest { Client = ClientOf(GrantType.DeviceCode, "https://web.example/logout") }, cancellationToken: Cancellation);
        await fleet.Clients.WriteClientAsync(new WriteClientRequest { Client = new Client { Id = "web", Application = "documents", DisplayName = "Web" } }, cancellationToken: Cancellation);
        Assert.Equal("https://web.example/logout", (await fleet.Clients.ListClientsAsync(new ListClientsRequest(), cancellationToken: Cancellation)).Clients.Single().BackchannelLogoutUri);
    }

    private static Client ClientOf(GrantType type, string uri) => new()
    {
        Id = "web",
        Application = "documents",
        GrantTypes = { type },
        Jwks = type == GrantType.ClientCredentials ? """{"keys": [{"kty": "EC", "crv": "P-256", "kid": "one", "use": "sig", "alg": "ES256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}""" : "",
        BackchannelLogoutUri = uri,
    };

    private static async Task<Fleet> StartAsync(RelyingParty party)
    {
        var missing = await NodeScripts.MissingAsync();
        Assert.SkipWhen(missing is not null, missing ?? "");
        var fleet = await Fleet.StartAsync(ownCa: true, https: true, environment: new Dictionary<string, string> { ["SSL_CERT_FILE"] = party.CaFile });
        fleet.KillControlPlane();
        await fleet.StartControlPlaneAsync(0, Allowed);
        await fleet.CreateApplicationAsync();
        await fleet.Accounts.WriteAccountAsync(new WriteAccountRequest { Account = new Account { Id = "alice" }, Password = OpenIdClient.Password }, cancellationToken: Cancellation);
        return fleet;
    }

    private static async Task<OpenIdClient> RegisterAsync(Fleet fleet, string id, string logoutUri)
    {
        var client = await OpenIdClient.RegisterAsync(fleet, id, dpop: false, hasKey: true);
        await fleet.Clients.WriteClientAsync(new WriteClientRequest { Client = new Client { Id = id, Application = "documents", BackchannelLogoutUri = logoutUri } }, cancellationToken: Cancellation);
        return client;
    }

    /// <summary>Its header and claims, once it is signed with the key of the key set.</summary>
    private static async Task<(JsonObject Header, JsonObject Claims)> VerifyAsync(Fleet fleet, string token)
    {
        var parts = token.Split('.');
        var (header, claims) = (Parse(parts[0]), Parse(parts[1]));
        using var http = fleet.CreateHttp();
        var key = JsonNode.Parse(await http.GetStringAsync(".well-known/jwks.json", Cancellation))!["keys"]!.AsArray().Single(k => (string?)k!["kid"] == (string?)header["kid"])!;
        using var rsa = RSA.Create(new RSAParameters { Modulus = Base64Url.DecodeFromChars((string)key["n"]!), Exponent = Base64Url.DecodeFromChars((string)key["e"]!) });
        Assert.True(rsa.VerifyData(Encoding.ASCII.GetBytes($"{parts[0]}.{parts[1]}"), Base64Url.DecodeFromChars(parts[2]), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1));
        return (header, claims);

        static JsonObject Parse(string part) => JsonNode.Parse(Base64Url.DecodeFromChars(part))!.AsObject();
    }
}
