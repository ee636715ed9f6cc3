using System.Text.Json;

namespace EndToEnd.Tests;

/// <summary><c>authsidecar policy</c>, as its users run it.</summary>
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

        var valid = await Binary.RunAsync("policy", "validate", "--schema", schema, "--policies", good);
        Assert.Equal((0, "valid: 0 errors, 0 warnings\n"), (valid.ExitCode, valid.Output));

        var invalid = await Binary.RunAsync("policy", "validate", "--schema", schema, "--policies", good, "--policies", bad);
        Assert.Equal(1, invalid.ExitCode);
        Assert.StartsWith($"error: {bad}:2:8: the attribute `age` of `User` is optional and may be absent; test `principal has age` before [UnsafeOptionalAttributeAccess, policy0]", invalid.Output, StringComparison.Ordinal);

        var refused = await Binary.RunAsync("policy", "validate", "--schema", schema, "--policies", broken);
        Assert.Equal((2, ""), (refused.ExitCode, refused.Output));
        Assert.StartsWith($"{broken}:1:19: expected `action`, found `actoin`", refused.Error, StringComparison.Ordinal);

        Assert.Equal(2, (await Binary.RunAsync("policy", "validate", "--policies", good)).ExitCode);
        Assert.Equal(2, (await Binary.RunAsync("policy", "validate", "--schema", "/nowhere", "--policies", good)).ExitCode);
    }

    [Fact]
    public async Task Translate_ThereAndBack_IsTheSame()
    {
        var policies = Write("p.cedar", "@id(\"a\")\npermit(principal == User::\"a\", action in [Action::\"read\", Action::\"write\"], resource) unless { resource.n < (-1) };");
        var json = await Binary.RunAsync("policy", "translate", "--policies", policies);
        Assert.Equal("permit", JsonDocument.Parse(json.Output).RootElement.GetProperty("staticPolicies").GetProperty("policy0").GetProperty("effect").GetString());
        var back = await Binary.RunAsync("policy", "translate", "--policies", Write("p.json", json.Output));
        Assert.Equal(await File.ReadAllTextAsync(policies, TestContext.Current.CancellationToken), back.Output.TrimEnd());

        var schema = Write("s.cedarschema", "entity User = {n?: Long};\naction \"read\" appliesTo {principal: [User], resource: [User]};");
        var schemaJson = await Binary.RunAsync("policy", "translate", "--schema", schema);
        var schemaBack = await Binary.RunAsync("policy", "translate", "--schema", Write("s.json", schemaJson.Output));
        Assert.Equal("entity User = {n?: Long};\naction read appliesTo {principal: [User], resource: [User]};", schemaBack.Output.TrimEnd());
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
        Assert.Equal("--action is missing\n", (await Binary.RunAsync("policy", "authorize", "--policies", Write("p.cedar", Policies))).Error);
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
        var partial = await Binary.RunAsync("policy", "partial", "--schema", Write("s.cedarschema", Schema), "--policies", Write("p.cedar", Policies),
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
        var run = await Binary.RunAsync("policy", "test", "--policies", Write("p.cedar", Policies), "--tests", tests, "--junit", junit);
        Assert.Equal(1, run.ExitCode);
        Assert.Contains("  ok      readers read\n  FAILED  owners write: expected allow, got deny\n  ERROR   test 3: `../e.json` is outside of the folder of the tests\n", run.Output, StringComparison.Ordinal);
        Assert.Contains("1 passed, 2 failed\ncoverage: 3 of 3 policies were satisfied, 86 %", run.Output, StringComparison.Ordinal);
        Assert.Contains("when { resource.locked }: held 1, failed 0", run.Output, StringComparison.Ordinal);
        var suite = System.Xml.Linq.XDocument.Load(junit).Root!.Element("testsuite")!;
        Assert.Equal(("3", "1", "1"), ((string?)suite.Attribute("tests"), (string?)suite.Attribute("failures"), (string?)suite.Attribute("errors")));
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
            var finished = await Binary.RunAsync(["policy", "format", "--policies", file, .. more]);
            return (finished.ExitCode, finished.Output);
        }
    }

    private Task<Binary.Finished> AskAsync(string verb, string principal, string action, params string[] more) => Binary.RunAsync([
        "policy", verb, "--policies", Write("p.cedar", Policies), "--entities", Write("e.json", Entities), "--context", Write("c.json", """{"mfa": false}"""),
        "--principal", $"User::\"{principal}\"", "--action", action, "--resource", "Document::\"plan\"", .. more]);

    [Fact]
    public async Task Batch_FromStandardInput_AnsweredLineByLine()
    {
        var finished = await Binary.ShellAsync($$"""
            printf '%s\n' '{"policies": "permit(principal, action, resource);", "entities": [], "request": {"principal": "U::\"a\"", "action": "Action::\"r\"", "resource": "U::\"a\""} }' '{}' | {{Binary.Sidecar}} policy authorize --batch -
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
