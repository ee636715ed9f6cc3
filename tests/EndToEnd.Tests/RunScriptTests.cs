using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace EndToEnd.Tests;

/// <summary>What a newcomer types first.</summary>
public sealed class RunScriptTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("run").FullName;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Twice: what was loaded the first time is there the second time, and is not loaded again.</summary>
    [Fact]
    public async Task Run_InAnEmptyFolderAndAgain_EveryLineIsAnsweredAsItSays_AndARoleTakenAwayDenies()
    {
        var first = await RunAsync();
        AssertAnswers(first);
        Assert.Contains("policies published", first, StringComparison.Ordinal);
        var second = await RunAsync();
        // A code is good once: there may not have been a new one yet.
        AssertAnswers(second, except: "Is this code correct?");
        Assert.DoesNotContain("policies published", second, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static void AssertAnswers(string output, string except = "nothing")
    {
        var lines = output.Split('\n');
        var questions = lines.Index().Where(l => l.Item.StartsWith("# ", StringComparison.Ordinal) && !l.Item.Contains(except, StringComparison.Ordinal)).ToList();
        Assert.True(questions.Count >= 9, output);
        foreach (var (index, question) in questions)
        {
            var expected = question[(question.LastIndexOf("-> ", StringComparison.Ordinal) + 3)..];
            var answer = lines.Skip(index + 2).First(l => !l.Contains("Z info: ", StringComparison.Ordinal));
            Assert.True(answer.StartsWith(expected, StringComparison.Ordinal) || (answer.StartsWith("risk 100", StringComparison.Ordinal) && answer.EndsWith(expected, StringComparison.Ordinal)), $"{question}\n{answer}");
        }
    }

    private async Task<string> RunAsync()
    {
        // Not as it is here: what a script starts in the background ignores SIGINT, so do all that it starts, and no trap can change that.
        var start = new ProcessStartInfo("env", ["--default-signal=INT", Path.Combine(Binary.Root, "run.sh")]) { WorkingDirectory = Binary.Root, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["AUTHSIDECAR_QUICKSTART"] = Path.Combine(_folder, "sample");
        start.Environment["AUTHSIDECAR_CONTROL_PORT"] = FreePort();
        // Compilers that stay would hold the output open.
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["UseSharedCompilation"] = "false";
        // They leave empty folders behind; here they go with the test's own.
        start.Environment["TMPDIR"] = Directory.CreateDirectory(Path.Combine(_folder, "tmp")).FullName;
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync(Cancellation);
        var output = new System.Text.StringBuilder();
        try
        {
            while (await process.StandardOutput.ReadLineAsync(Cancellation) is { } line && !line.StartsWith("Ctrl-C", StringComparison.Ordinal))
            {
                output.AppendLine(line);
            }

            Assert.False(process.HasExited, $"{output}{(process.HasExited ? await errors : "")}");
            await Binary.ShellAsync($"kill -INT {process.Id}");
            // The rest is read, so that nothing of it holds a process up.
            await process.StandardOutput.ReadToEndAsync(Cancellation).WaitAsync(Binary.Patience, Cancellation);
            await process.WaitForExitAsync(Cancellation);
            Assert.Equal(0, process.ExitCode);
            Assert.False(File.Exists(Path.Combine(_folder, "sample", "authsidecar.sock")), "the sidecar did not end by itself");
            return output.ToString();
        }
        finally
        {
            process.Kill(entireProcessTree: true);
        }
    }

    private static string FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return $"{((IPEndPoint)listener.LocalEndpoint).Port}";
    }
}
