using AuthSidecar.ControlPlane.Tests.Testing;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.V1;

namespace EndToEnd.Tests;

/// <summary>The command line of the control plane, as an operator uses it.</summary>
public sealed class ControlCommandTests : IDisposable
{
    private readonly string _bundle = Directory.CreateTempSubdirectory("bundle").FullName;

    [Fact]
    public async Task ImportDiffPublishRollBackHistory_TellWhatTheyDid()
    {
        await using var fleet = await Fleet.StartAsync();
        Write("bundle.json", """{"version": 1, "contents": ["policies", "entities.json", "revocations.json", "risk.json", "profiles.json"]}""");
        Write("entities.json", """[{"uid": {"type": "User", "id": "alice"}, "attrs": {}, "parents": []}]""");
        Write("policies/all.cedar", "permit (principal, action, resource);\n");
        Write("revocations.json", """{"subjects": [{"issuer": "https://issuer.test", "sub": "mallory", "notBefore": 1795000000}, {"issuer": "https://issuer.test", "sub": "mallory", "notBefore": 1794000000}]}""");
        Write("risk.json", """{"maxFailures": 3}""");
        Write("profiles.json", """{"profiles": {"User::\"alice\"": {"countries": ["CH"]}}}""");
        // A name that nobody has written for is mistyped, whatever it is given to.
        foreach (var command in new[] { "import BUNDLE", "policies publish BUNDLE", "policies diff BUNDLE", "policies list-publications", "policies roll-back 1", "join-tokens create" })
        {
            var unknown = await RunAsync(fleet, [.. command.Replace("BUNDLE", _bundle, StringComparison.Ordinal).Split(' '), "--application", "documnts"]);
            Assert.Equal((2, "authsidecar-control: application `documnts` not found; `import --create` and `policies publish --create` (field `create`) create applications\n"), (unknown.ExitCode, unknown.Error));
        }

        var imported = await RunAsync(fleet, "import", _bundle, "--application", "documents", "--create");
        Assert.Equal((0, ""), (imported.ExitCode, imported.Error));
        Assert.Matches("""^1 entity added\npolicies published\n1 revocation added\n1 risk settings added\n1 risk profile added\nimported: revision [0-9a-z]{12}\.\d+\n$""", imported.Output);
        Assert.Equal("nothing differs\n", (await RunAsync(fleet, "import", _bundle, "--application", "documents")).Output);
        Write("risk.json", """{"maxFailures": 4}""");
        Assert.Matches("""^1 risk settings replaced\nimported: revision [0-9a-z]{12}\.\d+\n$""", (await RunAsync(fleet, "import", _bundle, "--application", "documents")).Output);

        Write("policies/all.cedar", "permit (principal, action, resource);\nforbid (principal, action, resource);\n");
        Write("policies/more.cedar", "permit (");
        var diff = await RunAsync(fleet, "policies", "diff", _bundle, "--application", "documents");
        Assert.Contains("changed policies/all.cedar\n permit (principal, action, resource);\n+forbid (principal, action, resource);\nadded policies/more.cedar\n+permit (\n", diff.Output, StringComparison.Ordinal);
        Assert.Contains("fault: policies/more.cedar:1:", diff.Output, StringComparison.Ordinal);
        Assert.Contains("2 documents would change, 1 fault, 0 warnings", diff.Output, StringComparison.Ordinal);
        Assert.Equal(1, diff.ExitCode);
        var refused = await RunAsync(fleet, "policies", "publish", _bundle, "--application", "documents");
        Assert.Equal(2, refused.ExitCode);
        Assert.StartsWith("authsidecar-control: policies/more.cedar:1:", refused.Error, StringComparison.Ordinal);
        Assert.Single(refused.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));

