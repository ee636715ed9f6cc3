namespace EndToEnd.Tests;

/// <summary>What is mistyped, empty or something else is refused, in words that name it.</summary>
public sealed class SidecarCommandTests : IDisposable
{
    private const string Check = "check --action read --resource 'Document::\"plan\"'";

    private readonly string _folder = Directory.CreateTempSubdirectory("sidecar").FullName;

    [Theory]
    [InlineData("check --action read --resource 'Document::\"plan\"'", "--principal or --token-file is required")]
    [InlineData(Check + " --principal 'User::\"alice\"' --token x", "--principal excludes --token-file and --token")]
    [InlineData(Check + " --token-file {0}", "--token-file: `{0}` is a folder, not a file")]
    [InlineData(Check + " --token-file {0}/none", "--token-file: `{0}/none` not found")]
    [InlineData("touch {0}/empty; " + Check + " --token-file {0}/empty", "--token-file: the token is empty")]
    [InlineData(Check + " --token ''", "`--token` is empty")]
    [InlineData(Check + " --token x --address /tmp/none.sock", "--address: `/tmp/none.sock` is not an address such as `unix:")]
    [InlineData("validate-token", "--token-file is required")]
    [InlineData("echo '[]' > {0}/none.json; policies test --bundle {0}/app --tests {0}/none.json", "{0}/none.json: expected an array of at least one test")]
    [InlineData("policies test --bundle {0}/app --min-coverage NaN", "`--min-coverage` must be 0 to 100")]
    [InlineData("policies test --bundle {0}/app --junit {0}/app/entities.json", "--junit: `{0}/app/entities.json` exists and is not a report")]
    [InlineData("quickstart create {0}", "`{0}` is not empty and not a sample")]
    [InlineData("serve --bundle {0}/app --state {0}/app/state", "`--state` must not be in the bundle folder")]
    [InlineData("openssl ecparam -name prime256v1 -genkey -noout -out {0}/key.pem; serve --bundle {0}/app --state {0}/s --bundle-key {0}/key.pem", "--bundle-key: `{0}/key.pem` is a private key")]
    [InlineData("touch {0}/empty; serve --bundle {0}/app --state {0}/s --bundle-key {0}/empty", "--bundle-key: ")]
    [InlineData("serve --bundle {0}/app --state {0}/s --socket none --listen 127.0.0.1:0 --socket-mode 0600", "`--socket-mode` requires a socket")]
    [InlineData("serve --control-plane https://localhost:1 --application 'a b' --join-token /etc/passwd --state {0}/s", "--application: `a b` must have 1 to 128 letters")]
    [InlineData("serve --control-plane https://localhost:1 --application a --tenant '' --join-token /etc/passwd --state {0}/s", "`--tenant` is empty")]
    public async Task Commands_ThatCannotBe_ExitWithTwoAndSayWhatIsWrong(string line, string message)
    {
        Assert.Equal(0, (await Binary.RunAsync("bundles", "init", Path.Combine(_folder, "app"))).ExitCode);
        var (before, command) = line.Split("; ") is [var first, var second] ? ($"{first}; ", second) : ("", line);
        var answer = await Binary.ShellAsync($"{before}{Binary.Sidecar} {command}".Replace("{0}", _folder, StringComparison.Ordinal));
        Assert.Equal(2, answer.ExitCode);
        Assert.Contains(message.Replace("{0}", _folder, StringComparison.Ordinal), answer.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", answer.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(": > {0}/policies/documents.cedar", "policies/documents.cedar:1:1: the file contains no policy; restore its content, or remove the file")]
    [InlineData("echo '// nothing' > {0}/policies/documents.cedar", "policies/documents.cedar:1:1: the file contains no policy")]
    [InlineData("mv {0}/policies {0}/policy", "policy/documents.cedar: unexpected file: policy files are named `policies/….cedar`")]
    [InlineData("mv {0}/schema.cedarschema {0}/schema.cedar", "schema.cedar: unexpected file")]
    [InlineData("mv {0}/entities.json {0}/entites.json", "entites.json: unexpected file; did you mean `entities.json`?")]
    [InlineData("sed -i 's/@id/@Id/' {0}/policies/documents.cedar", "unknown annotation `@Id`; did you mean `@id`?")]
    public async Task Validate_BundleThatLostSomething_IsNotValid(string change, string message)
    {
        var bundle = Path.Combine(_folder, "app");
        Assert.Equal(0, (await Binary.RunAsync("bundles", "init", bundle)).ExitCode);
        await Binary.ShellAsync(change.Replace("{0}", bundle, StringComparison.Ordinal));
        var answer = await Binary.RunAsync("bundles", "validate", bundle);
        Assert.Equal(1, answer.ExitCode);
        Assert.Contains(message, answer.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Validate_BundleWithOtherFilesInIt_IsValid()
    {
        var bundle = Path.Combine(_folder, "app");
        Assert.Equal(0, (await Binary.RunAsync("bundles", "init", bundle)).ExitCode);
        foreach (var name in new[] { "README.md", "users.json", "notes.json", "issuer.jwks.json", "tests/more.json" })
        {
            await File.WriteAllTextAsync(Path.Combine(bundle, name), "[]", TestContext.Current.CancellationToken);
        }

        Assert.Equal(0, (await Binary.RunAsync("bundles", "validate", bundle)).ExitCode);
    }

    [Fact]
    public async Task Validate_MisspeltAttributeThatIsTestedFor_IsAWarningThatMayFail()
    {
        var bundle = Path.Combine(_folder, "app");
        Assert.Equal(0, (await Binary.RunAsync("bundles", "init", bundle)).ExitCode);
        await File.WriteAllTextAsync(Path.Combine(bundle, "policies", "more.cedar"), "forbid (principal, action, resource) when { resource has ownr };", TestContext.Current.CancellationToken);
        var answer = await Binary.RunAsync("bundles", "validate", bundle);
        Assert.Contains("is never true; did you mean `owner`?", answer.Output, StringComparison.Ordinal);
        Assert.Equal(0, answer.ExitCode);
        Assert.Equal(1, (await Binary.RunAsync("bundles", "validate", bundle, "--fail-on-warnings")).ExitCode);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
