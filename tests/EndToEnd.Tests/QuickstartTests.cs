using System.Diagnostics;
using System.Text.Json;

namespace EndToEnd.Tests;

/// <summary>The sample application, served by the binary and asked from the command line: what a newcomer does first.</summary>
public sealed class QuickstartTests : IClassFixture<QuickstartTests.RunningSample>
{
    private readonly RunningSample _sample;

    public QuickstartTests(RunningSample sample) => _sample = sample;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task PrintedLines_EachPastedIntoAShell_GivesThePrintedAnswer()
    {
        var shown = await Binary.RunAsync("quickstart", "show", _sample.Folder, "--address", _sample.Address);
        Assert.Equal(0, shown.ExitCode);
        var lines = shown.Output.Split('\n');
        var questions = lines.Index().Where(l => l.Item.StartsWith("# ", StringComparison.Ordinal)).ToList();
        Assert.Equal(8, questions.Count);
        foreach (var (index, question) in questions)
        {
            var expected = question[(question.LastIndexOf("-> ", StringComparison.Ordinal) + 3)..];
            var answered = await Binary.ShellAsync(lines[index + 1]);
            var text = answered.Output + answered.Error;
            Assert.True(expected switch
            {
                "valid" => answered.ExitCode == 0 && text.StartsWith("valid: alice", StringComparison.Ordinal),
                "allow" => answered.ExitCode == 0 && text.StartsWith("allow: ", StringComparison.Ordinal),
                "deny" => answered.ExitCode == 1 && text.Contains("deny", StringComparison.Ordinal),
                "step up" => answered.ExitCode == 3 && text.StartsWith("step up: ", StringComparison.Ordinal),
                "verified" => answered.ExitCode == 0 && text.StartsWith("verified", StringComparison.Ordinal),
                _ => false,
            }, $"{question}\n{lines[index + 1]}\nexit {answered.ExitCode}: {text}");
        }
    }

