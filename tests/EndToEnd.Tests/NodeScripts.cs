using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;

namespace EndToEnd.Tests;

/// <summary>The scripts in `node/`: software that others wrote, against ours.</summary>
internal static class NodeScripts
{
    private static readonly Lazy<Task<string?>> Prepared = new(PrepareAsync);

    /// <summary>Why they cannot be run here; null: they can.</summary>
    public static Task<string?> MissingAsync() => Prepared.Value;

    /// <summary>Runs one, and reads what it prints.</summary>
    /// <param name="script">Its file.</param>
    /// <param name="caFile">The CA that it trusts.</param>
    /// <param name="arguments">What it is told.</param>
    public static async Task<JsonNode> RunAsync(string script, string caFile, params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo("node", [Path.Combine(Folder(), script), .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["NODE_EXTRA_CA_CERTS"] = caFile;
        using var process = Process.Start(start)!;
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
            patience.CancelAfter(Binary.Patience);
            var (output, error) = (process.StandardOutput.ReadToEndAsync(patience.Token), process.StandardError.ReadToEndAsync(patience.Token));
            await process.WaitForExitAsync(patience.Token);
            Assert.True(process.ExitCode == 0, $"{script} {string.Join(' ', arguments)}: {await error}");
            return JsonNode.Parse(await output)!;
        }
        finally
        {
            // One that does not end by itself must not outlive its test.
            process.Kill(entireProcessTree: true);
        }
    }

    private static async Task<string?> PrepareAsync()
    {
        if (Directory.Exists(Path.Combine(Folder(), "node_modules", "playwright-core")))
        {
            return null;
        }

        var finished = await Binary.ShellAsync($"cd '{Folder()}' && npm ci --no-audit --no-fund");
        return finished.ExitCode == 0 ? null : $"npm ci failed: {finished.Error}";
    }

    private static string Folder([CallerFilePath] string path = "") => Path.Combine(Path.GetDirectoryName(path)!, "node");
}
