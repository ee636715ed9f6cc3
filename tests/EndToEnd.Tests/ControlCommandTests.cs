namespace EndToEnd.Tests;

/// <summary>The command line of the control plane, as an operator uses it.</summary>
public sealed class ControlCommandTests : IDisposable
{
    private readonly string _bundle = Directory.CreateTempSubdirectory("bundle").FullName;

    [Fact]
    public async Task ImportDiffPublishRollBackHistory_TellWhatTheyDid()
    {
        await using var fleet = await Fleet.StartAsync();
        Write("bundle.json", """{"version": 1, "contents": []}""");
        Write("entities.json", """[{"uid": {"type": "User", "id": "alice"}, "attrs": {}, "parents": []}]""");
        Write("policies/all.cedar", "permit (principal, action, resource);\n");
        Write("revocations.json", """{"subjects": [{"issuer": "https://issuer.test", "sub": "mallory", "notBefore": 1795000000}]}""");
        Write("risk.json", """{"maxFailures": 3}""");
        Write("profiles.json", """{"profiles": {"User::\"alice\"": {"countries": ["CH"]}}}""");
        var imported = await RunAsync(fleet, "import", _bundle, "--application", "documents");
        Assert.Equal(0, imported.ExitCode);
        Assert.Matches("""^1 entities: revision \d+\n1 documents of policies: revision \d+\nrevocation among subjects: revision \d+\nrisk settings: revision \d+\nrisk profile of User::"alice": revision \d+\n$""", imported.Output);

        Write("policies/all.cedar", "permit (principal, action, resource);\nforbid (principal, action, resource);\n");
        Write("policies/more.cedar", "permit (");
        var diff = await RunAsync(fleet, "policies", "diff", _bundle, "--application", "documents");
        Assert.Contains("changed policies/all.cedar\n permit (principal, action, resource);\n+forbid (principal, action, resource);\nadded policies/more.cedar\n+permit (\n", diff.Output, StringComparison.Ordinal);
        Assert.Contains("fault: policies/more.cedar:1:", diff.Output, StringComparison.Ordinal);
        Assert.Contains("2 documents would change, 1 faults, 0 warnings", diff.Output, StringComparison.Ordinal);
        var refused = await RunAsync(fleet, "policies", "publish", _bundle, "--application", "documents");
        Assert.Equal(2, refused.ExitCode);
        Assert.StartsWith("authsidecar-control: policies/more.cedar:1:", refused.Error, StringComparison.Ordinal);

        File.Delete(Path.Combine(_bundle, "policies/more.cedar"));
        Assert.StartsWith("published: revision ", (await RunAsync(fleet, "policies", "publish", _bundle, "--application", "documents", "--message", "closed for now")).Output, StringComparison.Ordinal);
        var stale = await RunAsync(fleet, "policies", "publish", _bundle, "--application", "documents", "--expected-revision", "1");
        Assert.Equal((2, true), (stale.ExitCode, stale.Error.Contains("somebody else was faster", StringComparison.Ordinal)));
        var first = (await RunAsync(fleet, "policies", "history", "--application", "documents")).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1].Split(' ')[0];
        Assert.StartsWith("rolled back: revision ", (await RunAsync(fleet, "policies", "roll-back", first, "--application", "documents")).Output, StringComparison.Ordinal);
        var history = (await RunAsync(fleet, "policies", "history", "--application", "documents")).Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, history.Length);
        Assert.EndsWith($"(of revision {first})", history[0], StringComparison.Ordinal);
        Assert.EndsWith("closed for now", history[1], StringComparison.Ordinal);
        Assert.Contains("  uid:", history[1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("entities.json", "[1]", "expected an object, found `1`")]
    [InlineData("issuers.json", """{"issuers": [{"issuer": "https://issuer.test"}]}""", "an issuer names its key set in `jwks`")]
    [InlineData("issuers.json", "[]", "is not as docs/bundle.md has it")]
    [InlineData("risk.json", """{"maxFalures": 3}""", "maxFalures")]
    [InlineData("bundle.json", """{"version": 1, "contents": [], "packs": ["rbac"]}""", "authsidecar policy pack rbac")]
    public async Task Import_DocumentThatIsNotAsItShouldBe_ExitsWithTwoAndSaysSo(string name, string content, string message)
    {
        await using var fleet = await Fleet.StartAsync();
        Write("bundle.json", """{"version": 1, "contents": []}""");
        Write(name, content);
        var refused = await RunAsync(fleet, "import", _bundle, "--application", "documents");
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains(message, refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Fleet_SidecarThatFollows_IsListedWithWhatItServes()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        var token = await RunAsync(fleet, "join-token", "--application", "documents");
        Assert.Matches("^join\\.[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]{43}\\.[A-Za-z0-9_-]{43}\n$", token.Output);
        await fleet.JoinAsync("one", token.Output);
        await Writes.WriteAsync(fleet, Writes.User("alice", "reader"));
        await Fleet.UntilAsync(async () => (await RunAsync(fleet, "fleet")).Output is var text
            && text.StartsWith("documents one  version ", StringComparison.Ordinal) && text.Contains(", current, heard ", StringComparison.Ordinal) && text.Contains("  entities ", StringComparison.Ordinal) && text.EndsWith("1 sidecars\n", StringComparison.Ordinal));
        Assert.StartsWith("removed: revision ", (await RunAsync(fleet, "remove-sidecar", "one", "--application", "documents")).Output, StringComparison.Ordinal);
        await Fleet.UntilAsync(async () => (await RunAsync(fleet, "fleet")).Output == "0 sidecars\n");
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
        Assert.True(ulong.TryParse((await RunAsync(fleet, "members", "User::\"alice\"", "--remove", "Role::\"reader\"")).Output, out _));
        Assert.True(ulong.TryParse((await RunAsync(fleet, "revoke", "--issuer", "https://issuer.test", "--subject", "alice")).Output, out _));
        Assert.Equal(
            (2, "authsidecar-control: give one of `--token-id`, `--session-id` and `--subject`\n"),
            (await RunAsync(fleet, "revoke", "--issuer", "https://issuer.test")) is var none ? (none.ExitCode, none.Error) : default);
        Assert.Equal(
            (2, "authsidecar-control: there is no entity User::\"bob\"\n"),
            (await RunAsync(fleet, "members", "User::\"bob\"")) is var missing ? (missing.ExitCode, missing.Error) : default);
    }

    [Theory]
    [InlineData("fleet --admin-socket /nowhere/control.sock", "no control plane answers at `/nowhere/control.sock`")]
    [InlineData("serve --state {0}/s --listen here", "`here` is not an address and port")]
    [InlineData("serve --state {0}/s --listen 127.0.0.1:1", "give `--name`")]
    [InlineData("serve --state {0}/s --listen 127.0.0.1:1 --certificate {0}/none", "give both `--certificate` and `--certificate-key`")]
    [InlineData("serve --state {0}/s --database mysql:x", "a database is written `sqlite:PATH` or `postgres:CONNECTION`")]
    [InlineData("serve --state {0}/s --database postgres:Host=/nowhere", "give `--key-vault`")]
    [InlineData("serve --state {0}/s --key-vault file:{0}/none --admin-socket {0}/a.sock", "the master keys in `{0}/none` cannot be read")]
    [InlineData("serve --state {0}/s --key-vault kms:x", "a key vault is written")]
    public async Task Commands_ThatCannotBe_ExitWithTwoAndSayWhatIsWrong(string arguments, string message)
    {
        var answer = await Binary.ShellAsync($"{Binary.ControlPlane} {arguments.Replace("{0}", _bundle, StringComparison.Ordinal)}");
        Assert.Equal(2, answer.ExitCode);
        Assert.Contains(message.Replace("{0}", _bundle, StringComparison.Ordinal), answer.Error, StringComparison.Ordinal);
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