    [Fact]
    public async Task PrintedToken_Always_IsTheOneInTheFile()
    {
        var shown = await Binary.RunAsync("quickstart", "show", _sample.Folder, "--address", _sample.Address);
        Assert.Contains((await File.ReadAllTextAsync(Path.Combine(_sample.Folder, "alice.token"), Cancellation)).Trim(), shown.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task EditedPolicy_WithoutARestart_Counts()
    {
        Assert.Equal(0, (await ReadPlanAsync()).ExitCode);
        var path = Path.Combine(_sample.Folder, "bundle", "policies", "closed.cedar");
        await File.WriteAllTextAsync(path, "@id(\"closed\") forbid (principal, action, resource);", Cancellation);
        var saved = Stopwatch.StartNew();
        Binary.Finished answer;
        do
        {
            answer = await ReadPlanAsync();
        }
        while (answer.ExitCode == 0 && saved.Elapsed < Binary.Patience);

        Assert.Equal(1, answer.ExitCode);
        Assert.Contains("closed", answer.Output, StringComparison.Ordinal);
        File.Delete(path);
        await EventuallyAsync(async () => (await ReadPlanAsync()).ExitCode == 0);
    }

    [Fact]
    public async Task BrokenPolicy_WhileServing_OldAnswersStandAndThePlaceIsReported()
    {
        var path = Path.Combine(_sample.Folder, "bundle", "policies", "broken.cedar");
        await File.WriteAllTextAsync(path, "permit (principal, action, resource)\n  when { resource.public == };\n", Cancellation);
        await EventuallyAsync(() => Task.FromResult(_sample.Log.Contains("policies/broken.cedar:2:29: expected an expression, found `}`", StringComparison.Ordinal)));
        Assert.Equal(0, (await ReadPlanAsync()).ExitCode);
        File.Delete(path);
    }

    [Fact]
    public async Task Check_AsJson_IsTheWholeAnswer()
    {
        var answer = await Binary.RunAsync("check", "--address", _sample.Address, "--json", "--principal", "User::\"bob\"", "--action", "read", "--resource", "Document::\"plan\"");
        using var json = JsonDocument.Parse(answer.Output);
        Assert.Equal("DECISION_ALLOW", json.RootElement.GetProperty("decision").GetString());
        Assert.Equal("rbac.moderator", json.RootElement.GetProperty("determiningPolicies")[0].GetProperty("policyId").GetString());
        Assert.NotEqual("0", json.RootElement.GetProperty("freshness").GetProperty("policies").GetProperty("revision").GetString());
    }

    [Fact]
    public async Task StepUp_WithTheProofOfABackupCode_IsAllowed()
    {
        var codes = await File.ReadAllLinesAsync(Path.Combine(_sample.Folder, "alice.backup-codes"), Cancellation);
        Assert.Equal(10, codes.Length);
        string[] verify = ["verify-mfa", "--address", _sample.Address, "--subject", "User::\"alice\"", "--factor", "backup", "--code", codes[0]];
        var verified = await Binary.RunAsync(verify);
        Assert.Equal(0, verified.ExitCode);
        string[] check = ["check", "--address", _sample.Address, "--token-file", Path.Combine(_sample.Folder, "alice.token"), "--action", "delete", "--resource", "Document::\"salaries\""];
        Assert.Equal(3, (await Binary.RunAsync(check)).ExitCode);
        Assert.Equal(0, (await Binary.RunAsync([.. check, "--mfa-proof", verified.Output.Split('\n')[1].Trim()])).ExitCode);

        var again = await Binary.RunAsync(verify);
        Assert.Equal(1, again.ExitCode);
        Assert.Contains("code used", again.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("check --principal alice --action read --resource Document::\\\"plan\\\"", "--principal: `alice`: expected `::` and the entity's id in quotes")]
    [InlineData("check --principal User::\\\"a\\\" --action read --resource Document::\\\"plan\\\" --attribute n", "--attribute: `n` is not of the form name=value")]
    [InlineData("check --nonsense", "Unrecognized command or argument '--nonsense'")]
    [InlineData("check --action read --resource Document::\\\"plan\\\" --token-file /nowhere", "--token-file: `/nowhere` not found")]
    [InlineData("verify-mfa --subject User::\\\"a\\\" --factor '' --code 1", "`--factor` is empty")]
    public async Task Calls_UsageErrors_ExitWithTwoAndSayWhatIsWrong(string arguments, string message)
    {
        var answer = await Binary.ShellAsync($"{Binary.Sidecar} {arguments} --address {_sample.Address}");
        Assert.Equal(2, answer.ExitCode);
        Assert.Contains(message, answer.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Calls_NoSidecarThere_ExitWithTwo()
    {
        var answer = await Binary.RunAsync("health", "--address", "unix:/nowhere/authsidecar.sock");
        Assert.Equal((2, "authsidecar: no sidecar answers at unix:/nowhere/authsidecar.sock\n"), (answer.ExitCode, answer.Error));
    }

    [Theory]
    [InlineData("--bundle /nowhere", "the bundle folder `/nowhere` does not exist")]
    [InlineData("--bundle . --listen 0.0.0.0:1", "`0.0.0.0:1` is not a loopback address")]
    [InlineData("--bundle . --listen here", "`here` is not an address and port")]
    [InlineData("--bundle . --application documents", "`--application` requires `--control-plane`")]
    [InlineData("--bundle . --max-staleness tokens=5m", "--max-staleness: `tokens=5m` is not a data type and a time")]
    [InlineData("--control-plane https://127.0.0.1:1 --join-token /nowhere", "`--control-plane` requires `--application`")]
    [InlineData("--control-plane https://127.0.0.1:1 --application a --join-token /nowhere", "the file `/nowhere` does not exist")]
    [InlineData("--bundle . --listen none --socket none", "no listener")]
    [InlineData("--bundle . --tls-client-ca ca.pem", "`--tls-client-ca` requires `--listen-tls`")]
    [InlineData("--bundle . --listen-tls 0.0.0.0:1 --tls-certificate c --tls-certificate-key k", "`--listen-tls` requires `--tls-certificate`, `--tls-certificate-key` and `--tls-client-ca`")]
    [InlineData("--bundle . --listen-tls 0.0.0.0 --tls-certificate c --tls-certificate-key k --tls-client-ca none", "`0.0.0.0` is not an address and port")]
    [InlineData("--bundle . --listen-tls 0.0.0.0:1 --tls-certificate /nowhere --tls-certificate-key /nowhere --tls-client-ca none", "the file `/nowhere` of `--tls-certificate` does not exist")]
    [InlineData("--bundle . --listen-tls 0.0.0.0:1 --tls-certificate c --tls-certificate-key k --tls-client-ca none --tls-trust-domain a.example", "`--tls-trust-domain` requires `--tls-client-ca`")]
    public async Task Serve_OptionsThatCannotBe_ExitWithTwoAndSayWhatIsWrong(string arguments, string message)
    {
        var answer = await Binary.ShellAsync($"{Binary.Sidecar} serve --state {_sample.Folder}/other-state {arguments}");
        Assert.Equal(2, answer.ExitCode);
        Assert.Contains(message, answer.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Serve_StateThatAnotherSidecarHas_ExitsWithTwo()
    {
        var answer = await Binary.RunAsync("serve", "--bundle", $"{_sample.Folder}/bundle", "--state", $"{_sample.Folder}/state", "--socket", $"{_sample.Folder}/other.sock", "--listen", "none");
        Assert.Equal(2, answer.ExitCode);
        Assert.Contains("is in use by another process", answer.Error, StringComparison.Ordinal);
    }

    private Task<Binary.Finished> ReadPlanAsync() =>
        Binary.RunAsync("check", "--address", _sample.Address, "--principal", "User::\"alice\"", "--action", "read", "--resource", "Document::\"plan\"");

    internal static async Task EventuallyAsync(Func<Task<bool>> condition)
    {
        for (var i = 0; !await condition(); i++)
        {
            Assert.True(i < 50, "it did not come about within ten seconds");
            await Task.Delay(200, Cancellation);
        }
    }

    /// <summary>The sample, created and served by the binary for the length of these tests; at their end told to stop by SIGTERM.</summary>
    public sealed class RunningSample : IAsyncLifetime
    {
        private readonly System.Text.StringBuilder _log = new();
        private Process _process = null!;

        public string Folder { get; } = Directory.CreateTempSubdirectory("authsidecar-e2e-").FullName;

        public string Address => $"unix:{Folder}/s.sock";

        public string Log
        {
            get
            {
                lock (_log)
                {
                    return _log.ToString();
                }
            }
        }

        public async ValueTask InitializeAsync()
        {
            Assert.Equal(0, (await Binary.RunAsync("quickstart", "create", Folder)).ExitCode);
            _process = Binary.Start(Binary.Sidecar, ["serve", "--bundle", $"{Folder}/bundle", "--state", $"{Folder}/state", "--socket", $"{Folder}/s.sock", "--listen", "none", "--log", "text"]);
            _process.OutputDataReceived += (_, e) => Append(e.Data);
            _process.ErrorDataReceived += (_, e) => Append(e.Data);
            _process.BeginOutputReadLine();
            _process.BeginErrorReadLine();
            await EventuallyAsync(async () => (await Binary.RunAsync("health", "--address", Address)).ExitCode == 0);
        }

        public async ValueTask DisposeAsync()
        {
            await Binary.ShellAsync($"kill -TERM {_process.Id}");
            await _process.WaitForExitAsync(CancellationToken.None).WaitAsync(Binary.Patience, CancellationToken.None);
            Assert.Equal(0, _process.ExitCode);
            Assert.False(File.Exists($"{Folder}/s.sock"), "the socket is left behind");
            _process.Dispose();
            Directory.Delete(Folder, recursive: true);
        }

        private void Append(string? line)
        {
            lock (_log)
            {
                _log.AppendLine(line);
            }
        }
    }
}
