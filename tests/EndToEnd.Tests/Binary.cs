using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace EndToEnd.Tests;

/// <summary>The binaries, run as their users run them.</summary>
internal static class Binary
{
    /// <summary>How long a test waits for what takes seconds on an idle machine: long enough for one that is busy many times over.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    /// <summary>A deadline for calls that wait for a revision; without one they wait 10 seconds.</summary>
    public static DateTime Deadline => TimeProvider.System.GetUtcNow().UtcDateTime + Patience;

    /// <summary>The root of the repository.</summary>
    public static string Root { get; } = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", ".."));

    public static string Sidecar { get; } = Of("AuthSidecar", "authsidecar");

    public static string ControlPlane { get; } = Of("AuthSidecar.ControlPlane", "authsidecar-control");

    /// <summary>The document service of <c>samples/documents</c>.</summary>
    public static string DocumentService { get; } = Of("documents", "documents");

    public static async Task<Finished> RunAsync(params string[] arguments)
    {
        using var process = Start(Sidecar, arguments);
        return await FinishAsync(process, Patience);
    }

    public static async Task<Finished> RunControlAsync(params string[] arguments)
    {
        using var process = Start(ControlPlane, arguments);
        return await FinishAsync(process, Patience);
    }

    /// <summary>Runs a line as a shell does.</summary>
    public static async Task<Finished> ShellAsync(string line, TimeSpan? patience = null)
    {
        using var process = Start("bash", ["-c", line]);
        return await FinishAsync(process, patience ?? Patience);
    }

    public static Process Start(string file, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(file, arguments) { WorkingDirectory = Root, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        var process = Process.Start(start)!;
        process.StandardInput.Close();
        return process;
    }

    /// <summary>A binary of the same configuration as these tests.</summary>
    private static string Of(string project, string name) =>
        Path.Combine(Root, "artifacts", "bin", project, Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)), name);

    public static async Task<Finished> FinishAsync(Process process, TimeSpan limit)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(limit);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(patience.Token);
            var error = process.StandardError.ReadToEndAsync(patience.Token);
            await process.WaitForExitAsync(patience.Token);
            return new Finished(process.ExitCode, await output, await error);
        }
        finally
        {
            // One that does not end by itself must not outlive its test.
            process.Kill(entireProcessTree: true);
        }
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;

    public sealed record Finished(int ExitCode, string Output, string Error);
}
