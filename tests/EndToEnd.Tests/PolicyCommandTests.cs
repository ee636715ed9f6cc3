using System.Text.Json;

namespace EndToEnd.Tests;

/// <summary><c>authsidecar policies</c>, as its users run it.</summary>
public sealed class PolicyCommandTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("authsidecar-e2e-").FullName;

    [Fact]
    public async Task Validate_Files_ToldLikeACompilerDoes()
    {
        var schema = Write("s.cedarschema", "entity User = { age?: Long }; action read appliesTo { principal: [User], resource: [User] };");
        var good = Write("good.cedar", "permit(principal, action, resource) when { principal has age && principal.age > 17 };");
        var bad = Write("bad.cedar", "permit(principal, action, resource)\nwhen { principal.age > 17 };");
        var broken = Write("broken.cedar", "permit(principal, actoin, resource);");

        var valid = await Binary.RunAsync("policies", "validate", "--schema", schema, "--policies", good);
        Assert.Equal((0, "valid: 0 errors, 0 warnings\n"), (valid.ExitCode, valid.Output));

        var invalid = await Binary.RunAsync("policies", "validate", "--schema", schema, "--policies", good, "--policies", bad);
        Assert.Equal(1, invalid.ExitCode);
        Assert.StartsWith($"error: {bad}:2:8: the attribute `age` of `User` is optional and may be absent; test `principal has age` first [UnsafeOptionalAttributeAccess, policy1]", invalid.Output, StringComparison.Ordinal);

        var refused = await Binary.RunAsync("policies", "validate", "--schema", schema, "--policies", broken);
        Assert.Equal((2, ""), (refused.ExitCode, refused.Output));
        Assert.StartsWith($"{broken}:1:19: expected `action`, found `actoin`", refused.Error, StringComparison.Ordinal);

        // Called by their ids, in all files together.
        var named = Write("named.cedar", "@id(\"young\") permit(principal, action, resource) when { principal.age > 17 };");
        Assert.Contains("[UnsafeOptionalAttributeAccess, young]", (await Binary.RunAsync("policies", "validate", "--schema", schema, "--policies", good, "--policies", named)).Output, StringComparison.Ordinal);
        var twice = await Binary.RunAsync("policies", "validate", "--schema", schema, "--policies", named, "--policies", Write("again.cedar", "@id(\"young\") permit(principal, action, resource);"));
        Assert.Equal((2, $"{_folder}/again.cedar:1:1: duplicate policy id `young`, first defined at {named}:1:1; give one of the two another `@id`\n"), (twice.ExitCode, twice.Error));
        // What the sidecar supplies cannot be declared as something else.
        var misdeclared = Write("m.cedarschema", "entity User; action read appliesTo { principal: User, resource: User, context: { now: String } };");
        var contract = await Binary.RunAsync("policies", "validate", "--schema", misdeclared, "--policies", Write("all.cedar", "permit(principal, action, resource);"));
        Assert.Equal(1, contract.ExitCode);
        Assert.Contains("`context.now` is declared as a string, but the sidecar supplies a datetime", contract.Output, StringComparison.Ordinal);
        Assert.EndsWith("not valid: 1 error, 0 warnings\n", contract.Output, StringComparison.Ordinal);
        Assert.Equal("--schema is required\n", (await Binary.RunAsync("policies", "validate", "--policies", good)).Error);
        Assert.Equal("either --policies or --bundle is required\n", (await Binary.RunAsync("policies", "validate", "--schema", schema)).Error);
        Assert.Equal(2, (await Binary.RunAsync("policies", "validate", "--policies", good)).ExitCode);
        Assert.Equal(2, (await Binary.RunAsync("policies", "validate", "--schema", "/nowhere", "--policies", good)).ExitCode);
    }

    [Fact]
    public async Task Compat_OfAllCommands_IsWhatPoliciesBehaveAs()
    {
        var schema = Write("s.cedarschema", "entity User; action read appliesTo { principal: User, resource: User, context: { ip: ipaddr } };");
        var policies = Write("p.cedar", "permit (principal, action, resource)\nwhen { context[\"ip\"].isInRange(ip(\"::/0\"), ip(\"10.0.0.0/8\")) };\n");
        var context = Write("c.json", "{\"ip\": {\"__extn\": {\"fn\": \"ip\", \"arg\": \"10.1.2.3\"}}}");
        string[] request = ["--policies", policies, "--principal", "User::\"a\"", "--action", "read", "--resource", "User::\"b\"", "--context", context];

        Assert.Equal((0, 1), (await ExitCodeOf("validate", "--policies", policies, "--schema", schema), await ExitCodeOf("validate", "--policies", policies, "--schema", schema, "--compat", "4.14")));
        Assert.Equal((0, 1), (await ExitCodeOf(["authorize", .. request]), await ExitCodeOf(["authorize", .. request, "--compat", "4.12"])));
        Assert.Equal((0, 1), (await ExitCodeOf(["explain", .. request]), await ExitCodeOf(["explain", .. request, "--compat", "4.13"])));
        Assert.Equal((0, 1), (await ExitCodeOf(["partially-authorize", .. request, "--schema", schema]), await ExitCodeOf(["partially-authorize", .. request, "--schema", schema, "--compat", "4.13"])));
        var tests = Write("t.json", "[{\"request\": {\"principal\": \"User::\\\"a\\\"\", \"action\": \"Action::\\\"read\\\"\", \"resource\": \"User::\\\"b\\\"\", \"context\": {\"ip\": \"10.1.2.3\"}}, \"entities\": [], \"decision\": \"allow\"}]");
        Assert.Equal((0, 2), (await ExitCodeOf("test", "--policies", policies, "--schema", schema, "--tests", tests), await ExitCodeOf("test", "--policies", policies, "--schema", schema, "--tests", tests, "--compat", "4.13")));
        Assert.Contains("when { context.ip.isInRange(", (await Binary.RunAsync("policies", "format", "--policies", policies)).Output, StringComparison.Ordinal);
        Assert.Contains("when { context[\"ip\"].isInRange(", (await Binary.RunAsync("policies", "format", "--policies", policies, "--compat", "4.14")).Output, StringComparison.Ordinal);
        Assert.Equal(0, await ExitCodeOf("translate", "--policies", policies, "--compat", "4.13"));

        // What cannot mean anything is refused.
        Assert.Equal(
            (2, "unknown release of Cedar `4.11` in --compat; known releases: 4.12, 4.13, 4.14, 4.15\n"),
            await ErrorOf("validate", "--policies", policies, "--schema", schema, "--compat", "4.11"));
        Assert.Equal((2, "--compat is for policies: schemas are the same in all releases\n"), await ErrorOf("translate", "--schema", schema, "--compat", "4.13"));
        Assert.Equal((2, "omit --compat: the questions of --batch have their own\n"), await ErrorOf("authorize", "--batch", tests, "--compat", "4.13"));
        Assert.Equal((2, "omit --policies: the questions of --batch have their own\n"), await ErrorOf("validate", "--policies", policies, "--batch", tests));

        // That of a bundle, unless another is asked for.
        Assert.Equal(0, (await Binary.RunAsync("bundles", "init", Path.Combine(_folder, "bundle"))).ExitCode);
        var manifest = Path.Combine(_folder, "bundle", "bundle.json");
        File.WriteAllText(manifest, File.ReadAllText(manifest).Replace("\"version\": 1,", "\"version\": 1, \"compat\": \"4.13\",", StringComparison.Ordinal));
        File.WriteAllText(Path.Combine(_folder, "bundle", "policies", "range.cedar"), "forbid (principal, action, resource) when { ip(\"::1\").isInRange(ip(\"10.0.0.0/8\"), ip(\"11.0.0.0/8\")) };");
        Assert.Equal((1, 0), (await ExitCodeOf("validate", "--bundle", Path.Combine(_folder, "bundle")), await ExitCodeOf("validate", "--bundle", Path.Combine(_folder, "bundle"), "--compat", "4.15")));
        Assert.Equal(1, (await Binary.RunAsync("bundles", "validate", Path.Combine(_folder, "bundle"))).ExitCode);

        async Task<int> ExitCodeOf(params string[] arguments) => (await Binary.RunAsync(["policies", .. arguments])).ExitCode;

        async Task<(int, string)> ErrorOf(params string[] arguments) => await Binary.RunAsync(["policies", .. arguments]) is var run ? (run.ExitCode, run.Error) : default;
    }

    [Fact]
    public async Task Translate_ThereAndBack_IsTheSame()
    {
        var policies = Write("p.cedar", "@id(\"a\")\npermit(principal == User::\"a\", action in [Action::\"read\", Action::\"write\"], resource) unless { resource.n < (-1) };");
        var json = await Binary.RunAsync("policies", "translate", "--policies", policies);
        Assert.Equal("permit", JsonDocument.Parse(json.Output).RootElement.GetProperty("staticPolicies").GetProperty("policy0").GetProperty("effect").GetString());
        var back = await Binary.RunAsync("policies", "translate", "--policies", Write("p.json", json.Output));
        Assert.Equal(await File.ReadAllTextAsync(policies, TestContext.Current.CancellationToken), back.Output.TrimEnd());

        var schema = Write("s.cedarschema", "entity User = {n?: Long};\naction \"read\" appliesTo {principal: [User], resource: [User]};");
        var schemaJson = await Binary.RunAsync("policies", "translate", "--schema", schema);
        var schemaBack = await Binary.RunAsync("policies", "translate", "--schema", Write("s.json", schemaJson.Output));
        Assert.Equal("entity User = {n?: Long};\naction read appliesTo {principal: [User], resource: [User]};", schemaBack.Output.TrimEnd());
    }

    [Fact]
    public async Task LinkSchemas_ExternalDeclarations_ResolvedByTheOthers()
    {
        var documents = Write("documents.cedarschema", "external entity User;\nentity Document = {owner: User};\naction read appliesTo {principal: User, resource: Document};\n");
        var users = Write("users.cedarschema", "entity User = {name: String};\n");
        var policies = Write("p.cedar", "permit(principal, action, resource) when { resource.owner.name == principal.name };");

        var linked = await Binary.RunAsync("policies", "link-schemas", documents, users);
        Assert.Equal(
            (0, "entity User = {name: __cedar::String};\nentity Document = {owner: User};\naction read appliesTo {principal: [User], resource: [Document]};\n", ""),
            (linked.ExitCode, linked.Output, linked.Error));
        Assert.Equal(0, (await Binary.RunAsync("policies", "validate", "--policies", policies, "--schema", Write("linked.cedarschema", linked.Output))).ExitCode);
        Assert.Equal(0, (await Binary.RunAsync("policies", "validate", "--policies", policies, "--schema", documents, "--schema", users)).ExitCode);

        var partial = await Binary.RunAsync("policies", "link-schemas", documents);
        Assert.Equal((0, "warning: `User` is external, and none of these schemas defines it\n"), (partial.ExitCode, partial.Error));
        var external = $"{documents}:1:1: the entity type `User` is external; define it, or link this schema with the one that does\n";
        var refused = await Binary.RunAsync("policies", "validate", "--policies", policies, "--schema", documents);
        Assert.Equal((2, external), (refused.ExitCode, refused.Error));
        var translated = await Binary.RunAsync("policies", "translate", "--schema", documents);
        Assert.Equal((2, external), (translated.ExitCode, translated.Error));
        var twice = await Binary.RunAsync("policies", "link-schemas", documents, users, users);
        Assert.Equal((2, "", $"{users}:1:1: the entity type `User` is defined in {users} as well; declare it `external` in all schemas but one\n"), (twice.ExitCode, twice.Output, twice.Error));

        // A bundle's schema is whole.
        var bundle = Path.Combine(_folder, "bundle");
        Assert.Equal(0, (await Binary.RunAsync("bundles", "init", bundle)).ExitCode);
        await File.AppendAllTextAsync(Path.Combine(bundle, "schema.cedarschema"), "\nexternal entity Elsewhere;\n", TestContext.Current.CancellationToken);
        var whole = await Binary.RunAsync("bundles", "validate", bundle);
        Assert.Equal(1, whole.ExitCode);
        Assert.Contains("the entity type `Elsewhere` is external; define it, or link this schema with the one that does", whole.Output + whole.Error, StringComparison.Ordinal);

        // A variable that is not set is no file, and an option without a value is not passed over.
        foreach (var (arguments, name) in new (string[], string)[] { (["link-schemas", ""], "<file>"), (["validate", "--policies", policies, "--schema", ""], "--schema"), (["validate", "--batch", ""], "--batch"), (["validate", "--bundle", ""], "--bundle") })
        {
            var empty = await Binary.RunAsync(["policies", .. arguments]);
            Assert.Equal((2, $"authsidecar policies {arguments[0]}: `{name}` is empty; see `authsidecar policies {arguments[0]} --help`\n"), (empty.ExitCode, empty.Error));
        }

        var address = await Binary.RunAsync("health", "--address", "unix:");
        Assert.Equal((2, "authsidecar: `` is not a path for a Unix socket: 1 to 107 bytes, without a null character\n"), (address.ExitCode, address.Error));

        var without = await Binary.RunAsync("policies", "validate", "--policies", policies, "--schema", users, "--schema");
        Assert.Equal((2, "authsidecar policies validate: Required argument missing for option: '--schema'; see `authsidecar policies validate --help`\n"), (without.ExitCode, without.Error));

        var questions = Write("q.jsonl", "{\"policies\": \"permit(principal, action, resource);\", \"schema\": [\"external entity U; action a appliesTo {principal: U, resource: U};\", {\"\": {\"entityTypes\": {\"U\": {}}, \"actions\": {}}}]}\n{\"policies\": \"\", \"schema\": []}\n");
        Assert.Equal("{\"valid\":true,\"errors\":[],\"warnings\":[]}\n{\"error\":\"`schema` is an empty array\"}\n", (await Binary.RunAsync("policies", "validate", "--batch", questions)).Output);
    }

    private const string Policies = """
        @id("owner")
        permit(principal, action, resource is Document) when { resource.owner == principal && context.mfa };
        @id("readers")
        permit(principal in Group::"readers", action == Action::"read", resource);
        @id("locked")
        forbid(principal, action == Action::"write", resource) when { resource.locked };

        """;

    private const string Entities = """
        [{"uid": {"type": "User", "id": "alice"}, "attrs": {}, "parents": [{"type": "Group", "id": "readers"}]},
         {"uid": {"type": "Document", "id": "plan"}, "attrs": {"owner": {"__entity": {"type": "User", "id": "bob"}}, "locked": true}, "parents": []}]
        """;

    private const string Schema = """
        entity Group; entity User in [Group]; entity Document = { owner: User, locked: Bool };
        action read, write appliesTo { principal: User, resource: Document, context: { mfa: Bool } };
        """;

    [Fact]
    public async Task Authorize_FilesAndOptions_DecisionPoliciesAndExitCode()
    {
        var allowed = await AskAsync("authorize", "alice", "read");
        Assert.Equal((0, "allow\n  policy: readers\n"), (allowed.ExitCode, allowed.Output));
        var denied = await AskAsync("authorize", "bob", "write");
        Assert.Equal((1, "deny\n  policy: locked\n"), (denied.ExitCode, denied.Output));
        var refused = await AskAsync("authorize", "bob", "fly", "--schema", Write("s.cedarschema", Schema));
        Assert.Equal((2, "the request does not conform to the schema: unrecognized action `Action::\"fly\"`\n"), (refused.ExitCode, refused.Error));
        Assert.Equal("--action is required\n", (await Binary.RunAsync("policies", "authorize", "--policies", Write("p.cedar", Policies))).Error);
    }

    [Fact]
    public async Task Explain_Denial_TellsTheForbidAndTheNearestPermits()
    {
        var forbidden = await AskAsync("explain", "alice", "write");
        Assert.Equal(1, forbidden.ExitCode);
        Assert.Contains("deny: a forbid is satisfied", forbidden.Output, StringComparison.Ordinal);
        Assert.Contains("it would not apply if `resource.locked` were false", forbidden.Output, StringComparison.Ordinal);
        Assert.Contains("it would apply if `resource.owner` were `User::\"alice\"`", forbidden.Output, StringComparison.Ordinal);

        var unpermitted = await AskAsync("explain", "bob", "read");
        Assert.StartsWith("deny: no permit is satisfied", unpermitted.Output, StringComparison.Ordinal);
        Assert.Contains("  fails  when { (resource.owner == principal) && context.mfa }", unpermitted.Output, StringComparison.Ordinal);
        Assert.Contains("it would apply if `context.mfa` were true", unpermitted.Output, StringComparison.Ordinal);
        Assert.Contains("it would apply if `principal` were in `Group::\"readers\"`", unpermitted.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Partial_ResourceUnknown_TellsWhatItHangsOn()
    {
        var partial = await Binary.RunAsync("policies", "partially-authorize", "--schema", Write("s.cedarschema", Schema), "--policies", Write("p.cedar", Policies),
            "--principal", "User::\"bob\"", "--action", "read", "--context", Write("c.json", """{"mfa": true}"""));
        Assert.Equal(3, partial.ExitCode);
        Assert.Equal(
            """
            unknown
              residual  owner
                        resource.owner == User::"bob"
              residual  readers
                        User::"bob" in Group::"readers"
              false     locked

            """,
            partial.Output);
    }

    [Fact]
    public async Task Test_File_TableJUnitAndCoverage()
    {
        Write("e.json", Entities);
        var tests = Write("tests.json", """
            [{"name": "readers read", "request": {"principal": "User::\"alice\"", "action": "Action::\"read\"", "resource": "Document::\"plan\"", "context": {"mfa": false}},
              "entities": "e.json", "decision": "allow", "reason": ["readers"], "num_errors": 0},
             {"name": "owners write", "request": {"principal": "User::\"bob\"", "action": "Action::\"write\"", "resource": "Document::\"plan\"", "context": {"mfa": true}},
              "entities": "e.json", "decision": "allow", "reason": ["owner"], "num_errors": 0},
             {"request": {}, "entities": "../e.json", "decision": "deny"}]
            """);
        var junit = Path.Combine(_folder, "junit.xml");
        var run = await Binary.RunAsync("policies", "test", "--policies", Write("p.cedar", Policies), "--tests", tests, "--junit", junit);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("  ok      readers read\n  FAILED  owners write: expected allow, got deny: a forbid is satisfied\n  ERROR   test 3: `../e.json` is outside the folder of the test file\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("1 passed, 2 failed\ncoverage: 3 of 3 policies were satisfied, 86 %", run.Output, StringComparison.Ordinal);
        Assert.Contains("when { resource.locked }: held 1, failed 0", run.Output, StringComparison.Ordinal);
        var suite = System.Xml.Linq.XDocument.Load(junit).Root!.Element("testsuite")!;
        Assert.Equal(("3", "1", "1"), ((string?)suite.Attribute("tests"), (string?)suite.Attribute("failures"), (string?)suite.Attribute("errors")));
    }

    [Fact]
    public async Task Policies_FoldersAndPatterns_AreTheFilesInThem()
    {
        Directory.CreateDirectory(Path.Combine(_folder, "policies/team"));
        Write("policies/a.cedar", "@id(\"a\") permit(principal == User::\"a\", action, resource);");
        Write("policies/team/b.cedar", "@id(\"b\") permit(principal == User::\"b\", action, resource);");
        Write("policies/.c.cedar.swp", "nothing");
        foreach (var (path, expected) in new[] { ("policies", "allow\n  policy: b\n"), ("policies/**/*.cedar", "allow\n  policy: b\n"), ("policies/*.cedar", "deny\n") })
        {
            Assert.Equal(expected, (await Binary.RunAsync("policies", "authorize", "--policies", Path.Combine(_folder, path), "--principal", "User::\"b\"", "--action", "read", "--resource", "User::\"b\"")).Output);
        }

        foreach (var (path, message) in new[] { ("nowhere", "not found"), ("policies/*.cdr", "no `.cedar` file matches"), ("nowhere/*.cedar", "no `.cedar` file matches") })
        {
            var refused = await Binary.RunAsync("policies", "authorize", "--policies", Path.Combine(_folder, path), "--principal", "User::\"b\"", "--action", "read", "--resource", "User::\"b\"");
            Assert.Equal((2, true), (refused.ExitCode, refused.Error.Contains(message, StringComparison.Ordinal)));
        }
    }

    [Theory]
    [InlineData("""[{"template": "t", "id": "l", "principal": "User::\"a\""}]""")]
    [InlineData("""[{"template_id": "t", "link_id": "l", "args": {"?principal": "User::\"a\""}}]""")]
    public async Task Links_OfTemplates_Decide(string links)
    {
        var policies = Write("t.cedar", "@id(\"t\") permit(principal == ?principal, action, resource);");
        string[] question = ["policies", "authorize", "--policies", policies, "--principal", "User::\"a\"", "--action", "read", "--resource", "User::\"a\""];
        var without = await Binary.RunAsync(question);
        Assert.Equal((1, "deny\n", "warning: template `t` has no links and never applies; link it in `links.json`, or with --links\n"), (without.ExitCode, without.Output, without.Error));
        var with = await Binary.RunAsync([.. question, "--links", Write("l.json", links)]);
        Assert.Equal((0, "allow\n  policy: l\n", ""), (with.ExitCode, with.Output, with.Error));
    }

    [Fact]
    public async Task BundleInit_ThenItsCommands_AllPass()
    {
        var bundle = Path.Combine(_folder, "new");
        var created = await Binary.RunAsync("bundles", "init", bundle);
        Assert.Equal(0, created.ExitCode);
        Assert.Equal((0, "valid: 0 errors, 0 warnings\n"), await RunAsync("bundles", "validate", bundle));
        Assert.Equal((0, "valid: 0 errors, 0 warnings\n"), await RunAsync("policies", "validate", "--bundle", bundle));
        var (exitCode, output) = await RunAsync("policies", "test", "--bundle", bundle, "--min-coverage", "100");
        Assert.Equal(0, exitCode);
        Assert.Contains("\n6 passed, 0 failed\n", output, StringComparison.Ordinal);
        string[] delete = ["--bundle", bundle, "--principal", "User::\"bob\"", "--action", "delete", "--resource", "Document::\"notes\""];
        Assert.Equal((3, "step_up\n  step up with: mfa, at most 300 s old\n  policy: delete-takes-mfa\n"), await RunAsync(["policies", "authorize", .. delete]));
        (exitCode, output) = await RunAsync(["policies", "explain", .. delete]);
        Assert.Equal(3, exitCode);
        Assert.StartsWith("step_up: a permit is satisfied, and only forbids that a step-up lifts\n  step up with mfa, at most 300 s old\n", output, StringComparison.Ordinal);
        (_, output) = await RunAsync("policies", "explain", "--bundle", bundle, "--principal", "User::\"alice\"", "--action", "update", "--resource", "Document::\"notes\"");
        Assert.StartsWith("deny: no permit is satisfied\n  principal User::\"alice\" is in Group::\"staff\"\n", output, StringComparison.Ordinal);
        // Nothing that is there is ever overwritten.
        Assert.Equal(2, (await Binary.RunAsync("bundles", "init", bundle)).ExitCode);
        var contradiction = await Binary.RunAsync("policies", "validate", "--bundle", bundle, "--schema", "x");
        Assert.Equal((2, "--bundle already has the policies, schema and links: omit --policies, --schema and --links\n"), (contradiction.ExitCode, contradiction.Error));

        static async Task<(int, string)> RunAsync(params string[] arguments)
        {
            var finished = await Binary.RunAsync(arguments);
            return (finished.ExitCode, finished.Output);
        }
    }

    [Fact]
    public async Task Format_Files_PrintedCheckedAndWritten()
    {
        var file = Write("p.cedar", "permit(principal,action,resource)when{true}; // why");
        const string Formatted = "permit (principal, action, resource)\nwhen { true }; // why\n";
        Assert.Equal((0, Formatted), await Run());
        Assert.Equal((1, $"{file}\n"), await Run("--check"));
        Assert.Equal((0, ""), await Run("--write"));
        Assert.Equal(Formatted, await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken));
        Assert.Equal((0, ""), await Run("--check"));

        async Task<(int, string)> Run(params string[] more)
        {
            var finished = await Binary.RunAsync(["policies", "format", "--policies", file, .. more]);
            return (finished.ExitCode, finished.Output);
        }
    }

    private Task<Binary.Finished> AskAsync(string verb, string principal, string action, params string[] more) => Binary.RunAsync([
        "policies", verb, "--policies", Write("p.cedar", Policies), "--entities", Write("e.json", Entities), "--context", Write("c.json", """{"mfa": false}"""),
        "--principal", $"User::\"{principal}\"", "--action", action, "--resource", "Document::\"plan\"", .. more]);

    [Fact]
    public async Task Batch_FromStandardInput_AnsweredLineByLine()
    {
        var finished = await Binary.ShellAsync($$"""
            printf '%s\n' '{"policies": "permit(principal, action, resource);", "entities": [], "request": {"principal": "U::\"a\"", "action": "Action::\"r\"", "resource": "U::\"a\""} }' '{}' | {{Binary.Sidecar}} policies authorize --batch -
            """);
        Assert.Equal(0, finished.ExitCode);
        Assert.Equal("{\"decision\":\"allow\",\"reasons\":[\"policy0\"],\"errors\":[]}\n{\"error\":\"`policies` is missing\"}\n", finished.Output);
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
