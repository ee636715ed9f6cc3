using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace EndToEnd.Tests;

/// <summary>Writes say only what they mean: what is not mentioned stays, what is misspelt is refused.</summary>
public sealed partial class AdministratorTests
{
    [Fact]
    public async Task Write_WhatItDoesNotMention_Stays()
    {
        await using var fleet = await StartWithAliceAsync();
        using var http = Http(fleet, await TokenAsync(fleet, "alice"));

        // A dismissed employee whose display name is corrected stays dismissed, and keeps the name to sign in with.
        await PutAsync(http, "v1/accounts/dis", """{"account": {"id": "dis", "userName": "dis@example.com", "email": "d@example.com", "disabled": true}, "password": "correct horse battery staple"}""");
        Assert.StartsWith("changed: revision ", (await RunAsync(fleet, "alice", "accounts", "write", "dis", "--display-name", "Dis")).Output, StringComparison.Ordinal);
        await PutAsync(http, "v1/accounts/dis", """{"password": "another horse battery staple"}""");
        var account = (await fleet.Accounts.GetAccountAsync(new GetAccountRequest { Id = "dis" }, cancellationToken: Cancellation)).Account;
        Assert.Equal(("dis@example.com", "d@example.com", "Dis", true), (account.UserName, account.Email, account.DisplayName, account.Disabled));
        Assert.Equal(account.Revision, (await fleet.Accounts.WriteAccountAsync(new WriteAccountRequest { Account = new Account { Id = "dis", Disabled = true } }, cancellationToken: Cancellation)).Revision);
        Assert.StartsWith("changed: revision ", (await RunAsync(fleet, "alice", "accounts", "write", "dis", "--enabled", "--email", "")).Output, StringComparison.Ordinal);
        account = (await fleet.Accounts.GetAccountAsync(new GetAccountRequest { Id = "dis" }, cancellationToken: Cancellation)).Account;
        Assert.Equal(("dis@example.com", "", false), (account.UserName, account.Email, account.Disabled));

        // An administrator stays confined.
        await AddAsync(fleet, "bob", "--role", "user_manager", "--application", "documents", "--tenant", "acme");
        Assert.StartsWith("changed: revision ", (await RunAsync(fleet, "alice", "administrators", "write", "bob", "--role", "auditor")).Output, StringComparison.Ordinal);
        await PutAsync(http, "v1/administrators/bob", """{"roles": ["operator"]}""");
        Assert.Contains("bob  operator  confined to documents, tenant acme\n", (await RunAsync(fleet, "alice", "administrators", "list")).Output, StringComparison.Ordinal);
        await PutAsync(http, "v1/administrators/bob?updateMask=tenants", """{"name": "bob"}""");
        Assert.Contains("bob  operator  confined to documents\n", (await RunAsync(fleet, "alice", "administrators", "list")).Output, StringComparison.Ordinal);
        await RunAsync(fleet, "alice", "administrators", "write", "bob", "--unconfined");
        Assert.Contains("bob  operator\n", (await RunAsync(fleet, "alice", "administrators", "list")).Output, StringComparison.Ordinal);

        // A client goes on asking for consent, a provider goes on creating no accounts.
        await PutAsync(http, "v1/clients/web", """{"application": "documents", "grantTypes": ["GRANT_TYPE_DEVICE_CODE"], "scopes": ["documents.read"], "needsConsent": true}""");
        await PutAsync(http, "v1/clients/web", """{"application": "documents", "displayName": "Web"}""");
        var client = Assert.Single((await fleet.Clients.ListClientsAsync(new ListClientsRequest(), cancellationToken: Cancellation)).Clients);
        Assert.Equal(("Web", true, "documents.read"), (client.DisplayName, client.NeedsConsent, Assert.Single(client.Scopes)));
        await PutAsync(http, "v1/identityProviders/google", """{"identityProvider": {"kind": "IDENTITY_PROVIDER_KIND_GOOGLE", "clientId": "x", "scopes": ["a"]}, "clientSecret": "secret"}""");
        await PutAsync(http, "v1/identityProviders/google", """{"identityProvider": {"createsAccounts": true}}""");
        var provider = Assert.Single((await fleet.IdentityProviders.ListIdentityProvidersAsync(new ListIdentityProvidersRequest(), cancellationToken: Cancellation)).IdentityProviders);
        Assert.Equal(("Google", "x", "a", true), (provider.DisplayName, provider.ClientId, Assert.Single(provider.Scopes), provider.CreatesAccounts));

        // An issuer keeps its keys and its mapping, risk settings keep the networks that are denied.
        using var issuer = new TestIssuer();
        await PutAsync(http, "v1/applications/documents/issuers", $$"""{"issuer": {"issuer": "https://idp.example", "audiences": ["documents"], "principal": {"required": ["tenant"], "attributes": {"tenant": "tenant"} } }, "jwks": {{JsonValue.Create(issuer.KeySet)!.ToJsonString()}} }""");
        await PutAsync(http, "v1/applications/documents/issuers", """{"issuer": {"issuer": "https://idp.example", "clockSkewSeconds": 0}}""");
        var configured = Assert.Single((await fleet.Issuers.ListIssuersAsync(new ListIssuersRequest { Application = "documents" }, cancellationToken: Cancellation)).Issuers);
        Assert.Equal((0, "tenant", "documents", true), (configured.Issuer.ClockSkewSeconds, Assert.Single(configured.Issuer.Principal.Required), Assert.Single(configured.Issuer.Audiences), configured.Jwks.Length > 0));
        await PutAsync(http, "v1/applications/documents/riskSettings", """{"settings": {"deniedNetworks": ["198.51.100.0/24"], "weights": {"network": 7, "device": 3}}}""");
        await PutAsync(http, "v1/applications/documents/riskSettings", """{"settings": {"weights": {"network": 8}}}""");
        var settings = (await fleet.Risks.GetRiskSettingsAsync(new GetRiskSettingsRequest { Application = "documents" }, cancellationToken: Cancellation)).Settings;
        Assert.Equal(("198.51.100.0/24", 8, 3), (Assert.Single(settings.DeniedNetworks), settings.Weights.Network, settings.Weights.Device));

        // An entity stays with the application and the tenant that it is of.
        await fleet.Directories.WriteEntitiesAsync(new WriteEntitiesRequest { Entities = { new StoredEntity { Application = "documents", Tenant = "acme", Json = Writes.User("carol", "reader") } } }, cancellationToken: Cancellation);
        await Writes.WriteAsync(fleet, Writes.User("carol", "writer"));
        var entity = (await fleet.Directories.GetEntityAsync(new GetEntityRequest { Entity = "User::\"carol\"" }, cancellationToken: Cancellation)).Entity;
        Assert.Equal(("documents", "acme"), (entity.Application, entity.Tenant));
    }