        File.Delete(Path.Combine(_bundle, "policies/more.cedar"));
        Assert.StartsWith("published: revision ", (await RunAsync(fleet, "policies", "publish", _bundle, "--application", "documents", "--message", "closed for now")).Output, StringComparison.Ordinal);
        var stale = await RunAsync(fleet, "policies", "publish", _bundle, "--application", "documents", "--expected-revision", imported.Output.Trim().Split(' ')[^1]);
        Assert.Equal((2, true), (stale.ExitCode, stale.Error.Contains("revision conflict", StringComparison.Ordinal)));
        var number = await RunAsync(fleet, "policies", "publish", _bundle, "--application", "documents", "--expected-revision", "1");
        Assert.Equal((2, true), (number.ExitCode, number.Error.Contains("--expected-revision: expected `HISTORY.NUMBER`", StringComparison.Ordinal)));
        var first = (await RunAsync(fleet, "policies", "list-publications", "--application", "documents")).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1].Split(' ')[0];
        Assert.StartsWith("rolled back: revision ", (await RunAsync(fleet, "policies", "roll-back", first, "--application", "documents")).Output, StringComparison.Ordinal);
        var history = (await RunAsync(fleet, "policies", "list-publications", "--application", "documents")).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, history.Length);
        Assert.EndsWith($"(of revision {first})", history[0], StringComparison.Ordinal);
        Assert.EndsWith("closed for now", history[1], StringComparison.Ordinal);
        Assert.Contains("  uid:", history[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task PublishAndDiff_OfWhatWouldWipePolicies_AreRefusedUnlessItIsMeant()
    {
        await using var fleet = await Fleet.StartAsync();
        await Writes.PublishAsync(fleet, "", Writes.ReadersRead);
        Directory.CreateDirectory(Path.Combine(_bundle, "empty", "policies"));
        Write("others/policies/x.txt", "permit (principal, action, resource);");
        Write("others/policies/y.cedar", "permit (principal, action, resource);");
        foreach (var verb in new[] { "publish", "diff" })
        {
            foreach (var (folder, message) in new[]
            {
                ("nosuch", "does not exist"),
                ("empty", "has no `policies/….cedar` and no `schema.cedarschema`: publishing it would remove all policies; specify `--empty` to do that"),
                ("others", "policies/x.txt: unexpected file: policy files are named `policies/….cedar`"),
            })
            {
                var refused = await RunAsync(fleet, "policies", verb, Path.Combine(_bundle, folder), "--application", "documents");
                Assert.Equal(2, refused.ExitCode);
                Assert.Contains(message, refused.Error, StringComparison.Ordinal);
            }
        }

        Assert.Single((await RunAsync(fleet, "policies", "list-publications", "--application", "documents")).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(0, (await RunAsync(fleet, "policies", "publish", Path.Combine(_bundle, "empty"), "--application", "documents", "--empty")).ExitCode);
    }

    [Fact]
    public async Task Diff_OfASchemaThatEntitiesDoNotConformTo_TellsThemAsPublishWould()
    {
        await using var fleet = await Fleet.StartAsync();
        Write("bundle.json", """{"version": 1, "contents": ["policies", "schema.cedarschema", "entities.json"]}""");
        Write("schema.cedarschema", "entity U {a: Long, b?: String}; entity R; action go appliesTo {principal: U, resource: R};");
        Write("policies/p.cedar", "permit (principal is U, action, resource) when { principal.a > 1 };");
        Write("entities.json", """[{"uid": {"type": "U", "id": "u"}, "attrs": {"a": 2, "b": "x"}, "parents": []}]""");
        Assert.Equal(0, (await RunAsync(fleet, "import", _bundle, "--application", "ev", "--create")).ExitCode);
        Write("schema.cedarschema", "entity U {a: Long}; entity R; action go appliesTo {principal: U, resource: R};");
        var diff = await RunAsync(fleet, "policies", "diff", _bundle, "--application", "ev");
        Assert.Equal(1, diff.ExitCode);
        Assert.Contains("`U::\"u\"` does not conform to the schema", diff.Output, StringComparison.Ordinal);
        Assert.Equal(2, (await RunAsync(fleet, "policies", "publish", _bundle, "--application", "ev")).ExitCode);
        // Where entities, schema and policies change together, all of it goes in at once.
        Write("schema.cedarschema", "entity U {a: Long, c: Long}; entity R; action go appliesTo {principal: U, resource: R};");
        Write("policies/p.cedar", "permit (principal is U, action, resource) when { principal.c > 1 };");
        Write("entities.json", """[{"uid": {"type": "U", "id": "u"}, "attrs": {"a": 2, "c": 3}, "parents": []}]""");
        var imported = await RunAsync(fleet, "import", _bundle, "--application", "ev");
        Assert.Matches("""^1 entity replaced\npolicies published in place of revision [0-9a-z]{12}\.\d+\nimported: revision [0-9a-z]{12}\.\d+\n$""", imported.Output);
    }

    [Fact]
    public async Task Import_WhatASidecarServesFromAFolder_IsServedByOneThatFollows()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        Write("bundle.json", """{"version": 1, "contents": ["policies", "schema.cedarschema", "entities.json", "issuers.json"], "packs": ["rbac"]}""");
        // What only the schema tells to be an entity or a datetime; a pack; a folder among policies; an issuer that publishes its keys.
        Write("schema.cedarschema", """
            entity Team; entity Role; entity User in [Role] {team: Team, since: datetime, tenant: String, suspended?: Bool}; entity Document {tenant: String, owner?: User};
            action "read", "write", "create", "update", "delete", "admin", "manage_users", "manage_roles", "view_audit_logs" appliesTo {principal: User, resource: Document, context: {now: datetime, token?: {amr: Set<String>, auth_time?: datetime}}};
            """);
        Write("policies/team/t1.cedar", """@id("p") permit (principal is User, action == Action::"read", resource) when { principal.team == Team::"t1" };""");
        Write("entities.json", """
            [{"uid": {"type": "User", "id": "alice"}, "attrs": {"team": {"type": "Team", "id": "t1"}, "since": "2024-10-10", "tenant": "acme"}, "parents": []},
             {"uid": {"type": "Document", "id": "plan"}, "attrs": {"tenant": "acme"}, "parents": []}]
            """);
        Write("issuers.json", """{"issuers": [{"issuer": "https://idp.example", "jwksUrl": "https://idp.example/jwks", "audiences": ["app"]}]}""");
        var folder = fleet.StartOnFolder("folder", _bundle);
        await Fleet.UntilAsync(async () => await Writes.AskAsync(folder, "alice") == Decision.Allow);
        var imported = await RunAsync(fleet, "import", _bundle, "--application", "documents", "--create");
        Assert.Equal((0, ""), (imported.ExitCode, imported.Error));
        Assert.Contains("1 issuer added", imported.Output, StringComparison.Ordinal);
        var follower = await fleet.JoinAsync("follower", (await RunAsync(fleet, "join-tokens", "create", "--application", "documents")).Output);
        await Fleet.UntilAsync(async () => await Writes.AskAsync(follower, "alice") == Decision.Allow);
        Assert.Equal(Decision.Deny, await Writes.AskAsync(follower, "nobody"));

        // Principals that the schema in force does not declare are warned of, whichever of the two is written last.
        var issuer = new Issuer { Issuer_ = "https://other.example", JwksUrl = "https://other.example/jwks", Audiences = { "app" }, Principal = new PrincipalMapping { Type = "Usr" } };
        var written = await fleet.Issuers.WriteIssuerAsync(new WriteIssuerRequest { Application = "documents", Issuer = issuer }, cancellationToken: TestContext.Current.CancellationToken);
        const string Warning = "issuer `https://other.example`: the schema does not declare the principal type `Usr`: set `principal.type`; did you mean `User`?";
        Assert.Equal(Warning, Assert.Single(written.Warnings));
        Assert.Contains($"warning: issuers.json: {Warning}", (await RunAsync(fleet, "policies", "diff", _bundle, "--application", "documents")).Output, StringComparison.Ordinal);
    }

    /// <summary>Every example of docs/providers.md is imported, also those whose preset says the issuer; and a name may move from one issuer to another in one import.</summary>
    [Fact]
    public async Task Import_IssuersOfProviders_AreWrittenAndMayExchangeNames()
    {
        await using var fleet = await Fleet.StartAsync();
        Write("bundle.json", """{"version": 1, "contents": ["issuers.json"]}""");
        var page = await File.ReadAllTextAsync(Path.Combine(Binary.Root, "docs", "providers.md"), TestContext.Current.CancellationToken);
        var blocks = System.Text.RegularExpressions.Regex.Matches(page, """\n( {4}\{"issuers"(?:.*\n)(?: {4}.*\n)*)""").Select(m => m.Groups[1].Value).ToList();
        Assert.True(blocks.Count > 25, $"{blocks.Count} examples");
        foreach (var (index, block) in blocks.Index())
        {
            Write("issuers.json", block);
            var imported = await RunAsync(fleet, "import", _bundle, "--application", $"app-{index}", "--create");
            Assert.Equal((0, ""), (imported.ExitCode, imported.Error));
            Assert.Contains("1 issuer added", imported.Output, StringComparison.Ordinal);
        }

        // What a preset fills in is not lost on the way.
        Write("issuers.json", """{"issuers": [{"issuer": "accounts.google.com", "jwksUrl": "https://google.example/jwks", "audiences": ["app"]}]}""");
        var google = blocks.FindIndex(b => b.Contains("\"google\"", StringComparison.Ordinal));
        var taken = await RunAsync(fleet, "import", _bundle, "--application", $"app-{google}");
        Assert.Equal((2, true), (taken.ExitCode, taken.Error.Contains("issuer `accounts.google.com`: configured twice", StringComparison.Ordinal)));

        const string One = """{"issuer": "https://one.example", "jwksUrl": "https://one.example/jwks", "audiences": ["app"]ALIASES}""";
        const string Two = """{"issuer": "https://two.example", "jwksUrl": "https://two.example/jwks", "audiences": ["app"]ALIASES}""";
        foreach (var (first, second) in new[] { (One, Two), (Two, One) })
        {
            var (named, other) = (first.Replace("ALIASES", ", \"aliases\": [\"https://name.example\"]", StringComparison.Ordinal), second.Replace("ALIASES", "", StringComparison.Ordinal));
            Write("issuers.json", $$"""{"issuers": [{{named}}, {{other}}]}""");
            var imported = await RunAsync(fleet, "import", _bundle, "--application", "documents", "--create");
            Assert.Equal((0, ""), (imported.ExitCode, imported.Error));
        }

        // Alone, the one that has given it up stands in the way of nothing; the one that has it does.
        Write("issuers.json", """{"issuers": [{"issuer": "https://three.example", "jwksUrl": "https://three.example/jwks", "audiences": ["app"], "aliases": ["https://name.example"]}]}""");
        var refused = await RunAsync(fleet, "import", _bundle, "--application", "documents");
        Assert.Equal((2, true), (refused.ExitCode, refused.Error.Contains("issuer `https://name.example`: configured twice", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("entities.json", "[1]", "entities.json:1:2: ")]
    [InlineData("issuers.json", """{"issuers": [{"issuer": "https://issuer.test", "audiences": ["app"]}]}""", "issuers.json: issuer `https://issuer.test`: no verification method")]
    [InlineData("issuers.json", "[]", "issuers.json:1:2: ")]
    [InlineData("risk.json", """{"maxFalures": 3}""", "risk.json:1:")]
    [InlineData("revocations.json", """{"tokens": [{"issuer": "i", "jti": ""}]}""", "revocations.json: invalid revocation `tokens[0]`: empty `jti`")]
    [InlineData("bundle.json", """{"version": 1, "contents": ["policies"], "packs": ["rback"]}""", "unknown pack `rback`")]
    [InlineData("bundle.json", """{"version": 1, "contents": ["entities.json"]}""", "`entities.json` is listed in `contents` but not found in the bundle")]
    public async Task Import_DocumentThatIsNotAsItShouldBe_ExitsWithTwoAndNothingIsWritten(string name, string content, string message)
    {
        await using var fleet = await Fleet.StartAsync();
        Write("bundle.json", $$"""{"version": 1, "contents": ["policies"{{(name == "bundle.json" ? "" : $", \"{name}\"")}}]}""");
        Write("policies/all.cedar", Writes.ReadersRead);
        Write(name, content);
        var refused = await RunAsync(fleet, "import", _bundle, "--application", "documents", "--create");
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains(message, refused.Error, StringComparison.Ordinal);
        Assert.Contains("application `documents` not found", (await RunAsync(fleet, "policies", "list-publications", "--application", "documents")).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Fleet_SidecarThatFollows_IsListedWithWhatItServes()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        await Writes.PublishAsync(fleet, "", Writes.ReadersRead);
        var token = await RunAsync(fleet, "join-tokens", "create", "--application", "documents");
        Assert.Matches("^join\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]{43}\\.[A-Za-z0-9_-]{43}\n$", token.Output);
        await fleet.JoinAsync("one", token.Output);
        await Writes.WriteAsync(fleet, Writes.User("alice", "reader"));
        await Fleet.UntilAsync(async () => (await RunAsync(fleet, "sidecars", "list")).Output is var text
            && text.StartsWith("documents one  version ", StringComparison.Ordinal) && text.Contains(", current, revision ", StringComparison.Ordinal) && text.Contains("  entities ", StringComparison.Ordinal) && text.EndsWith("1 sidecar: 1 current, 0 stale, 0 away\n", StringComparison.Ordinal));
        Assert.StartsWith("removed: revision ", (await RunAsync(fleet, "sidecars", "remove", "one", "--application", "documents")).Output, StringComparison.Ordinal);
        await Fleet.UntilAsync(async () => (await RunAsync(fleet, "sidecars", "list")).Output == "0 sidecars: 0 current, 0 stale, 0 away\n");
    }

    /// <summary>The one question that an operator of many has: who does not have revision R.</summary>
    [Fact]
    public async Task Fleet_AtWhateverNode_ListsAllThatEnrolledAndWhatTheyAnswerFrom()
    {
        await using var postgres = new PostgresServer();
        await postgres.InitializeAsync();
        Assert.SkipWhen(postgres.Missing is not null, postgres.Missing ?? "");
        await using var fleet = await Fleet.StartAsync(ownCa: true, database: $"postgres:{await postgres.CreateDatabaseAsync()}", nodes: 2);
        var published = await Writes.PublishAsync(fleet, "", Writes.ReadersRead);
        var (addresses, token) = (fleet.Addresses, (await RunAsync(fleet, "join-tokens", "create", "--application", "documents", "--uses", "3")).Output);
        foreach (var (name, node) in new[] { ("here", 0), ("there", 1), ("gone", 1) })
        {
            fleet.Addresses = [addresses[node]];
            await Writes.AskAsync(await fleet.JoinAsync(name, token), "alice", published.Revision);
        }

        // What is connected elsewhere is told of twice a minute.
        await Fleet.UntilAsync(async () => (await RunAsync(fleet, "sidecars", "list", "--state", "current", "--json")).Output.Split('\n').Count(l => l.Contains(published.Revision, StringComparison.Ordinal)) == 3);
        fleet.KillSidecar("gone");
        await Fleet.UntilAsync(async () => (await RunAsync(fleet, "sidecars", "list", "--state", "away")).Output.EndsWith("1 sidecar: 0 current, 0 stale, 1 away\n", StringComparison.Ordinal));
        Assert.Contains($"documents gone  version ", (await RunAsync(fleet, "sidecars", "list", "--name", "gone")).Output, StringComparison.Ordinal);
        var written = await Writes.WriteAsync(fleet, Writes.User("alice", "reader"));
        await Fleet.UntilAsync(async () => (await RunAsync(fleet, "sidecars", "list", "--without-revision", written.Revision)).Output is var text
            && text.Contains($"documents gone  version ", StringComparison.Ordinal) && text.Contains($", away, revision {published.Revision}", StringComparison.Ordinal) && text.EndsWith("1 sidecar: 0 current, 0 stale, 1 away\n", StringComparison.Ordinal));
        Assert.EndsWith("3 sidecars: 2 current, 0 stale, 1 away\n", (await RunAsync(fleet, "sidecars", "list", "--application", "documents")).Output, StringComparison.Ordinal);
        Assert.Equal("0 sidecars: 0 current, 0 stale, 0 away\n", (await RunAsync(fleet, "sidecars", "list", "--tenant", "acme")).Output);
        Assert.Equal(2, (await RunAsync(fleet, "sidecars", "list", "--without-revision", "17")).ExitCode);
        var unknown = await RunAsync(fleet, "sidecars", "list", "--state", "gone");
        Assert.Equal((2, false, true), (unknown.ExitCode, unknown.Error.Contains("AuthSidecar.ControlPlane", StringComparison.Ordinal), unknown.Error.Contains("away", StringComparison.Ordinal)));
        // Page by page.
        var (names, request) = (new List<string>(), new ListSidecarsRequest { PageSize = 1 });
        do
        {
            var page = await fleet.Sidecars.ListSidecarsAsync(request, cancellationToken: TestContext.Current.CancellationToken);
            Assert.Equal((2, 0, 1), (page.Current, page.Stale, page.Away));
            names.AddRange(page.Sidecars.Select(s => s.Name));
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken.Length > 0);
        Assert.Equal(["gone", "here", "there"], names);
    }

    /// <summary>What was refused was never there: nothing that is written later is taken for what is there already.</summary>
    [Fact]
    public async Task Import_ThatIsRefusedLate_LeavesNothingInMemory()
    {
        await using var fleet = await Fleet.StartAsync();
        await Writes.WriteAsync(fleet, Writes.User("bob", "reader"));
        Write("bundle.json", """{"version": 1, "contents": ["policies", "schema.cedarschema", "entities.json"]}""");
        Write("policies/all.cedar", "permit (principal is User, action == Action::\"read\", resource is Document);");
        Write("schema.cedarschema", "entity Role; entity User in [Role] { level: Long }; entity Document; action \"read\" appliesTo { principal: [User], resource: [Document] };");
        const string Carol = """{"uid": {"type": "User", "id": "carol"}, "attrs": {"level": 1}, "parents": [{"type": "Role", "id": "reader"}]}""";
        Write("entities.json", $"[{Carol}]");
        var refused = await RunAsync(fleet, "import", _bundle, "--application", "documents", "--create");
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("bob", refused.Error, StringComparison.Ordinal);

        await fleet.CreateApplicationAsync();
        var written = await fleet.Directories.WriteEntitiesAsync(new WriteEntitiesRequest { Entities = { new StoredEntity { Json = Carol, Application = "documents" } } }, cancellationToken: TestContext.Current.CancellationToken);
        var carol = (await fleet.Directories.GetEntityAsync(new GetEntityRequest { Entity = "User::\"carol\"" }, cancellationToken: TestContext.Current.CancellationToken)).Entity;
        Assert.Equal(written.Revision, carol.Revision);
        Assert.Matches("^[0-9a-z]{12}\\.\\d+\n$", (await RunAsync(fleet, "memberships", "remove", "User::\"carol\"", "Role::\"reader\"")).Output);
        carol = (await fleet.Directories.GetEntityAsync(new GetEntityRequest { Entity = "User::\"carol\"" }, cancellationToken: TestContext.Current.CancellationToken)).Entity;
        Assert.DoesNotContain("reader", carol.Json, StringComparison.Ordinal);
    }

    [Fact]
    public async Task FactorsMembersRevoke_PrintWhatIsToBeKnown()
    {
        await using var fleet = await Fleet.StartAsync();
        await Writes.WriteAsync(fleet, Writes.User("alice", "reader"));
        Assert.StartsWith("otpauth://totp/AuthSidecar:a%40b?secret=", (await RunAsync(fleet, "factors", "enrol-totp", "User::\"alice\"", "--id", "app", "--account", "a@b")).Output, StringComparison.Ordinal);
        Assert.Equal(10, (await RunAsync(fleet, "factors", "enrol-backup-codes", "User::\"alice\"", "--id", "codes")).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Equal("app  totp\ncodes  backup_codes\n", (await RunAsync(fleet, "factors", "list", "User::\"alice\"")).Output);
        Assert.StartsWith("removed: revision ", (await RunAsync(fleet, "factors", "remove", "User::\"alice\"", "--id", "app")).Output, StringComparison.Ordinal);
        Assert.Matches("^[0-9a-z]{12}\\.\\d+\n$", (await RunAsync(fleet, "memberships", "remove", "User::\"alice\"", "Role::\"reader\"")).Output);
        var mistyped = await RunAsync(fleet, "memberships", "remove", "User::\"alice\"", "Role::\"raeder\"");
        Assert.Equal((1, "authsidecar-control: User::\"alice\" is not a direct member of Role::\"raeder\"\n"), (mistyped.ExitCode, mistyped.Error));
        Assert.Matches("^[0-9a-z]{12}\\.\\d+\n$", (await RunAsync(fleet, "revocations", "add", "--issuer", "https://issuer.test", "--subject", "alice")).Output);
        Assert.Equal(
            (2, "authsidecar-control: specify exactly one of `--token-id`, `--session-id` and `--subject`\n"),
            (await RunAsync(fleet, "revocations", "add", "--issuer", "https://issuer.test")) is var none ? (none.ExitCode, none.Error) : default);
        Assert.Equal(
            (2, "authsidecar-control: entity User::\"bob\" not found\n"),
            (await RunAsync(fleet, "memberships", "add", "User::\"bob\"", "Role::\"reader\"")) is var missing ? (missing.ExitCode, missing.Error) : default);
    }

    [Theory]
    [InlineData("sidecars list --admin-socket /nowhere/control.sock", "no control plane answers at `/nowhere/control.sock`: ")]
    [InlineData("bootstrap https://nowhere.invalid:1 --name a --credentials {0}/key < /dev/null", "authsidecar-control: no control plane answers at `https://nowhere.invalid:1`: ")]
    [InlineData("backup {0}/b", "specify either `--state` or `--database`")]
    [InlineData("backup {0}/b --state {0}/none", "the database `{0}/none/control.db` does not exist")]
    [InlineData("backup {0}/b --database sqlite:/etc/passwd", "failed to back up the database `/etc/passwd`: SQLite Error 26: 'file is not a database'")]
    [InlineData("backup /etc/passwd --database sqlite:/etc/passwd", "The file '/etc/passwd' already exists")]
    [InlineData("backup {0}/none/b --database sqlite:/etc/passwd", "the folder `{0}/none` does not exist")]
    [InlineData("backup {0}/b --database postgres:Host=db", "use `pg_dump` for PostgreSQL")]
    [InlineData("restore --force", "`--force` requires `--confirm`")]
    [InlineData("serve --state {0}/s --admin-socket /etc/passwd/a.sock", "failed to create the folder of the socket `/etc/passwd/a.sock`: ")]
    [InlineData("serve --state {0}/s --listen here", "`here` is not an address and port")]
    [InlineData("serve --state {0}/s --listen 127.0.0.1:1", "`--name` is required without `--certificate`")]
    [InlineData("serve --state {0}/s --listen 127.0.0.1:1 --certificate {0}/none", "specify both `--certificate` and `--certificate-key`, or neither")]
    [InlineData("serve --state {0}/s --database mysql:x", "invalid database: expected `sqlite:PATH` or `postgres:CONNECTION`")]
    [InlineData("serve --state {0}/s --database postgres:Host=/nowhere", "`--key-vault` is required with PostgreSQL")]
    [InlineData("serve --state {0}/s --database 'postgres:Host=127.0.0.1;Port=1' --key-vault file:{0}/none --wait-for-database 1", "failed to connect to the database postgres 127.0.0.1:1/ within 1 s: ")]
    [InlineData("serve --state {0}/s --database postgres:Hots=db --key-vault file:{0}/none", "the connection string after `postgres:` is malformed: Couldn't set hots")]
    [InlineData("serve --state {0}/s --wait-for-database -1", "`--wait-for-database` must be 0 to 3600 seconds")]
    [InlineData("serve --state {0}/s --key-vault file:{0}/none --admin-socket {0}/a.sock", "failed to read the master keys in `{0}/none`")]
    [InlineData("serve --state {0}/s --key-vault kms:x", "invalid key vault: expected `file:PATH`, `env:NAME` or `vault:https://HOST:PORT/KEY`")]
    [InlineData("serve --state ''", "`--state` is empty")]
    [InlineData("serve --state {0}/s --admin-socket ''", "`--admin-socket` is empty")]
    [InlineData("serve --state {0}/s --admin-socket {0}/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789.sock", "is not a path for a Unix socket: 1 to 107 bytes")]
    [InlineData("serve --state {0}/s --common-passwords ''", "`--common-passwords` is empty")]
    [InlineData("join-tokens create --application documents --for ''", "`--for` is empty")]
    [InlineData("join-tokens create --application documents --tenant ''", "`--tenant` is empty")]
    [InlineData("join-tokens create --application documents --uses 0", "`--uses` must be 1 to 10000")]
    [InlineData("policies roll-back '' --application documents", "`<revision>` is empty")]
    [InlineData("policies publish {0} --application documents --expected-revision ''", "`--expected-revision` is empty")]
    [InlineData("sidecars list --admin-socket ''", "`--admin-socket` is empty")]
    [InlineData("sidecars list --credentials ''", "`--credentials` is empty")]
    [InlineData("bootstrap https://localhost:1 --name a --ca '' --code-file {0}/code", "`--ca` is empty")]
    [InlineData("bootstrap https://localhost:1 --name a --code-file ''", "`--code-file` is empty")]
    [InlineData("credentials create https://localhost:1 --name a --credentials ''", "`--credentials` is empty")]
    [InlineData("accounts sign-out bob --session ''", "`--session` is empty")]
    [InlineData("audit list --application ''", "`--application` is empty")]
    [InlineData("credentials create https://localhost:1 --name 'a b' --credentials {0}/key", "--name: `a b` must have 1 to 128 letters")]
    [InlineData("credentials create https://user:pw@localhost:1 --name a --credentials {0}/key", "is not an address such as")]
    [InlineData("credentials create https://localhost:1 --name a --ca {0}/none --credentials {0}/key", "--ca: `{0}/none` not found")]
    [InlineData("credentials create https://localhost:1 --name a --ca /etc/passwd --credentials {0}/key", "`/etc/passwd` has no certificate in PEM")]
    [InlineData("bootstrap https://localhost:1 --name a --credentials {0} --code-file /etc/passwd", "`{0}` exists")]
    [InlineData("touch {0}/key.pending; bootstrap https://localhost:1 --name a --credentials {0}/key --code-file /etc/passwd", "`{0}/key.pending` is not a credentials file")]
    [InlineData("administrators list --credentials {0}", "--credentials: `{0}` is a folder, not a file")]
    [InlineData("administrators list --credentials {0}/none --admin-socket {0}/s", "`--credentials` excludes `--admin-socket`")]
    [InlineData("administrators write bob --jwks {0}/none", "no control plane answers")]
    [InlineData("clients write {0}/none", "`{0}/none` not found")]
    [InlineData("touch {0}/empty; clients write {0}/empty", "`{0}/empty` is empty: expected a client in JSON")]
    [InlineData("echo '{{' > {0}/half; clients write {0}/half", "`{0}/half` is not a client in JSON: unexpected end of JSON")]
    [InlineData("serve --state {0}/s --vault-token {0}/t", "`--vault-token` requires `--key-vault`")]
    [InlineData("serve --state {0}/s --replace-issuer", "`--replace-issuer` requires `--url`")]
    [InlineData("serve --state {0}/s --client-ca /etc/passwd", "`--client-ca` requires `--listen`")]
    [InlineData("serve --state {0}/s --client-ca /etc/passwd --listen 127.0.0.1:1 --name localhost", "--client-ca: `/etc/passwd` has no certificate in PEM")]
    [InlineData("serve --state {0}/s --name localhost", "`--name` requires `--listen` or `--listen-https`")]
    [InlineData("serve --state {0}/s --name 'a b' --listen 127.0.0.1:1", "`a b` of `--name` is not a DNS name or IP address")]
    [InlineData("serve --state {0}/s --trusted-proxy 10.0.0.0/8", "`--trusted-proxy` requires `--listen-https`")]
    [InlineData("serve --state {0}/s --password-policy 9", "`9` is not one of")]
    [InlineData("serve --state {0}/s --log xml", "xml")]
    [InlineData("policies write-built-in {0} && {1} policies write-built-in {0}", "`{0}/policies/administration.cedar` exists")]
    public async Task Commands_ThatCannotBe_ExitWithTwoAndSayWhatIsWrong(string arguments, string message)
    {
        var (before, line) = arguments.Split("; ") is [var first, var second] ? ($"{first}; ", second) : ("", arguments);
        var answer = await Binary.ShellAsync($"{before}{Binary.ControlPlane} {line}".Replace("{0}", _bundle, StringComparison.Ordinal).Replace("{1}", Binary.ControlPlane, StringComparison.Ordinal).Replace("{{", "{", StringComparison.Ordinal));
        Assert.Equal(2, answer.ExitCode);
        Assert.Contains(message.Replace("{0}", _bundle, StringComparison.Ordinal), answer.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("result unknown", answer.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", answer.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("inner exception", answer.Error, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_bundle, recursive: true);

    private void Write(string name, string content)
    {
        var path = Path.Combine(_bundle, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, content);
    }

    private static Task<Binary.Finished> RunAsync(Fleet fleet, params string[] arguments) => Binary.RunControlAsync([.. arguments, "--admin-socket", fleet.In("control.sock")]);
}
