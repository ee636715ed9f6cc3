using System.Net;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Testing;
using Grpc.Core;

namespace EndToEnd.Tests;

/// <summary>Signing in with a provider elsewhere, which does what it should or something else.</summary>
public sealed class IdentityProviderTests(IdentityProviderTests.Misbehaving misbehaving) : IClassFixture<IdentityProviderTests.Misbehaving>
{
    private const string Refused = "Signing in with Provider did not work.";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task SignIn_OfSomebodyNew_GetsAnAccountAndTheSameOneAgain()
    {
        await using var provider = await TestIdentityProvider.StartAsync();
        await using var fleet = await StartAsync(provider);
        await WriteAsync(fleet, OpenIdConnect(provider, createsAccounts: true));
        using (var browser = NewBrowser(fleet, provider))
        {
            var login = await browser.GoAsync("login?return=%2Faccount");
            var account = await browser.GoAsync(login.LinkTo("Provider")!);
            Assert.Equal("/account", account.Url.AbsolutePath);
            Assert.Contains("Jane Doe", account.Read(), StringComparison.Ordinal);
            // They have no other way in, and no password to change.
            Assert.DoesNotContain("New password", account.Read(), StringComparison.Ordinal);
            // When they have authenticated there, it has not said; until it does, they change nothing.
            var again = await browser.SubmitAsync(account, "/account?handler=Unlink", ("issuer", provider.Issuer));
            Assert.Contains("Sign in again to change how you sign in.", again.Read(), StringComparison.Ordinal);
            account = await browser.GoAsync(again.LinkTo("Provider")!);
            Assert.Equal("0", provider.Asked.Last()["max_age"].ToString());
            var stays = await browser.SubmitAsync(account, "/account?handler=Unlink", ("issuer", provider.Issuer));
            Assert.Contains("You cannot remove your only sign-in method.", stays.Read(), StringComparison.Ordinal);
        }

        using (var another = NewBrowser(fleet, provider))
        {
            Assert.Equal("/account", (await another.GoAsync("login/provider")).Url.AbsolutePath);
        }

        var made = Assert.Single((await fleet.Accounts.ListAccountsAsync(new ListAccountsRequest(), cancellationToken: Cancellation)).Accounts);
        Assert.Equal((provider.Issuer, provider.Subject), (made.Logins.Single().Issuer, made.Logins.Single().Subject));
        var sessions = (await fleet.Accounts.ListSessionsAsync(new ListSessionsRequest { AccountId = made.Id }, cancellationToken: Cancellation)).Sessions;
        Assert.Equal(["fed", "fed"], sessions.Select(s => s.Methods.Single()));

        // What is asked is fresh each time, and challenges are S256.
        Assert.Equal(3, provider.Asked.Select(a => a["state"].ToString()).Distinct().Count());
        Assert.Equal(3, provider.Asked.Select(a => a["nonce"].ToString()).Distinct().Count());
        Assert.All(provider.Asked, a => Assert.Equal(("S256", "code", $"{fleet.UrlOf()}login/provider/callback"), (a["code_challenge_method"].ToString(), a["response_type"].ToString(), a["redirect_uri"].ToString())));
        Assert.Single(provider.Asked, a => a.ContainsKey("max_age"));

        await fleet.Accounts.WriteAccountAsync(new WriteAccountRequest { Account = new Account { Id = made.Id, UserName = made.UserName, Disabled = true } }, cancellationToken: Cancellation);
        using var disabled = NewBrowser(fleet, provider);
        Assert.Contains("This account cannot be signed in to.", (await disabled.GoAsync("login/provider")).Read(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Link_ByWhoHasJustSignedIn_AndByNobodyElseAndNoAddress()
    {
        await using var provider = await TestIdentityProvider.StartAsync();
        await using var fleet = await StartAsync(provider);
        await WriteAsync(fleet, OpenIdConnect(provider, createsAccounts: false));
        await WriteAliceAsync(fleet);
        // The same address is the same person to nobody.
        provider.Email = "alice@example.com";
        using var browser = NewBrowser(fleet, provider);
        var stranger = await browser.GoAsync("login/provider");
        Assert.Equal(HttpStatusCode.Forbidden, stranger.Status);
        Assert.Contains("No account here is linked to this account of Provider.", stranger.Read(), StringComparison.Ordinal);

        var account = await SignInAsync(browser);
        var link = account.LinkTo("Link")!;
        // It is hers, and of nobody who is not signed in.
        using (var thief = NewBrowser(fleet, provider))
        {
            Assert.Equal("/login", (await thief.GoAsync(link)).Url.AbsolutePath);
        }

        Assert.Equal("/login", (await browser.GoAsync("login/provider?link=nonsense")).Url.AbsolutePath);
        Assert.Contains("Provider Unlink", string.Join(' ', (await browser.GoAsync(link)).Read().Split(default(char[]), StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
        using var elsewhere = NewBrowser(fleet, provider);
        Assert.Contains("Alice Example", (await elsewhere.GoAsync("login/provider")).Read(), StringComparison.Ordinal);

        // What is linked is not linked once more, and what is unlinked signs nobody in, and has signed nobody in.
        await fleet.Accounts.WriteAccountAsync(new WriteAccountRequest { Account = new Account { Id = "bob" }, Password = OpenIdClient.Password }, cancellationToken: Cancellation);
        using var bobs = NewBrowser(fleet, provider);
        var bob = await SignInAsync(bobs, "bob");
        Assert.Contains("This account of Provider is linked already.", (await bobs.GoAsync(bob.LinkTo("Link")!)).Read(), StringComparison.Ordinal);
        await browser.SubmitAsync(await browser.GoAsync("account"), "/account?handler=Unlink", ("issuer", provider.Issuer));
        Assert.Contains("a sign-in method was removed", (await elsewhere.GoAsync("account")).Read(), StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.Forbidden, (await elsewhere.GoAsync("login/provider")).Status);
        var audit = await fleet.Audit.ListAuditRecordsAsync(new ListAuditRecordsRequest(), cancellationToken: Cancellation);
        Assert.Equal(
            [("logins.link", "account:alice", "alice"), ("logins.unlink", "account:alice", "alice")],
            audit.Records.Where(r => r.Action.StartsWith("logins.", StringComparison.Ordinal)).OrderBy(r => r.Revision).Select(r => (r.Action, r.Actor, r.Target)));
    }

    [Fact]
    public async Task SecondFactor_OfTheAccount_IsAskedForAfterTheProvider_AndSigningInAgainAsksTheProviderAgain()
    {
        await using var provider = await TestIdentityProvider.StartAsync();
        await using var fleet = await StartAsync(provider);
        await WriteAsync(fleet, OpenIdConnect(provider, createsAccounts: false));
        await WriteAliceAsync(fleet);
        using var browser = NewBrowser(fleet, provider);
        await browser.GoAsync((await SignInAsync(browser)).LinkTo("Link")!);
        var codes = (await fleet.Factors.EnrolBackupCodesAsync(new EnrolBackupCodesRequest { Subject = "User::\"alice\"", FactorId = "backup" }, cancellationToken: Cancellation)).Codes;

        using var other = NewBrowser(fleet, provider);
        var asked = await other.GoAsync("login/provider?return=%2Faccount");
        Assert.Contains("or a backup code", asked.Read(), StringComparison.Ordinal);
        Assert.Equal("/login", (await other.GoAsync("account")).Url.AbsolutePath);
        var wrong = await other.SubmitAsync(asked, "/login?handler=Code", ("code", "not-a-code"));
        Assert.Contains("Incorrect or already used code.", wrong.Read(), StringComparison.Ordinal);
        Assert.Equal("/account", (await other.SubmitAsync(wrong, "/login?handler=Code", ("code", codes[0]))).Url.AbsolutePath);
        var sessions = (await fleet.Accounts.ListSessionsAsync(new ListSessionsRequest { AccountId = "alice" }, cancellationToken: Cancellation)).Sessions;
        Assert.Contains(sessions, s => s.Methods.SequenceEqual(["fed", "otp", "mfa"]));

        // Who is signed in, and is to authenticate once more, is to do so there.
        await other.GoAsync("login/provider?return=%2Faccount");
        Assert.Equal("0", provider.Asked.Last()["max_age"].ToString());
    }

    [Fact]
    public async Task Answer_OfAnotherBrowserOrOfBefore_IsNobodys()
    {
        await using var provider = await TestIdentityProvider.StartAsync();
        await using var fleet = await StartAsync(provider);
        await WriteAsync(fleet, OpenIdConnect(provider, createsAccounts: true));
        await WriteAsync(fleet, OpenIdConnect(provider, createsAccounts: true, id: "second"));
        using var browser = NewBrowser(fleet, provider);
        // Somebody gets a code for themselves, and stops.
        var stopped = await browser.GoAsync("login/provider", UntilCallback);
        using (var victim = NewBrowser(fleet, provider))
        {
            // Whom they make follow it signs in as nobody, least of all as them (RFC 9700, section 4.7).
            Assert.Equal(HttpStatusCode.Forbidden, (await victim.GoAsync(stopped.Location!.ToString())).Status);
        }

        Assert.Equal(0, provider.TokenRequests);
        var answer = (await browser.GoAsync("login/provider", UntilCallback)).Location!.ToString();
        Assert.Equal("/account", (await browser.GoAsync(answer)).Url.AbsolutePath);
        // Nor is it once it was used.
        Assert.Equal(HttpStatusCode.Forbidden, (await browser.GoAsync(answer)).Status);
        Assert.Equal(1, provider.TokenRequests);

        // At the address of another provider it is good for nothing, either.
        var mixed = (await browser.GoAsync("login/provider", UntilCallback)).Location!;
        Assert.Equal(HttpStatusCode.Forbidden, (await browser.GoAsync(mixed.ToString().Replace("/provider/", "/second/", StringComparison.Ordinal))).Status);
        Assert.Equal(1, provider.TokenRequests);

        // A code of somebody else's, in an answer of one's own: it is for another verifier (RFC 7636).
        using var thief = NewBrowser(fleet, provider);
        var theirs = (await thief.GoAsync("login/provider", UntilCallback)).Location!;
        var others = (await browser.GoAsync("login/provider", UntilCallback)).Location!;
        Assert.Contains(Refused, (await thief.GoAsync(theirs.ToString().Replace(CodeOf(theirs), CodeOf(others), StringComparison.Ordinal))).Read(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task GoogleGitHubAndMicrosoft_AreSpokenToAsTheyWantIt()
    {
        await using var provider = await TestIdentityProvider.StartAsync();
        // By their own names, to which the machine's proxy leads.
        await using var proxy = new ConnectProxy(provider.Port);
        await using var fleet = await StartAsync(provider, proxy.Address);
        await WriteAsync(fleet, new IdentityProvider { Id = "google", Kind = IdentityProviderKind.Google, ClientId = TestIdentityProvider.ClientId, CreatesAccounts = true });
        await WriteAsync(fleet, new IdentityProvider { Id = "github", Kind = IdentityProviderKind.Github, ClientId = TestIdentityProvider.ClientId, CreatesAccounts = true });
        await WriteAsync(fleet, new IdentityProvider { Id = "microsoft", Kind = IdentityProviderKind.Microsoft, Tenant = provider.Tenant, ClientId = TestIdentityProvider.ClientId, CreatesAccounts = true });
        await WriteAsync(fleet, new IdentityProvider { Id = "anybody", Kind = IdentityProviderKind.Microsoft, Tenant = "common", DisplayName = "Microsoft (anybody)", ClientId = TestIdentityProvider.ClientId, CreatesAccounts = true });
        foreach (var id in new[] { "google", "github", "microsoft", "anybody" })
        {
            using var browser = NewBrowser(fleet, provider, proxy.Address);
            var page = await browser.GoAsync($"login/{id}");
            Assert.True(page.Url.AbsolutePath == "/account", $"{id}: {page.Read()}");
            Assert.Contains("Jane Doe", page.Read(), StringComparison.Ordinal);
        }

        var accounts = (await fleet.Accounts.ListAccountsAsync(new ListAccountsRequest(), cancellationToken: Cancellation)).Accounts;
        Assert.Equal(
            ["https://accounts.google.com", "https://github.com/login/oauth", $"https://login.microsoftonline.com/{provider.Tenant}/v2.0"],
            accounts.SelectMany(a => a.Logins).Select(l => l.Issuer).Order(StringComparer.Ordinal));
        Assert.All(accounts, a => Assert.Equal(provider.Subject, a.Logins.Single().Subject));
        Assert.All(provider.Asked, a => Assert.Equal("S256", a["code_challenge_method"].ToString()));

        // A token of one tenant that says it is another's, where any tenant's are taken.
        provider.Misbehaviour = Misbehaviour.IssuerOfAnotherInTheToken;
        using var cheat = NewBrowser(fleet, provider, proxy.Address);
        Assert.Equal(HttpStatusCode.Forbidden, (await cheat.GoAsync("login/anybody")).Status);
    }

    /// <summary>`createsAccounts` of a provider with millions of users is for those who belong here.</summary>
    [Fact]
    public async Task Users_OutsideTheAllowedDomainsAndOrganizations_DoNotSignIn()
    {
        await using var provider = await TestIdentityProvider.StartAsync();
        await using var proxy = new ConnectProxy(provider.Port);
        await using var fleet = await StartAsync(provider, proxy.Address);
        const string Tenant = "8d9f2c4e-1111-4222-8333-444455556666";
        await WriteAsync(fleet, Limited("mail", IdentityProviderKind.OpenidConnect, domains: ["example.com", "Provider.example"]));
        await WriteAsync(fleet, Limited("google-mail", IdentityProviderKind.Google, domains: ["provider.example", "gmail.com"]));
        await WriteAsync(fleet, Limited("google", IdentityProviderKind.Google, organizations: ["provider.example"]));
        await WriteAsync(fleet, Limited("microsoft", IdentityProviderKind.Microsoft, organizations: [Tenant]));
        await WriteAsync(fleet, Limited("github-mail", IdentityProviderKind.Github, domains: ["provider.example"]));
        await WriteAsync(fleet, Limited("github", IdentityProviderKind.Github, organizations: ["acme", "acme-labs"]));

        // A mail address counts when the provider says that it is verified, and nothing else about it.
        provider.EmailVerified = true;
        await AllowedAsync("mail");
        provider.EmailVerified = "true";
        await AllowedAsync("mail");
        foreach (var (email, verified) in new (string, System.Text.Json.Nodes.JsonNode?)[]
            { ("jane@provider.example", null), ("jane@provider.example", false), ("jane@provider.example", "yes"), ("jane@sub.provider.example", true), ("jane@provider.example.evil", true), ("jane@provider.example@evil", true), ("", true) })
        {
            (provider.Email, provider.EmailVerified) = (email, verified);
            await RefusedAsync("mail", "no verified mail address in allowed_email_domains");
        }

        // Google verified addresses elsewhere than with itself once.
        (provider.Email, provider.EmailVerified) = ("jane@provider.example", true);
        await RefusedAsync("google-mail", "no verified mail address in allowed_email_domains");
        await RefusedAsync("google", "not a member of allowed_organizations");
        provider.HostedDomain = "provider.example";
        await AllowedAsync("google-mail");
        await AllowedAsync("google");
        Assert.Equal("provider.example", provider.Asked.Last()["hd"]);
        (provider.Email, provider.HostedDomain) = ("jane@gmail.com", "evil.example");
        await AllowedAsync("google-mail");
        await RefusedAsync("google", "not a member of allowed_organizations");

        await AllowedAsync("microsoft");
        provider.Tenant = "00000000-1111-4222-8333-444455556666";
        await RefusedAsync("microsoft", "not a member of allowed_organizations");

        provider.Email = "jane@provider.example";
        await AllowedAsync("github-mail");
        Assert.Contains("user:email", provider.Asked.Last()["scope"].ToString(), StringComparison.Ordinal);
        provider.Email = "jane@elsewhere.example";
        await RefusedAsync("github-mail", "no verified mail address in allowed_email_domains");
        await RefusedAsync("github", "not a member of allowed_organizations");
        Assert.Contains("read:org", provider.Asked.Last()["scope"].ToString(), StringComparison.Ordinal);
        provider.Organizations["acme-labs"] = "pending";
        await RefusedAsync("github", "not a member of allowed_organizations");
        provider.Organizations["acme-labs"] = "active";
        await AllowedAsync("github");
        // The application may not see the addresses.
        provider.AreAddressesHidden = true;
        await RefusedAsync("github-mail", "request to api.github.com failed: HTTP status 403 or 404");
        // Whoever left, or cannot be asked about, is not in any more, account or not.
        provider.IsApiDown = true;
        await RefusedAsync("github", "request to api.github.com failed");

        IdentityProvider Limited(string id, IdentityProviderKind kind, string[]? domains = null, string[]? organizations = null)
        {
            var limited = kind switch
            {
                IdentityProviderKind.OpenidConnect => OpenIdConnect(provider, createsAccounts: true, id),
                IdentityProviderKind.Microsoft => new IdentityProvider { Id = id, Kind = kind, Tenant = "common", ClientId = TestIdentityProvider.ClientId, CreatesAccounts = true },
                _ => new IdentityProvider { Id = id, Kind = kind, ClientId = TestIdentityProvider.ClientId, CreatesAccounts = true },
            };
            limited.AllowedEmailDomains.Add(domains ?? []);
            limited.AllowedOrganizations.Add(organizations ?? []);
            return limited;
        }

        async Task AllowedAsync(string id)
        {
            using var browser = NewBrowser(fleet, provider, proxy.Address);
            var page = await browser.GoAsync($"login/{id}");
            Assert.True(page.Url.AbsolutePath == "/account", $"{id}: {page.Read()}");
        }

        async Task RefusedAsync(string id, string why)
        {
            var before = fleet.OutputOf().Count;
            using var browser = NewBrowser(fleet, provider, proxy.Address);
            var page = await browser.GoAsync($"login/{id}");
            Assert.Equal(HttpStatusCode.Forbidden, page.Status);
            Assert.Contains("is not allowed to sign in here.", page.Read(), StringComparison.Ordinal);
            await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf().Skip(before).Any(l => l.Contains($"of identity provider {id} refused: {why}", StringComparison.Ordinal))));
        }
    }

    /// <summary>GitHub never says when it has asked somebody: signing in once more is all that they can do.</summary>
    [Fact]
    public async Task Device_ConnectedByAUserOfAProviderThatSaysNoTime_AfterSigningInOnceMore()
    {
        await using var provider = await TestIdentityProvider.StartAsync();
        await using var proxy = new ConnectProxy(provider.Port);
        await using var fleet = await StartAsync(provider, proxy.Address);
        await WriteAsync(fleet, new IdentityProvider { Id = "github", Kind = IdentityProviderKind.Github, ClientId = TestIdentityProvider.ClientId, CreatesAccounts = true });
        await fleet.Clients.WriteClientAsync(new WriteClientRequest { Client = new Client { Id = "tv", Application = "documents", GrantTypes = { GrantType.DeviceCode } } }, cancellationToken: Cancellation);
        using var http = fleet.CreateHttp();
        using var form = new FormUrlEncodedContent([new("client_id", "tv"), new("scope", "openid offline_access")]);
        using var started = await http.PostAsync("oauth2/device_authorization", form, Cancellation);
        var code = (string)System.Text.Json.Nodes.JsonNode.Parse(await started.Content.ReadAsStringAsync(Cancellation))!["user_code"]!;
        using var browser = NewBrowser(fleet, provider, proxy.Address);
        var login = await browser.GoAsync($"login/github?return={Uri.EscapeDataString($"/device?user_code={code}")}");
        Assert.Equal("/login", login.Url.AbsolutePath);
        var back = Microsoft.AspNetCore.WebUtilities.QueryHelpers.ParseQuery(login.Url.Query)["return"].ToString();
        // Whoever opens the address without signing in has not, nor who brings it along from another browser.
        Assert.Equal("/login", (await browser.GoAsync(back)).Url.AbsolutePath);
        using (var another = NewBrowser(fleet, provider, proxy.Address))
        {
            var elsewhere = await another.GoAsync($"login/github?return={Uri.EscapeDataString($"/device?user_code={code}")}");
            var brought = Microsoft.AspNetCore.WebUtilities.QueryHelpers.ParseQuery(elsewhere.Url.Query)["return"].ToString();
            Assert.Contains("login_note=", brought, StringComparison.Ordinal);
            Assert.Equal("/login", (await browser.GoAsync(brought)).Url.AbsolutePath);
            using var nobody = NewBrowser(fleet, provider, proxy.Address);
            Assert.DoesNotContain("login_note", (await nobody.GoAsync($"device?user_code={code}")).Url.Query, StringComparison.Ordinal);
        }

        var device = await browser.GoAsync($"login/github?return={Uri.EscapeDataString(back)}");
        Assert.Equal("/device", device.Url.AbsolutePath);
        Assert.Contains("requested less than a minute ago from 127.0.0.1", device.Read(), StringComparison.Ordinal);
        Assert.Equal("?result=connected", (await browser.SubmitAsync(device, "/device", ("decision", "allow"))).Url.Query);
    }

    [Fact]
    public async Task Providers_AreWrittenListedAndTakenAway_AndTheirSecretIsNeverSaid()
    {
        await using var provider = await TestIdentityProvider.StartAsync();
        await using var fleet = await StartAsync(provider);
        var good = OpenIdConnect(provider, createsAccounts: true);
        foreach (var (change, field) in new (Action<IdentityProvider>, string)[]
        {
            (u => u.Id = "", "identity_provider.id"), (u => u.Id = "Upper", "identity_provider.id"), (u => u.Id = "-", "identity_provider.id"), (u => u.Id = "a/b", "identity_provider.id"),
            (u => u.Kind = IdentityProviderKind.Unspecified, "identity_provider.kind"), (u => u.Kind = (IdentityProviderKind)9, "identity_provider.kind"),
            (u => u.Issuer = "http://provider.example", "identity_provider.issuer"), (u => u.Issuer = "", "identity_provider.issuer"), (u => u.Issuer = "https://provider.example?x=1", "identity_provider.issuer"),
            (u => (u.Kind, u.Tenant) = (IdentityProviderKind.Google, ""), "identity_provider.issuer"),
            (u => u.Tenant = "common", "identity_provider.tenant"), (u => (u.Kind, u.Issuer, u.Tenant) = (IdentityProviderKind.Microsoft, "", "contoso.com"), "identity_provider.tenant"),
            (u => u.AllowedEmailDomains.Add("*.example.com"), "identity_provider.allowed_email_domains"), (u => u.AllowedEmailDomains.Add("jane@example.com"), "identity_provider.allowed_email_domains"),
            (u => u.AllowedOrganizations.Add("example.com"), "identity_provider.allowed_organizations"),
            (u => OfMicrosoft(u, "common").AllowedEmailDomains.Add("example.com"), "identity_provider.allowed_email_domains"),
            (u => OfMicrosoft(u, "common").AllowedOrganizations.Add("organizations"), "identity_provider.allowed_organizations"),
            (u => OfMicrosoft(u, provider.Tenant).AllowedOrganizations.Add(provider.Tenant), "identity_provider.allowed_organizations"),
            (u => u.EndpointHosts.Add("https://x"), "identity_provider.endpoint_hosts"), (u => u.ClientId = "", "identity_provider.client_id"), (u => u.Scopes.Add("two words"), "identity_provider.scopes"),
        })
        {
            var wrong = good.Clone();
            change(wrong);
            var refused = await Assert.ThrowsAsync<RpcException>(() => WriteAsync(fleet, wrong));
            Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
            Assert.StartsWith(field + ":", refused.Status.Detail, StringComparison.Ordinal);
        }

        var secretless = await Assert.ThrowsAsync<RpcException>(async () => await fleet.IdentityProviders.WriteIdentityProviderAsync(new WriteIdentityProviderRequest { IdentityProvider = good }, cancellationToken: Cancellation));
        Assert.StartsWith("client_secret:", secretless.Status.Detail, StringComparison.Ordinal);

        // By the command line, as `list` prints it.
        await File.WriteAllTextAsync(fleet.In("secret"), TestIdentityProvider.ClientSecret + "\n", Cancellation);
        await File.WriteAllTextAsync(fleet.In("provider.json"), $$"""{"id": "provider", "kind": "IDENTITY_PROVIDER_KIND_OPENID_CONNECT", "issuer": "{{provider.Issuer}}", "clientId": "{{TestIdentityProvider.ClientId}}", "createsAccounts": true}""", Cancellation);
        var admin = new[] { "--admin-socket", fleet.In("control.sock") };
        Assert.Equal(0, (await Binary.RunControlAsync(["identity-providers", "write", fleet.In("provider.json"), "--secret-file", fleet.In("secret"), .. admin])).ExitCode);
        var listed = await Binary.RunControlAsync(["identity-providers", "list", .. admin]);
        Assert.Contains($"{fleet.UrlOf()}login/provider/callback", listed.Output, StringComparison.Ordinal);
        Assert.Contains("\"displayName\": \"127.0.0.1\"", listed.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(TestIdentityProvider.ClientSecret, listed.Output, StringComparison.Ordinal);
        await File.WriteAllTextAsync(fleet.In("again.json"), listed.Output, Cancellation);
        Assert.Equal(0, (await Binary.RunControlAsync(["identity-providers", "write", fleet.In("again.json"), .. admin])).ExitCode);
        // The secret goes where it was given for, and nowhere else.
        await File.WriteAllTextAsync(fleet.In("again.json"), listed.Output.Replace(provider.Issuer, "https://evil.example", StringComparison.Ordinal), Cancellation);
        Assert.Contains("client_secret: required: no previous secret for this provider", (await Binary.RunControlAsync(["identity-providers", "write", fleet.In("again.json"), .. admin])).Error, StringComparison.Ordinal);
        using var browser = NewBrowser(fleet, provider);
        await Fleet.UntilAsync(async () => (await browser.GoAsync("login/provider")).Url.AbsolutePath == "/account");

        Assert.Equal(0, (await Binary.RunControlAsync(["identity-providers", "remove", "provider", .. admin])).ExitCode);
        Assert.Equal(2, (await Binary.RunControlAsync(["identity-providers", "remove", "provider", .. admin])).ExitCode);
        await Fleet.UntilAsync(async () => (await browser.GoAsync("login/provider")).Status == HttpStatusCode.NotFound);
        var audit = await fleet.Audit.ListAuditRecordsAsync(new ListAuditRecordsRequest(), cancellationToken: Cancellation);
        Assert.DoesNotContain(audit.Records, r => $"{r.Before}{r.After}".Contains(TestIdentityProvider.ClientSecret, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(Misbehaviour.StateOfAnother)]
    [InlineData(Misbehaviour.NoState)]
    [InlineData(Misbehaviour.NonceOfAnother)]
    [InlineData(Misbehaviour.NoNonce)]
    [InlineData(Misbehaviour.IssuerOfAnotherInTheAnswer)]
    [InlineData(Misbehaviour.IssuerOfAnotherInTheToken)]
    [InlineData(Misbehaviour.AudienceOfAnother)]
    [InlineData(Misbehaviour.Unsigned)]
    [InlineData(Misbehaviour.SignedByAnother)]
    [InlineData(Misbehaviour.SignedWithTheClientSecret)]
    [InlineData(Misbehaviour.Expired)]
    [InlineData(Misbehaviour.NoSubject)]
    [InlineData(Misbehaviour.UserInfoOfAnother)]
    [InlineData(Misbehaviour.NoIdToken)]
    [InlineData(Misbehaviour.TokenEndpointFails)]
    [InlineData(Misbehaviour.TokenEndpointRedirects)]
    [InlineData(Misbehaviour.HugeAnswer)]
    [InlineData(Misbehaviour.Slow)]
    [InlineData(Misbehaviour.IssuerOfAnotherInTheDocument, false)]
    [InlineData(Misbehaviour.TokenEndpointElsewhere, false)]
    [InlineData(Misbehaviour.DiscoveryFails, false)]
    public async Task Provider_ThatMisbehaves_SignsNobodyIn(Misbehaviour misbehaviour, bool isAsked = true)
    {
        var (provider, fleet, id) = (misbehaving.Provider, misbehaving.Fleet, $"provider-{(int)misbehaviour}");
        (provider.Misbehaviour, provider.Subject) = (Misbehaviour.None, id);
        provider.Asked.Clear();
        await WriteAsync(fleet, OpenIdConnect(provider, createsAccounts: true, id));
        using var browser = NewBrowser(fleet, provider);
        provider.Misbehaviour = misbehaviour;
        var page = await browser.GoAsync($"login/{id}");
        Assert.Equal((isAsked ? HttpStatusCode.Forbidden : HttpStatusCode.ServiceUnavailable, isAsked), (page.Status, !provider.Asked.IsEmpty));
        Assert.Contains(isAsked ? Refused : "Provider cannot be reached at the moment.", page.Read(), StringComparison.Ordinal);
        Assert.Equal("/login", (await browser.GoAsync("account")).Url.AbsolutePath);
        var accounts = (await fleet.Accounts.ListAccountsAsync(new ListAccountsRequest(), cancellationToken: Cancellation)).Accounts;
        Assert.DoesNotContain(accounts, a => a.Logins.Any(l => l.Subject == id));
        var told = isAsked ? $"authorization response of the identity provider {id} rejected" : $"the identity provider {id} cannot be reached";
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf().Any(l => l.Contains(told, StringComparison.Ordinal))));
        Assert.DoesNotContain(fleet.OutputOf(), l => l.Contains(TestIdentityProvider.ClientSecret, StringComparison.Ordinal));

        // It was only this once.
        provider.Misbehaviour = Misbehaviour.None;
        Assert.Equal("/account", (await browser.GoAsync($"login/{id}")).Url.AbsolutePath);
    }

    private static IdentityProvider OfMicrosoft(IdentityProvider provider, string tenant)
    {
        (provider.Kind, provider.Issuer, provider.Tenant) = (IdentityProviderKind.Microsoft, "", tenant);
        return provider;
    }

    private static IdentityProvider OpenIdConnect(TestIdentityProvider provider, bool createsAccounts, string id = "provider") => new()
    {
        Id = id,
        DisplayName = "Provider",
        Kind = IdentityProviderKind.OpenidConnect,
        Issuer = provider.Issuer,
        ClientId = TestIdentityProvider.ClientId,
        CreatesAccounts = createsAccounts,
    };

    /// <summary>A control plane that trusts the provider's CA, as a machine does.</summary>
    private static async Task<Fleet> StartAsync(TestIdentityProvider provider, Uri? proxy = null)
    {
        var environment = new Dictionary<string, string> { ["SSL_CERT_FILE"] = provider.CaFile };
        if (proxy is not null)
        {
            (environment["HTTPS_PROXY"], environment["NO_PROXY"]) = (proxy.ToString(), "127.0.0.1");
        }

        var fleet = await Fleet.StartAsync(ownCa: true, https: true, environment: environment);
        await fleet.CreateApplicationAsync();
        return fleet;
    }

    private static TestBrowser NewBrowser(Fleet fleet, TestIdentityProvider provider, Uri? proxy = null) => new(fleet.UrlOf(), proxy, fleet.CaFile, provider.CaFile);

    private static async Task WriteAsync(Fleet fleet, IdentityProvider provider)
    {
        await fleet.IdentityProviders.WriteIdentityProviderAsync(new WriteIdentityProviderRequest { IdentityProvider = provider, ClientSecret = TestIdentityProvider.ClientSecret }, cancellationToken: Cancellation);
        using var http = fleet.CreateHttp();
        await Fleet.UntilAsync(async () => (await http.GetStringAsync("login", Cancellation)).Contains($"/login/{provider.Id}?", StringComparison.Ordinal));
    }

    private static async Task WriteAliceAsync(Fleet fleet) => await fleet.Accounts.WriteAccountAsync(
        new WriteAccountRequest { Account = new Account { Id = "alice", DisplayName = "Alice Example", Email = "alice@example.com" }, Password = OpenIdClient.Password }, cancellationToken: Cancellation);

    private static async Task<TestBrowser.Page> SignInAsync(TestBrowser browser, string name = "alice") =>
        await browser.SubmitAsync(await browser.GoAsync("login?return=%2Faccount"), "/login", ("name", name), ("password", OpenIdClient.Password));

    /// <summary>Stops before it is back.</summary>
    private static Uri? UntilCallback(Uri to) => to.AbsolutePath.EndsWith("/callback", StringComparison.Ordinal) ? null : to;

    private static string CodeOf(Uri answer) => Microsoft.AspNetCore.WebUtilities.QueryHelpers.ParseQuery(answer.Query)["code"].ToString();

    /// <summary>One control plane for a provider that misbehaves in many ways.</summary>
    public sealed class Misbehaving : IAsyncLifetime
    {
        internal TestIdentityProvider Provider { get; private set; } = null!;

        internal Fleet Fleet { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            Provider = await TestIdentityProvider.StartAsync();
            Fleet = await IdentityProviderTests.StartAsync(Provider);
        }

        public async ValueTask DisposeAsync()
        {
            await Fleet.DisposeAsync();
            await Provider.DisposeAsync();
        }
    }
}