    [Fact]
    public async Task Write_WithAnUpdateMask_ReplacesWhatItNames()
    {
        await using var fleet = await Fleet.StartAsync();
        await fleet.CreateApplicationAsync();
        var settings = new RiskSettings { DeniedNetworks = { "198.51.100.0/24" }, Weights = new RiskWeights { Network = 7, Device = 3 }, MaxFailures = 4 };
        await WriteAsync(settings);
        await WriteAsync(new RiskSettings { Weights = new RiskWeights { Device = 9 } }, "weights.network", "denied_networks");
        Assert.Equal(new RiskSettings { Weights = new RiskWeights { Device = 3 }, MaxFailures = 4 }, await ReadAsync());
        await WriteAsync(new RiskSettings { MaxFailures = 5 }, "*");
        Assert.Equal(new RiskSettings { MaxFailures = 5 }, await ReadAsync());
        foreach (var path in new[] { "nosuch", "weights.nosuch", "denied_networks.x", "" })
        {
            var refused = await Assert.ThrowsAsync<RpcException>(() => WriteAsync(settings, path));
            Assert.Equal((StatusCode.InvalidArgument, true), (refused.StatusCode, refused.Status.Detail.StartsWith("update_mask: ", StringComparison.Ordinal)));
        }

        Assert.Equal(new RiskSettings { MaxFailures = 5 }, await ReadAsync());

        async Task WriteAsync(RiskSettings given, params string[] mask) => await fleet.Risks.WriteRiskSettingsAsync(
            new WriteRiskSettingsRequest { Application = "documents", Settings = given, UpdateMask = mask.Length == 0 ? null : new FieldMask { Paths = { mask } } }, cancellationToken: Cancellation);

        async Task<RiskSettings> ReadAsync() => (await fleet.Risks.GetRiskSettingsAsync(new GetRiskSettingsRequest { Application = "documents" }, cancellationToken: Cancellation)).Settings;
    }

