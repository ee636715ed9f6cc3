using System.Text.Json.Nodes;
using AuthSidecar.ControlPlane.V1;

namespace EndToEnd.Tests;

/// <summary>The pages, in a browser that is headless and a phone's size: what they say, who can use them, what they let nobody do.</summary>
public sealed class PageTests
{
    private const string Chromium = "/usr/bin/chromium";
    private const string NextPassword = "an even longer walk along the Elbe";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Pages_InChromium_WorkForEverybodyAndComplainOfNothing()
    {
        var missing = await NodeScripts.MissingAsync() ?? (File.Exists(Chromium) ? null : $"there is no {Chromium}");
        Assert.SkipWhen(missing is not null, missing ?? "");
        await using var fleet = await Fleet.StartAsync(ownCa: true, https: true);
        await fleet.CreateApplicationAsync();
        await fleet.Accounts.WriteAccountAsync(
            new WriteAccountRequest { Account = new Account { Id = "alice", UserName = "alice@example.com", DisplayName = "Alice Example" }, Password = OpenIdClient.Password }, cancellationToken: Cancellation);
        await fleet.Clients.WriteClientAsync(
            new WriteClientRequest { Client = new Client { Id = "web", DisplayName = "Document Viewer", Application = "documents", GrantTypes = { GrantType.AuthorizationCode }, RedirectUris = { "http://127.0.0.1/callback" }, NeedsConsent = true } },
            cancellationToken: Cancellation);
        await fleet.IdentityProviders.WriteIdentityProviderAsync(
            new WriteIdentityProviderRequest { IdentityProvider = new IdentityProvider { Id = "example", DisplayName = "Example", Kind = IdentityProviderKind.OpenidConnect, Issuer = "https://127.0.0.1:1", ClientId = "x" }, ClientSecret = "x" },
            cancellationToken: Cancellation);
        var settings = new JsonObject
        {
            ["issuer"] = fleet.UrlOf().ToString(),
            ["name"] = "alice@example.com",
            ["password"] = OpenIdClient.Password,
            ["nextPassword"] = NextPassword,
            ["chromium"] = Chromium,
            ["authorizeUrl"] = new Uri(
                fleet.UrlOf(),
                "oauth2/authorize?client_id=web&response_type=code&scope=openid%20profile&redirect_uri=http%3A%2F%2F127.0.0.1%3A8123%2Fcallback&state=s&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256").ToString(),
        };
        var pictures = Environment.GetEnvironmentVariable("AUTHSIDECAR_PICTURES") ?? fleet.In("pages");
        Directory.CreateDirectory(pictures);
        await File.WriteAllTextAsync(Path.Combine(pictures, "settings.json"), settings.ToJsonString(), Cancellation);

        var seen = await NodeScripts.RunAsync("pages.mjs", fleet.CaFile, pictures);
        Assert.Empty(seen["complaints"]!.AsArray());
        Assert.Empty(seen["accessibility"]!.AsArray());
        Assert.Empty(seen["overflows"]!.AsArray());
        Assert.Equal("name", Text("focused"));
        Assert.Equal(("/login", "Incorrect name or password. After several failed attempts, sign-in is delayed.", "Alice Example"), (Text("redirectedTo"), Text("wrong"), Text("account")));
        Assert.Equal("Example cannot be reached at the moment. Try again later.", Text("away"));
        Assert.Equal((200, "Its access is removed.", 0, 1), ((int)seen["token"]!, Text("removed"), (int)seen["devicesLeft"]!, (int)seen["ways"]!));
        Assert.False((bool)seen["scriptRan"]!);
        Assert.Equal((true, true, "Lax"), ((bool)seen["cookie"]!["httpOnly"]!, (bool)seen["cookie"]!["secure"]!, (string?)seen["cookie"]!["sameSite"]));
        Assert.Equal((2, "You are signed out there.", "/login"), ((int)seen["sessions"]!, Text("notice"), Text("otherEndedAt")));
        Assert.StartsWith("This password cannot be used: it must", Text("weak"), StringComparison.Ordinal);
        Assert.StartsWith("The password is changed", Text("changed"), StringComparison.Ordinal);
        Assert.Equal("Document Viewer requests access to your account", Text("consent"));
        Assert.Equal(["code", "state", "iss"], seen["backWith"]!.AsArray().Select(p => (string?)p));
        Assert.Equal(("Unknown or expired code.", "You are signed out"), (Text("noSuchCode"), Text("signedOut")));

        string? Text(string name) => (string?)seen[name];
    }

    [Fact]
    public async Task SignIn_TooOftenFromOneAddress_IsTurnedAway()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true, https: true);
        await fleet.CreateApplicationAsync();
        using var http = fleet.CreateHttp();
        var statuses = new List<int>();
        // One is allowed again each two seconds: on a slow machine the limit is reached later.
        for (var i = 0; i < 60 && statuses is not [.., 429]; i++)
        {
            using var answer = await http.PostAsync((i % 3) switch { 0 => "login", 1 => "Login", _ => "LOGIN/" }, new FormUrlEncodedContent([]), Cancellation);
            statuses.Add((int)answer.StatusCode);
            Assert.Equal(answer.StatusCode == System.Net.HttpStatusCode.TooManyRequests, answer.Headers.RetryAfter is { Delta.TotalSeconds: 1 or 2 });
        }

        Assert.InRange(statuses.Count, 31, 59);
        Assert.All(statuses[..^1], s => Assert.Equal(400, s));
        // What is no attempt goes on.
        Assert.Equal(System.Net.HttpStatusCode.OK, (await http.GetAsync("login", Cancellation)).StatusCode);
        Assert.NotEqual(System.Net.HttpStatusCode.TooManyRequests, (await http.PostAsync("oauth2/token", new FormUrlEncodedContent([]), Cancellation)).StatusCode);
    }

    [Fact]
    public async Task Pages_Headers_ForbidScriptsFramesAndCaches()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true, https: true);
        await fleet.CreateApplicationAsync();
        using var http = fleet.CreateHttp();
        using var response = await http.GetAsync("login", Cancellation);
        Assert.Equal("default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'", Assert.Single(response.Headers.GetValues("Content-Security-Policy")));
        Assert.True(response.Headers.CacheControl!.NoStore);
        Assert.Equal("nosniff", Assert.Single(response.Headers.GetValues("X-Content-Type-Options")));
        Assert.Equal("no-referrer", Assert.Single(response.Headers.GetValues("Referrer-Policy")));

        // A form of another site's, and a way on that leads away.
        using var forged = await http.PostAsync("login", new FormUrlEncodedContent([new("name", "alice"), new("password", "x")]), Cancellation);
        Assert.Equal(System.Net.HttpStatusCode.BadRequest, forged.StatusCode);
        Assert.DoesNotContain("evil.example", Assert.Single((await http.GetAsync("login?return=%2F%2Fevil.example&x=https%3A%2F%2Fevil.example", Cancellation)).Headers.GetValues("Content-Security-Policy")), StringComparison.Ordinal);
        Assert.Equal(System.Net.HttpStatusCode.BadRequest, (await http.GetAsync("consent?return=https%3A%2F%2Fevil.example", Cancellation)).StatusCode);
        using var sidecars = new HttpClient(new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, _, _, _) => true } }) { BaseAddress = new Uri($"https://127.0.0.1:{fleet.Port}"), DefaultRequestVersion = System.Net.HttpVersion.Version20 };
        Assert.Equal(System.Net.HttpStatusCode.NotFound, (await sidecars.GetAsync("login", Cancellation)).StatusCode);
    }
}
