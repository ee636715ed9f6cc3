using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using AuthSidecar.ControlPlane.Tests.Testing;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.V1;
using Grpc.Core;
using Grpc.Net.Client;

namespace EndToEnd.Tests;

/// <summary>Administration over the network: by the command line, by gRPC and by HTTP, as administrators and their tools do it.</summary>
public sealed partial class AdministratorTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Bootstrap_CodeOfTheStateFolder_MakesTheFirstOwnerAndNoSecond()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true, https: true);
        var before = CodeOf(fleet);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(fleet.In("control/bootstrap-code")));
        fleet.KillControlPlane();
        await fleet.StartControlPlaneAsync();
        var code = CodeOf(fleet);
        Assert.Equal(2, (await BootstrapAsync(fleet, "mallory", before)).ExitCode);
        var wrong = await BootstrapAsync(fleet, "mallory", new string('0', code.Length));
        Assert.Equal((2, true), (wrong.ExitCode, wrong.Error.Contains("invalid or expired bootstrap code", StringComparison.Ordinal)));
        Assert.False(File.Exists(fleet.In("mallory.json")));
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf().Any(l => l.Contains("administration request refused from 127.0.0.1: invalid or expired bootstrap code", StringComparison.Ordinal))));

        // The name of a client is taken, and the code still good.
        await fleet.CreateApplicationAsync();
        await fleet.Clients.WriteClientAsync(new WriteClientRequest { Client = new Client { Id = "job", Application = "documents", GrantTypes = { GrantType.DeviceCode } } }, cancellationToken: Cancellation);
        var taken = await BootstrapAsync(fleet, "job", code);
        Assert.Equal((2, "authsidecar-control: client `job` of an application already exists\n"), (taken.ExitCode, taken.Error));

        Assert.StartsWith("alice is an owner; ", (await BootstrapAsync(fleet, "alice", code)).Output, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(fleet.In("alice.json")));
        Assert.Equal("alice  owner\n", (await RunAsync(fleet, "alice", "administrators", "list")).Output);
        Assert.Equal(2, (await BootstrapAsync(fleet, "bob", code)).ExitCode);

        // Nobody is told a code any more, and none was printed or logged.
        Assert.False(File.Exists(fleet.In("control/bootstrap-code")));
        fleet.KillControlPlane();
        await fleet.StartControlPlaneAsync();
        Assert.DoesNotContain(fleet.OutputOf(), l => l.Contains(code, StringComparison.Ordinal));
        Assert.Equal(2, fleet.OutputOf().Count(l => l.StartsWith("No administrator exists yet.", StringComparison.Ordinal)));
        Assert.False(File.Exists(fleet.In("control/bootstrap-code")));
        Assert.Equal("alice  owner\n", (await RunAsync(fleet, "alice", "administrators", "list")).Output);
    }

    [Fact]
    public async Task Confined_ToAnApplication_WritesThereAndNowhereElseUntilRemoved()
    {
        await using var fleet = await StartWithAliceAsync();
        await AddAsync(fleet, "bob", "--role", "user_manager", "--application", "documents");
        var token = await TokenAsync(fleet, "bob");
        var directory = new EntityService.EntityServiceClient(Connect(fleet, token));
        await WriteAsync("User", "carol", "documents");
        await DeniedAsync(() => WriteAsync("User", "carol", ""));
        await DeniedAsync(() => WriteAsync("User", "carol", "payroll"));
        await DeniedAsync(() => WriteAsync("AuthSidecar::Role", "reader", "authsidecar"));
        await DeniedAsync(() => WriteAsync("AuthSidecar::Administrator", "mallory", "documents"), StatusCode.InvalidArgument);

        // What is there already, and not theirs, they neither take nor see.
        await Writes.WriteAsync(fleet, Writes.User("everybody", "reader"));
        await DeniedAsync(() => WriteAsync("User", "everybody", "documents"));
        await DeniedAsync(async () => await directory.ChangeMembershipsAsync(new ChangeMembershipsRequest { Entity = "User::\"everybody\"" }, cancellationToken: Cancellation));
        await DeniedAsync(async () => await directory.GetEntityAsync(new GetEntityRequest { Entity = "User::\"everybody\"" }, cancellationToken: Cancellation), StatusCode.NotFound);
        await DeniedAsync(ImportAsync);
        using (var http = Http(fleet, token))
        {
            using var line = new StringContent($$"""{"entities": [{"json": {{JsonValue.Create(Writes.User("erin", "reader")).ToJsonString()}}}]}""", Encoding.UTF8, "application/x-ndjson");
            Assert.Equal(HttpStatusCode.Forbidden, (await http.PostAsync("v1/entities:import", line, Cancellation)).StatusCode);
        }

        Assert.Equal("`policies.read` on application `documents` is not permitted", (await RunAsync(fleet, "bob", "policies", "list-publications", "--application", "documents")).Error[21..].Trim());

        // An import that began before its sender was removed comes to nothing.
        using var late = directory.ImportEntities(cancellationToken: Cancellation);
        await late.RequestStream.WriteAsync(new ImportEntitiesRequest { Entities = { new StoredEntity { Application = "documents", Json = Writes.User("frank", "reader") } } }, Cancellation);
        Assert.True(await late.ResponseStream.MoveNext(Cancellation));
        await RunAsync(fleet, "alice", "administrators", "remove", "bob");
        await late.RequestStream.CompleteAsync();
        await DeniedAsync(() => late.ResponseStream.MoveNext(Cancellation), StatusCode.Unauthenticated);
        await DeniedAsync(() => WriteAsync("User", "dave", "documents"), StatusCode.Unauthenticated);
        // Another of the same name does not inherit the token.
        await AddAsync(fleet, "bob", "--role", "user_manager");
        await DeniedAsync(() => WriteAsync("User", "dave", "documents"), StatusCode.Unauthenticated);
        Assert.Contains("administrator:bob  entities.write  User::\"carol\"  application documents\n", (await RunAsync(fleet, "alice", "audit", "list", "--actor", "administrator:bob")).Output, StringComparison.Ordinal);

        async Task WriteAsync(string type, string id, string application) => await directory.WriteEntitiesAsync(
            new WriteEntitiesRequest { Entities = { new StoredEntity { Application = application, Json = $$"""{"uid": {"type": "{{type}}", "id": "{{id}}"}, "attrs": {}, "parents": []}""" } } }, cancellationToken: Cancellation);

        async Task ImportAsync()
        {
            using var import = directory.ImportEntities(cancellationToken: Cancellation);
            await import.RequestStream.WriteAsync(new ImportEntitiesRequest { Entities = { new StoredEntity { Json = Writes.User("erin", "reader") } } }, Cancellation);
            await import.RequestStream.CompleteAsync();
            while (await import.ResponseStream.MoveNext(Cancellation))
            {
            }
        }
    }

    /// <summary>As on a machine on which nobody has administered yet.</summary>
    [Fact]
    public async Task Bootstrap_WithCredentialsInAFolderThatIsNotThere_CreatesIt()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true, https: true);
        await fleet.CreateApplicationAsync();
        var claimed = await Binary.RunControlAsync(
            "bootstrap", fleet.UrlOf().ToString(), "--name", "alice", "--ca", fleet.CaFile, "--credentials", fleet.In("not/there/alice.json"), "--code-file", fleet.In("control/bootstrap-code"));
        Assert.Equal((0, ""), (claimed.ExitCode, claimed.Error));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(fleet.In("not/there/alice.json")));
    }

    /// <summary>An administrator is a client, too: neither takes the other's name, and its key with it.</summary>
    [Fact]
    public async Task Names_OfClientsAndAdministrators_AreNotTakenFromOneAnother()
    {
        await using var fleet = await StartWithAliceAsync();
        await AddAsync(fleet, "bob", "--role", "owner");
        var client = new Client { Id = "job", Application = "documents", GrantTypes = { GrantType.ClientCredentials }, Jwks = await File.ReadAllTextAsync(fleet.In("bob.jwks"), Cancellation) };
        await fleet.Clients.WriteClientAsync(new WriteClientRequest { Client = client }, cancellationToken: Cancellation);
        var refused = await RunAsync(fleet, "alice", "administrators", "write", "job", "--jwks", fleet.In("bob.jwks"), "--role", "owner");
        Assert.Equal((2, "authsidecar-control: client `job` of an application already exists"), (refused.ExitCode, refused.Error.Trim()));
        client.Id = "bob";
        var taken = await Assert.ThrowsAsync<RpcException>(async () => await fleet.Clients.WriteClientAsync(new WriteClientRequest { Client = client }, cancellationToken: Cancellation));
        Assert.Equal((StatusCode.AlreadyExists, "client `bob` of another application already exists"), (taken.StatusCode, taken.Status.Detail));
        Assert.Equal(0, (await RunAsync(fleet, "bob", "administrators", "list")).ExitCode);
    }

    [Fact]
    public async Task Confined_ToATenant_DoesNothingToSubjectsOfOthers()
    {
        await using var fleet = await StartWithAliceAsync();
        await AddAsync(fleet, "bob", "--role", "user_manager", "--role", "auditor", "--application", "documents", "--tenant", "acme");
        await fleet.Directories.WriteEntitiesAsync(new WriteEntitiesRequest { Entities = { Entity("carol", "acme"), Entity("dave", "globex") } }, cancellationToken: Cancellation);
        using var channel = Connect(fleet, await TokenAsync(fleet, "bob"));
        var (factors, risk) = (new FactorService.FactorServiceClient(channel), new RiskService.RiskServiceClient(channel));
        await EnrolAsync("carol");
        await DeniedAsync(() => EnrolAsync("dave"));
        // Whoever is not in the directory may come to be of any tenant.
        await DeniedAsync(() => EnrolAsync("nobody"));
        await WriteProfileAsync("carol");
        await DeniedAsync(() => WriteProfileAsync("dave"));

        var audit = new AuditService.AuditServiceClient(channel);
        await DeniedAsync(async () => await audit.ListAuditRecordsAsync(new ListAuditRecordsRequest(), cancellationToken: Cancellation));
        await DeniedAsync(async () => await audit.ListAuditRecordsAsync(new ListAuditRecordsRequest { Application = "documents" }, cancellationToken: Cancellation));
        var seen = await audit.ListAuditRecordsAsync(new ListAuditRecordsRequest { Application = "documents", Tenant = "acme" }, cancellationToken: Cancellation);
        Assert.Equal(["risk-profiles.write", "factors.enrol", "entities.write"], seen.Records.Select(r => r.Action));
        Assert.All(seen.Records, r => Assert.Equal(("documents", "acme", "User::\"carol\""), (r.Application, r.Tenant, r.Target)));

        static StoredEntity Entity(string name, string tenant) => new() { Application = "documents", Tenant = tenant, Json = Writes.User(name, "reader") };

        async Task EnrolAsync(string name) => await factors.EnrolTotpAsync(
            new EnrolTotpRequest { Subject = $"User::\"{name}\"", FactorId = "app", Application = "documents", Tenant = "acme" }, cancellationToken: Cancellation);

        async Task WriteProfileAsync(string name) => await risk.WriteRiskProfileAsync(
            new WriteRiskProfileRequest { Subject = $"User::\"{name}\"", Profile = new RiskProfile(), Application = "documents", Tenant = "acme" }, cancellationToken: Cancellation);
    }

    [Fact]
    public async Task Bodies_OfNobody_AreNotRead()
    {
        await using var fleet = await StartWithAliceAsync();
        using var http = Http(fleet, null);
        http.DefaultRequestVersion = HttpVersion.Version11;
        http.DefaultRequestHeaders.ExpectContinue = true;
        foreach (var (path, type) in new[] { ("v1/entities:write", "application/json"), ("v1/entities:import", "application/x-ndjson") })
        {
            // It is asked for with 100 Continue, which never comes.
            using var body = new StreamContent(new UnreadStream()) { Headers = { ContentType = new MediaTypeHeaderValue(type) } };
            Assert.Equal(HttpStatusCode.Unauthorized, (await http.PostAsync(path, body, Cancellation)).StatusCode);
        }

        var administrators = new AdministratorService.AdministratorServiceClient(Connect(fleet, "x"));
        var failure = await Assert.ThrowsAsync<RpcException>(async () => await administrators.ListAdministratorsAsync(new ListAdministratorsRequest(), cancellationToken: Cancellation));
        Assert.Equal((StatusCode.Unauthenticated, "ERROR_REASON_TOKEN_REJECTED"), (failure.StatusCode, failure.GetRpcStatus()!.GetDetail<Google.Rpc.ErrorInfo>()!.Reason));
        Assert.Equal("access token rejected: Malformed", failure.Status.Detail);
        await DeniedAsync(async () => await administrators.BootstrapControlPlaneAsync(new BootstrapControlPlaneRequest { Code = "x", Name = "x", Jwks = new string('x', 300_000) }, cancellationToken: Cancellation), StatusCode.ResourceExhausted);
        await DeniedAsync(async () => await administrators.BootstrapControlPlaneAsync(new BootstrapControlPlaneRequest { Code = "x", Name = "x", Jwks = "no keys" }, cancellationToken: Cancellation), StatusCode.Unauthenticated);
    }

    [Fact]
    public async Task Http_SameCallsAsJson_AnswerAndRefuseAsGrpcDoes()
    {
        await using var fleet = await StartWithAliceAsync();
        using var http = Http(fleet, await TokenAsync(fleet, "alice"));
        var content = Convert.ToBase64String(Encoding.UTF8.GetBytes(Writes.ReadersRead));
        var published = await SendAsync(HttpMethod.Post, "v1/applications/documents/policies:publish", $$"""{"documents": [{"path": "policies/all.cedar", "content": "{{content}}"}], "message": "over HTTP"}""");
        Assert.Equal(HttpStatusCode.OK, published.Status);
        var history = await SendAsync(HttpMethod.Get, "v1/applications/documents/publications");
        Assert.Equal(("administrator:alice", "over HTTP"), ((string?)history.Body["publications"]![0]!["author"], (string?)history.Body["publications"]![0]!["message"]));

        var stale = await SendAsync(HttpMethod.Post, "v1/applications/documents/policies:publish", """{"expectedRevision": "3k9vq2m1x7wb.1"}""");
        Assert.Equal((HttpStatusCode.Conflict, "ERROR_REASON_STALE_REVISION", (string?)published.Body["revision"]!.ToString()), (stale.Status, ReasonOf(stale.Body), (string?)stale.Body["details"]![0]!["metadata"]!["revision"]));
        var invalid = await SendAsync(HttpMethod.Post, "v1/entities:write", """{"entities": [{"json": "{}"}]}""");
        Assert.Equal((HttpStatusCode.BadRequest, "ERROR_REASON_INVALID_CONTENT"), (invalid.Status, ReasonOf(invalid.Body)));
        Assert.Equal((HttpStatusCode.NotFound, "ERROR_REASON_NOT_FOUND"), await SendAsync(HttpMethod.Get, "v1/entities?entity=User::%22nobody%22") is var missing ? (missing.Status, ReasonOf(missing.Body)) : default);

        http.DefaultRequestHeaders.Authorization = null;
        var anonymous = await http.GetAsync("v1/audit", Cancellation);
        Assert.Equal((HttpStatusCode.Unauthorized, "Bearer"), (anonymous.StatusCode, anonymous.Headers.WwwAuthenticate.ToString()));

        async Task<(HttpStatusCode Status, JsonNode Body)> SendAsync(HttpMethod method, string path, string? json = null)
        {
            using var request = new HttpRequestMessage(method, path) { Content = json is null ? null : new StringContent(json, Encoding.UTF8, "application/json") };
            using var response = await http.SendAsync(request, Cancellation);
            return (response.StatusCode, (await response.Content.ReadFromJsonAsync<JsonNode>(Cancellation))!);
        }
    }

    [Fact]
    public async Task Import_OverHttp_IsInForceWholeOrNotAtAll()
    {
        await using var fleet = await StartWithAliceAsync();
        using var http = Http(fleet, await TokenAsync(fleet, "alice"));
        var lines = Enumerable.Range(0, 100).Select(l => $$"""{"entities": [{{string.Join(", ", Enumerable.Range(l * 1_000, 1_000).Select(Entity))}}]}""").ToList();
        var imported = await ImportAsync(string.Join('\n', lines.Append("""{"removed": ["User::\"user7\""]}""")));
        Assert.Equal(HttpStatusCode.OK, imported.Status);
        Assert.Equal([.. Enumerable.Range(1, 10).Select(i => $$"""{"received":{{i * 10_000}},"revision":""}"""), $$"""{"received":100000,"revision":{{imported.Lines[^1].Split(':')[^1]}}"""], imported.Lines);
        var directory = new EntityService.EntityServiceClient(Connect(fleet, await TokenAsync(fleet, "alice")));
        Assert.Equal(imported.Lines[^1].Split(':')[^1].TrimEnd('}').Trim('"'), (await directory.GetEntityAsync(new GetEntityRequest { Entity = "User::\"user99999\"" }, cancellationToken: Cancellation)).Entity.Revision);
        await DeniedAsync(async () => await directory.GetEntityAsync(new GetEntityRequest { Entity = "User::\"user7\"" }, cancellationToken: Cancellation), StatusCode.NotFound);

        foreach (var type in new[] { "application/x-www-form-urlencoded", "application/json", null })
        {
            using var content = new ByteArrayContent(Encoding.UTF8.GetBytes("""{"removed": ["User::\"user8\""]}"""));
            content.Headers.ContentType = type is null ? null : new MediaTypeHeaderValue(type);
            Assert.Equal(HttpStatusCode.OK, (await http.PostAsync("v1/entities:import", content, Cancellation)).StatusCode);
        }

        var broken = await ImportAsync("\n{\"entities\": [{\"json\": 1]}");
        Assert.Equal((HttpStatusCode.BadRequest, true), (broken.Status, broken.Lines[0].Contains("line 2: ", StringComparison.Ordinal)));
        var late = await ImportAsync(string.Join('\n', lines.Take(20).Append("""{"entities": [{"json": "{}"}]}""")));
        Assert.Contains("\"error\"", late.Lines[^1], StringComparison.Ordinal);
        Assert.Contains("ERROR_REASON_INVALID_CONTENT", late.Lines[^1], StringComparison.Ordinal);
        var unknown = await ImportAsync("""{"entities": [{"application": "documnts", "json": "{\"uid\": {\"type\": \"User\", \"id\": \"u\"}, \"attrs\": {}, \"parents\": []}"}]}""");
        Assert.Equal((HttpStatusCode.NotFound, true), (unknown.Status, unknown.Lines[0].Contains("ERROR_REASON_APPLICATION_UNKNOWN", StringComparison.Ordinal)));
        http.DefaultRequestHeaders.Authorization = null;
        Assert.Equal(HttpStatusCode.Unauthorized, (await ImportAsync("")).Status);

        static string Entity(int i) => $$"""{"json": "{\"uid\": {\"type\": \"User\", \"id\": \"user{{i}}\"}, \"attrs\": {}, \"parents\": []}"}""";

        async Task<(HttpStatusCode Status, string[] Lines)> ImportAsync(string content)
        {
            using var response = await http.PostAsync("v1/entities:import", new StringContent(content, Encoding.UTF8, "application/x-ndjson"), Cancellation);
            return (response.StatusCode, (await response.Content.ReadAsStringAsync(Cancellation)).Split('\n', StringSplitOptions.RemoveEmptyEntries));
        }
    }

    [Fact]
    public async Task Tokens_ThatAreNotAsTheyShouldBe_AreRefused()
    {
        await using var fleet = await StartWithAliceAsync();
        var token = await TokenAsync(fleet, "alice");
        var parts = token.Split('.');
        string[] refused =
        [
            "", "x", $"{parts[0]}.{parts[1]}.", $"{parts[0]}.{parts[1]}.{parts[2][..^2]}AA", $"{token}==", $".{parts[1]}.{parts[2]}",
            $"eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{parts[1]}.",
        ];
        foreach (var text in refused)
        {
            using var http = Http(fleet, null);
            http.DefaultRequestHeaders.TryAddWithoutValidation("authorization", $"Bearer {text}");
            Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync("v1/audit", Cancellation)).StatusCode);
        }

        using var twice = Http(fleet, null);
        twice.DefaultRequestHeaders.TryAddWithoutValidation("authorization", [$"Bearer {token}", $"Bearer {token}"]);
        Assert.Equal(HttpStatusCode.Unauthorized, (await twice.GetAsync("v1/audit", Cancellation)).StatusCode);
        using var good = Http(fleet, token);
        Assert.Equal(HttpStatusCode.OK, (await good.GetAsync("v1/audit", Cancellation)).StatusCode);
        // What is for sidecars is not here, and what is for administrators is not there.
        using var there = new HttpClient(Handler(fleet)) { BaseAddress = new Uri($"https://127.0.0.1:{fleet.Port}"), DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        foreach (var path in new[] { ".well-known/openid-configuration", ".well-known/jwks.json", "oauth2/token", "openapi.json", "v1/audit" })
        {
            Assert.Equal(HttpStatusCode.NotFound, (await there.GetAsync(path, Cancellation)).StatusCode);
        }

        Assert.Equal(HttpStatusCode.NotFound, (await good.PostAsync("authsidecar.controlplane.v1.SyncService/Sync", null, Cancellation)).StatusCode);
        Assert.All(fleet.OutputOf(), l => Assert.DoesNotContain(parts[2], l, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Audit_PagesFromTheNewestOn_LosesAndRepeatsNothing()
    {
        await using var fleet = await StartWithAliceAsync();
        await Writes.WriteAsync(fleet, [.. Enumerable.Range(0, 7).Select(i => Writes.User($"user{i}", "reader"))]);
        await Writes.WriteAsync(fleet, Writes.User("user0", "writer"));
        var audit = new AuditService.AuditServiceClient(Connect(fleet, await TokenAsync(fleet, "alice")));
        var (seen, token) = (new List<AuditRecord>(), "");
        do
        {
            var page = await audit.ListAuditRecordsAsync(new ListAuditRecordsRequest { Action = "entities.", PageSize = 3, PageToken = token }, cancellationToken: Cancellation);
            seen.AddRange(page.Records);
            token = page.NextPageToken;
        }
        while (token.Length > 0);

        Assert.Equal(["user0", "user6", "user5", "user4", "user3", "user2", "user1", "user0", "alice"], seen.Select(r => r.Target.Split('"')[1]));
        Assert.Contains("reader", seen[0].Before, StringComparison.Ordinal);
        Assert.Contains("writer", seen[0].After, StringComparison.Ordinal);
        Assert.StartsWith("uid:", seen[0].Actor, StringComparison.Ordinal);
        await DeniedAsync(async () => await audit.ListAuditRecordsAsync(new ListAuditRecordsRequest { PageToken = "x" }, cancellationToken: Cancellation), StatusCode.InvalidArgument);
    }

    [Fact]
    public async Task Policies_PublishedForTheControlPlaneItself_DecideWhoAdministers()
    {
        await using var fleet = await StartWithAliceAsync();
        var unknown = await RunAsync(fleet, "alice", "administrators", "write", "alice", "--role", "ownr");
        Assert.Equal((2, "authsidecar-control: --role: unknown role `ownr`; did you mean `owner`?\n"), (unknown.ExitCode, unknown.Error));
        Assert.Equal(0, (await Binary.RunControlAsync("policies", "write-built-in", fleet.In("own"))).ExitCode);
        var again = await Binary.RunControlAsync("policies", "write-built-in", fleet.In("own"));
        Assert.Equal((2, true), (again.ExitCode, again.Error.Contains("exists: write to another folder", StringComparison.Ordinal)));
        Assert.StartsWith("published: revision ", (await RunAsync(fleet, "alice", "policies", "publish", fleet.In("own"), "--application", "authsidecar")).Output, StringComparison.Ordinal);
        await AddAsync(fleet, "bob", "--role", "intern");
        Assert.Equal(2, (await RunAsync(fleet, "bob", "policies", "list-publications", "--application", "documents")).ExitCode);
        await File.AppendAllTextAsync(
            fleet.In("own/policies/administration.cedar"),
            """permit (principal in AuthSidecar::Role::"intern", action == AuthSidecar::Action::"policies.read", resource == AuthSidecar::Application::"documents");""",
            Cancellation);
        Assert.StartsWith("published: revision ", (await RunAsync(fleet, "alice", "policies", "publish", fleet.In("own"), "--application", "authsidecar")).Output, StringComparison.Ordinal);
        Assert.Equal(0, (await RunAsync(fleet, "bob", "policies", "list-publications", "--application", "documents")).ExitCode);
        Assert.Equal(2, (await RunAsync(fleet, "bob", "policies", "list-publications", "--application", "payroll")).ExitCode);

        // With the schema of another application there would be no administrators.
        await File.WriteAllTextAsync(fleet.In("own/policies/administration.cedar"), "permit (principal, action, resource);", Cancellation);
        var schema = await File.ReadAllTextAsync(fleet.In("own/schema.cedarschema"), Cancellation);
        await File.WriteAllTextAsync(fleet.In("own/schema.cedarschema"), "entity User; action read appliesTo { principal: User, resource: User };", Cancellation);
        var other = await RunAsync(fleet, "alice", "policies", "publish", fleet.In("own"), "--application", "authsidecar");
        Assert.Equal((2, true), (other.ExitCode, other.Error.Contains("must declare `AuthSidecar::Administrator`", StringComparison.Ordinal)));
        await File.WriteAllTextAsync(fleet.In("own/schema.cedarschema"), schema, Cancellation);

        // Policies that lock everybody out are mended at the socket.
        await File.WriteAllTextAsync(fleet.In("own/policies/administration.cedar"), "forbid (principal, action, resource);", Cancellation);
        await RunAsync(fleet, "alice", "policies", "publish", fleet.In("own"), "--application", "authsidecar");
        Assert.Equal(2, (await RunAsync(fleet, "alice", "administrators", "list")).ExitCode);
        var history = (await Binary.RunControlAsync("policies", "list-publications", "--application", "authsidecar", "--admin-socket", fleet.In("control.sock"))).Output;
        await Binary.RunControlAsync("policies", "roll-back", history.Split('\n')[1].Split(' ')[0], "--application", "authsidecar", "--admin-socket", fleet.In("control.sock"));
        Assert.Equal(0, (await RunAsync(fleet, "alice", "administrators", "list")).ExitCode);
    }

    [Fact]
    public async Task RotateSigningKeys_Revoking_EndsTokensAtTheSidecarsAsWell()
    {
        await using var fleet = await StartWithAliceAsync();
        var join = await Binary.RunControlAsync("join-tokens", "create", "--application", "authsidecar", "--admin-socket", fleet.In("control.sock"));
        // The control plane is an application: a sidecar of it knows its tokens.
        var sidecar = await fleet.JoinAsync("one", join.Output.Trim(), "authsidecar");
        var first = await TokenAsync(fleet, "alice");
        await Fleet.UntilAsync(async () => (await ValidateAsync(first)).Valid);

        var turned = (await RunAsync(fleet, "alice", "keys", "rotate")).Output.Trim();
        var second = await TokenAsync(fleet, "alice");
        Assert.Equal((true, true), ((await ValidateAsync(first, turned)).Valid, (await ValidateAsync(second, turned)).Valid));
        Assert.Equal(2, (await RunAsync(fleet, "alice", "keys", "list")).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);

        var revoked = (await RunAsync(fleet, "alice", "keys", "rotate", "--revoke")).Output.Trim();
        foreach (var token in new[] { first, second })
        {
            Assert.Equal(TokenRejection.KeyUnknown, (await ValidateAsync(token, revoked)).Reason);
            using var http = Http(fleet, token);
            Assert.Equal(HttpStatusCode.Unauthorized, (await http.GetAsync("v1/audit", Cancellation)).StatusCode);
        }

        Assert.True((await ValidateAsync(await TokenAsync(fleet, "alice"), revoked)).Valid);
        using var own = Http(fleet, null);
        var jwks = await own.GetStringAsync(".well-known/jwks.json", Cancellation);
        Assert.Contains("reserved: the control plane itself", (await Assert.ThrowsAsync<RpcException>(async () => await fleet.Issuers.WriteIssuerAsync(
            new WriteIssuerRequest { Application = "documents", Issuer = new Issuer { Issuer_ = fleet.UrlOf().AbsoluteUri, Audiences = { "documents" } }, Jwks = jwks }, cancellationToken: Cancellation))).Status.Detail, StringComparison.Ordinal);

        async Task<ValidateTokenResponse> ValidateAsync(string token, string atLeastRevision = "") =>
            await sidecar.ValidateTokenAsync(new ValidateTokenRequest { Token = token, AtLeastRevision = atLeastRevision }, deadline: Binary.Deadline, cancellationToken: Cancellation);
    }

    [Fact]
    public async Task TwoNodes_TokenOfOne_IsGoodAtTheOtherUntilItsAdministratorIsRemoved()
    {
        await using var postgres = new PostgresServer();
        await postgres.InitializeAsync();
        Assert.SkipWhen(postgres.Missing is not null, postgres.Missing ?? "");
        await using var fleet = await Fleet.StartAsync(ownCa: true, database: $"postgres:{await postgres.CreateDatabaseAsync()}", nodes: 2, https: true);
        await BootstrapAsync(fleet, "alice", CodeOf(fleet));
        await AddAsync(fleet, "bob", "--role", "auditor");
        using var other = Http(fleet, await TokenAsync(fleet, "bob"), node: 1);
        await Fleet.UntilAsync(async () => (await other.GetAsync("v1/audit", Cancellation)).StatusCode == HttpStatusCode.OK);
        // The code that the other node made is no longer good either.
        Assert.Equal(2, (await BootstrapAsync(fleet, "mallory", await File.ReadAllTextAsync(fleet.In("control1/bootstrap-code"), Cancellation))).ExitCode);
        await RunAsync(fleet, "alice", "administrators", "remove", "bob");
        await Fleet.UntilAsync(async () => (await other.GetAsync("v1/audit", Cancellation)).StatusCode == HttpStatusCode.Unauthorized);
        Assert.All(fleet.OutputOf().Concat(fleet.OutputOf(1)), l => Assert.DoesNotContain("housekeeping failed", l, StringComparison.Ordinal));
    }

    [Fact]
    public async Task OpenApi_AsServed_IsTheOneInDocs()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true, https: true);
        using var http = Http(fleet, null);
        var served = await http.GetStringAsync("openapi.json", Cancellation);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await http.DeleteAsync("openapi.json", Cancellation)).StatusCode);
        var path = Path.Combine(Binary.Root, "docs", "openapi.json");
        if (Environment.GetEnvironmentVariable("AUTHSIDECAR_WRITE_DOCS") is "1")
        {
            await File.WriteAllTextAsync(path, served + "\n", Cancellation);
        }

        Assert.Equal((await File.ReadAllTextAsync(path, Cancellation)).TrimEnd(), served.TrimEnd());

        // No two paths are one template, each parameter of a path is declared, and the one call that wants no token says so.
        var paths = JsonNode.Parse(served)!["paths"]!.AsObject();
        Assert.Equal(paths.Count, paths.Select(p => TemplateParameter().Replace(p.Key, "{}")).Distinct().Count());
        foreach (var (template, item) in paths)
        {
            var names = TemplateParameter().Matches(template).Select(m => m.Value[1..^1]).Order(StringComparer.Ordinal);
            Assert.All(item!.AsObject(), o => Assert.Equal(names, o.Value!["parameters"]?.AsArray().Where(p => (string?)p!["in"] == "path").Select(p => (string)p!["name"]!).Order(StringComparer.Ordinal).AsEnumerable() ?? []));
        }

        Assert.Equal("[{}]", paths["/v1/administrators:bootstrap"]!["post"]!["security"]!.ToJsonString());
        Assert.Null(paths["/v1/accounts/{id}"]!["put"]!["security"]);
    }

    [GeneratedRegex(@"\{[^}]*\}")]
    private static partial Regex TemplateParameter();

    private static async Task<Fleet> StartWithAliceAsync()
    {
        var fleet = await Fleet.StartAsync(ownCa: true, https: true);
        await fleet.CreateApplicationAsync();
        await BootstrapAsync(fleet, "alice", CodeOf(fleet));
        return fleet;
    }

    private static string CodeOf(Fleet fleet) => File.ReadAllText(fleet.In("control/bootstrap-code")).Trim();

    private static async Task<Binary.Finished> BootstrapAsync(Fleet fleet, string name, string code)
    {
        await File.WriteAllTextAsync(fleet.In("code"), code, Cancellation);
        return await Binary.RunControlAsync(
            "bootstrap", fleet.UrlOf().ToString(), "--name", name, "--ca", fleet.CaFile, "--credentials", fleet.In($"{name}.json"), "--code-file", fleet.In("code"));
    }

    private static async Task AddAsync(Fleet fleet, string name, params string[] arguments)
    {
        File.Delete(fleet.In($"{name}.json"));
        var key = await Binary.RunControlAsync("credentials", "create", fleet.UrlOf().ToString(), "--name", name, "--ca", fleet.CaFile, "--credentials", fleet.In($"{name}.json"));
        await File.WriteAllTextAsync(fleet.In($"{name}.jwks"), key.Output, Cancellation);
        var written = await RunAsync(fleet, "alice", ["administrators", "write", name, "--jwks", fleet.In($"{name}.jwks"), .. arguments]);
        Assert.StartsWith("added: revision ", written.Output, StringComparison.Ordinal);
    }

    private static Task<Binary.Finished> RunAsync(Fleet fleet, string name, params string[] arguments) =>
        Binary.RunControlAsync([.. arguments, "--credentials", fleet.In($"{name}.json")]);

    private static async Task<string> TokenAsync(Fleet fleet, string name) => (await RunAsync(fleet, name, "credentials", "print-access-token")).Output.Trim();

    private static GrpcChannel Connect(Fleet fleet, string token) => GrpcChannel.ForAddress(fleet.UrlOf(), new GrpcChannelOptions
    {
        HttpHandler = Handler(fleet),
        Credentials = ChannelCredentials.Create(ChannelCredentials.SecureSsl, CallCredentials.FromInterceptor((_, metadata) =>
        {
            metadata.Add("authorization", $"Bearer {token}");
            return Task.CompletedTask;
        })),
    });

    private static HttpClient Http(Fleet fleet, string? token, int node = 0)
    {
        var http = new HttpClient(Handler(fleet)) { BaseAddress = fleet.UrlOf(node) };
        http.DefaultRequestHeaders.Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token);
        return http;
    }

    private static SocketsHttpHandler Handler(Fleet fleet)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.ImportFromPemFile(fleet.CaFile);
        return new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy } };
    }

    private static async Task DeniedAsync(Func<Task> call, StatusCode expected = StatusCode.PermissionDenied) => Assert.Equal(expected, (await Assert.ThrowsAsync<RpcException>(call)).StatusCode);

    /// <summary>A long body that nobody may ask for.</summary>
    private sealed class UnreadStream : MemoryStream
    {
        public override long Length => 4 * 1024 * 1024;

        public override int Read(byte[] buffer, int offset, int count) => throw new InvalidOperationException("somebody reads it");

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => throw new InvalidOperationException("somebody reads it");

        public override Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken) => throw new InvalidOperationException("somebody reads it");
    }

    private static string? ReasonOf(JsonNode body) => (string?)body["details"]![0]!["reason"];
}