    [Fact]
    public async Task Http_WhatThereIsNot_IsRefusedAndNothingIsWritten()
    {
        await using var fleet = await StartWithAliceAsync();
        using var http = Http(fleet, await TokenAsync(fleet, "alice"));
        await PutAsync(http, "v1/accounts/bob", """{"account": {"userName": "bob@example.com"}}""");
        foreach (var (method, path, body, message) in new[]
        {
            ("PUT", "v1/accounts/bob", """{"acount": {"disabled": true}}""", "acount: unknown field"),
            ("PUT", "v1/accounts/bob", """{"account": {"disabeld": true}}""", "account.disabeld: unknown field: `Account` has `id`, `userName`"),
            ("PUT", "v1/accounts/bob", """{"account": {"userName": "a", "user_name": "b"}}""", "account.user_name: given twice"),
            ("PUT", "v1/accounts/bob", """{"account": {"disabled": false, "disabled": true}}""", "not valid JSON"),
            ("PUT", "v1/accounts/bob", """{"account": {"id": "carol", "disabled": true}}""", "account.id: `carol` in the body differs from `bob` in the path"),
            ("PUT", "v1/accounts/bob?disabled=true", """{"account": {}}""", "disabled: unknown query parameter"),
            ("PUT", "v1/accounts/bob", """{"account": {"disabled": true}""", "not valid JSON"),
            ("PUT", "v1/administrators/typo", $$"""{"name": "typo", "roles": ["user_manager"], "aplications": ["documents"]}""", "aplications: unknown field"),
            ("PUT", "v1/administrators/alice?expected_revison=3k9vq2m1x7wb.1", """{"roles": ["auditor"]}""", "expected_revison: unknown field"),
            ("PUT", "v1/applications/documents/issuers", """{"issuer": {"issuer": "x", "principal": {"atributes": {}}}}""", "issuer.principal.atributes: unknown field"),
            ("PUT", "v1/applications/documents/riskSettings", """{"settings": {"weights": {"netwrok": 1}}}""", "settings.weights.netwrok: unknown field"),
            ("POST", "v1/entities:write", """{"entities": [{"json": "{}"}, {"jsn": "{}"}]}""", "entities[1].jsn: unknown field"),
            ("DELETE", "v1/riskProfiles?subject=User::%22a%22&tennant=acme", "", "tennant: unknown field"),
            ("DELETE", "v1/riskProfiles?subject=User::%22a%22&tenant=acme&tenant=globex", "", "tenant: given more than once"),
            ("PUT", "v1/administrators/alice", """{"roles": []}""", "roles: empty list or map: add `roles` to `updateMask` to clear it"),
            ("PUT", "v1/applications/documents/riskSettings", """{"settings": {"actions": {}}, "updateMask": "deniedNetworks"}""", "settings.actions: empty list or map"),
            ("PUT", "v1/accounts/bob", """{"account": {"\ud800": true}}""", "not valid JSON"),
            ("PUT", "v1/accounts/bob", """{"account": {"id": "\ud800"}}""", "not valid JSON"),
            ("GET", "v1/accounts/bob/sessions?accountId=alice", "", "accountId: unknown field"),
            ("GET", "v1/audit?pageSize=1&page_size=2", "", "page_size: given more than once"),
            ("GET", "v1/audit?pageSize=1&actr=x", "", "actr: unknown field"),
        })
        {
            using var request = new HttpRequestMessage(new HttpMethod(method), path) { Content = body.Length == 0 ? null : new StringContent(body, Encoding.UTF8, "application/json") };
            using var response = await http.SendAsync(request, Cancellation);
            var answer = JsonNode.Parse(await response.Content.ReadAsStringAsync(Cancellation))!;
            Assert.Equal((path, body, HttpStatusCode.BadRequest, 3), (path, body, response.StatusCode, (int)answer["code"]!));
            Assert.Contains(message, (string)answer["message"]!, StringComparison.Ordinal);
        }

        // Bytes that are no UTF-8, ids that no database keeps, names that look like others.
        foreach (var (path, bytes) in new (string, byte[])[]
        {
            ("v1/entities:write", [.. "{\"entities\": [{\"json\": \"{\\\"uid\\\": {\\\"type\\\": \\\"User\\\", \\\"id\\\": \\\""u8, 0xff, .. "\\\"}, \\\"attrs\\\": {}, \\\"parents\\\": []}\"}]}"u8]),
            ("v1/entities:import", [.. "{\"removed\": [\"User::\\\""u8, 0xff, .. "\\\"\"]}"u8]),
            ("v1/entities:write", Encoding.UTF8.GetBytes($$"""{"entities": [{"json": {{JsonValue.Create(Writes.User("a\\u0000b", "reader"))!.ToJsonString()}} }]}""")),
            ("v1/entities:write", Encoding.UTF8.GetBytes($$"""{"entities": [{"json": {{JsonValue.Create(Writes.User("\uFFFD", "reader"))!.ToJsonString()}} }]}""")),
            ("v1/entities:write", Encoding.UTF8.GetBytes($$"""{"entities": [{"json": {{JsonValue.Create(Writes.User(new string('a', 100_000), "reader"))!.ToJsonString()}} }]}""")),
            ("v1/revocations", Encoding.UTF8.GetBytes("""{"revocation": {"issuer": "https://idp.example", "subject": "dave", "notBefore": "9999-01-01T00:00:00Z"}, "application": "documents"}""")),
            ("v1/revocations", Encoding.UTF8.GetBytes("""{"revocation": {"issuer": "https://idp.example", "subject": "dave", "expiresAt": "9999-01-01T00:00:00Z"}, "application": "documents"}""")),
        })
        {
            using var content = new ByteArrayContent(bytes) { Headers = { ContentType = new("application/json") } };
            using var response = await http.PostAsync(path, content, Cancellation);
            Assert.Equal((path, HttpStatusCode.BadRequest), (path, response.StatusCode));
        }

        foreach (var name in new[] { "Document \u202Erewei\u202C", "Docu\u200Bments", "a\u2028b" })
        {
            var refused = await Assert.ThrowsAsync<RpcException>(async () => await fleet.Clients.WriteClientAsync(
                new WriteClientRequest { Client = new Client { Id = "spoof", Application = "documents", GrantTypes = { GrantType.DeviceCode }, DisplayName = name } }, cancellationToken: Cancellation));
            Assert.Contains("formatting character", refused.Status.Detail, StringComparison.Ordinal);
        }

        var account = (await fleet.Accounts.GetAccountAsync(new GetAccountRequest { Id = "bob" }, cancellationToken: Cancellation)).Account;
        Assert.Equal(("bob@example.com", false), (account.UserName, account.Disabled));
        Assert.Equal("alice  owner\n", (await RunAsync(fleet, "alice", "administrators", "list")).Output);
    }

