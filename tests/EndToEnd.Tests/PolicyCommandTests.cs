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
        Assert.StartsWith($"error: {bad}:2:8: the attribute `age` of `User` need not be there; test `principal has age` before [UnsafeOptionalAttributeAccess, policy0]", invalid.Output, StringComparison.Ordinal);

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