    [Fact]
    public async Task Commands_ThatMeanAnother_AreRefused()
    {
        await using var fleet = await StartWithAliceAsync();
        await RunAsync(fleet, "alice", "accounts", "write", "carol");
        foreach (var (arguments, message) in new (string[], string)[]
        {
            (["accounts", "write", "carl", "--disabled"], "account `carl` does not exist"),
            (["accounts", "write", "carol", "--disabled", "--enabled"], "`--disabled` and `--enabled` exclude each other"),
            (["accounts", "write", "carol", "--name", ""], "`--name` is empty"),
            (["administrators", "write", "bob", "--role", "auditor"], "administrator `bob` does not exist: specify the public keys of a new one with `--jwks`"),
            (["administrators", "write", "alice", "--application", ""], "`--application` is empty"),
            (["administrators", "write", "alice", "--application", "documents", "--unconfined"], "`--unconfined` excludes `--application` and `--tenant`"),
        })
        {
            var refused = await RunAsync(fleet, "alice", arguments);
            Assert.Equal((string.Join(' ', arguments), 2), (string.Join(' ', arguments), refused.ExitCode));
            Assert.Contains(message, refused.Error, StringComparison.Ordinal);
        }

        // A file with the revision that was read changes that one, and no later.
        await fleet.Clients.WriteClientAsync(new WriteClientRequest { Client = new Client { Id = "web", Application = "documents", GrantTypes = { GrantType.DeviceCode } } }, cancellationToken: Cancellation);
        await File.WriteAllTextAsync(fleet.In("web.json"), (await RunAsync(fleet, "alice", "clients", "list")).Output, Cancellation);
        Assert.StartsWith("changed: revision ", (await RunAsync(fleet, "alice", "clients", "write", fleet.In("web.json"))).Output, StringComparison.Ordinal);
        await fleet.Clients.WriteClientAsync(new WriteClientRequest { Client = new Client { Id = "web", Application = "documents", NeedsConsent = true } }, cancellationToken: Cancellation);
        Assert.Contains("revision", (await RunAsync(fleet, "alice", "clients", "write", fleet.In("web.json"))).Error, StringComparison.Ordinal);
        await File.WriteAllTextAsync(fleet.In("web.json"), """{"id": "web", "application": "documents", "grantTypes": ["GRANT_TYPE_DEVICE_CODE"]}""", Cancellation);
        await RunAsync(fleet, "alice", "clients", "write", fleet.In("web.json"));
        Assert.Contains("\"needsConsent\": true", (await RunAsync(fleet, "alice", "clients", "list")).Output, StringComparison.Ordinal);
        await File.WriteAllTextAsync(fleet.In("empty.json"), """{"id": "web", "application": "documents", "scopes": []}""", Cancellation);
        Assert.Contains("`scopes` is empty or null and would be ignored", (await RunAsync(fleet, "alice", "clients", "write", fleet.In("empty.json"))).Error, StringComparison.Ordinal);
        await RunAsync(fleet, "alice", "clients", "write", fleet.In("web.json"), "--replace");
        Assert.DoesNotContain("needsConsent", (await RunAsync(fleet, "alice", "clients", "list")).Output, StringComparison.Ordinal);
    }

    private static async Task PutAsync(HttpClient http, string path, string body)
    {
        using var content = new StringContent(body, Encoding.UTF8, "application/json");
        using var response = await http.PutAsync(path, content, Cancellation);
        Assert.Equal((path, HttpStatusCode.OK, ""), (path, response.StatusCode, response.IsSuccessStatusCode ? "" : await response.Content.ReadAsStringAsync(Cancellation)));
    }
}
