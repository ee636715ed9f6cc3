using System.Diagnostics;

namespace EndToEnd.Tests;

/// <summary>
/// The images without an engine to build them: the Dockerfile's own publish lines are run, what its final stages copy is laid into an empty root beside what their
/// base images have, and started there as their user.
/// </summary>
[Collection(nameof(Alone))]
public sealed class ImageTests : IDisposable
{
    private const string User = "1654";

    /// <summary>Native compilation takes minutes where others compile as well.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    private readonly string _folder = Directory.CreateTempSubdirectory("image").FullName;
    private readonly string[] _lines = File.ReadAllLines(Path.Combine(Binary.Root, "Dockerfile"));
    private string _entry = "";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Sidecar_InAnEmptyRoot_Decides()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "chroot needs root");
        var root = await BuildAsync("sidecar");
        // runtime-deps, chiseled-extra: the C library, OpenSSL, ICU and time zones.
        await ShellAsync($"{CopyLibrariesOf($"{root}/app/authsidecar", root)} && cp -r --parents /usr/share/zoneinfo {root}");
        await AddSharedLibrariesAsync(root);
        await ShellAsync($"{Binary.Sidecar} quickstart create {root}/var/lib/authsidecar/quickstart && chown -R {User}:{User} {root}/var/lib/authsidecar");

        Assert.Equal((0, true), await RunAsync(root, ["serve", "--help"]) is var help ? (help.ExitCode, help.Output.Contains("--bundle", StringComparison.Ordinal)) : default);
        using var sidecar = Start(root, "serve", "--bundle", "/var/lib/authsidecar/quickstart/bundle", "--state", "/var/lib/authsidecar/quickstart/state", "--socket", "/run/authsidecar/authsidecar.sock");
        await WhileItRunsAsync(sidecar, async () =>
        {
            var address = $"unix:{root}/run/authsidecar/authsidecar.sock";
            await Fleet.UntilAsync(async () => sidecar.HasExited || (await Binary.RunAsync("health", "--address", address)).ExitCode == 0);
            Assert.False(sidecar.HasExited, await ErrorOfAsync(sidecar));
            var decided = await Binary.RunAsync("check", "--principal", "User::\"alice\"", "--action", "read", "--resource", "Document::\"plan\"", "--address", address);
            Assert.True(decided.ExitCode is 0 or 1, decided.Error);
            Assert.Contains("policies", decided.Output, StringComparison.Ordinal);
        });
    }

    [Fact]
    public async Task ControlPlane_InAnEmptyRoot_Answers()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "chroot needs root");
        var root = await BuildAsync("control-plane");
        // aspnet, chiseled-extra: the same, libstdc++ and the shared frameworks.
        await ShellAsync($"mkdir -p {root}/usr/share/dotnet && cp -r $(dirname $(readlink -f $(command -v dotnet)))/{{host,shared}} {root}/usr/share/dotnet/"
            + $" && {CopyLibrariesOf($"$(find {root}/usr/share/dotnet/shared -name libcoreclr.so) {root}/app/authsidecar-control", root)}");
        await AddSharedLibrariesAsync(root);

        Assert.Equal((0, true), await RunAsync(root, ["serve", "--help"]) is var help ? (help.ExitCode, help.Output.Contains("--database", StringComparison.Ordinal)) : default);
        using var control = Start(root, "serve", "--state", "/var/lib/authsidecar-control", "--admin-socket", "/run/authsidecar/control.sock");
        await WhileItRunsAsync(control, async () =>
        {
            var socket = $"{root}/run/authsidecar/control.sock";
            await Fleet.UntilAsync(async () => control.HasExited || (await Binary.RunControlAsync("sidecars", "list", "--admin-socket", socket)).ExitCode == 0);
            Assert.False(control.HasExited, await ErrorOfAsync(control));
        });
    }

    /// <summary>A root with what the final stage of an image copies.</summary>
    private async Task<string> BuildAsync(string image)
    {
        var (source, root) = ($"{_folder}/source", $"{_folder}/root");
        await ShellAsync($"mkdir -p {source} {root}/proc {root}/dev {root}/tmp && git ls-files -z | xargs -0 cp --parents -t {source}");
        var (stage, published) = (Stage(image), new HashSet<string>(StringComparer.Ordinal));
        foreach (var line in stage.Where(l => l.StartsWith("COPY ", StringComparison.Ordinal)).Select(l => l.Split(' ')))
        {
            var (from, what, target) = (line[1]["--from=".Length..], line[^2], $"{root}{line[^1]}");
            if (what is "/state" or "/sockets")
            {
                await ShellAsync($"mkdir -p {target} && chown {User}:{User} {target}");
                continue;
            }

            var publish = Stage(from).Single(l => l.StartsWith("RUN dotnet publish ", StringComparison.Ordinal))["RUN ".Length..];
            Assert.EndsWith(" --output /out", publish, StringComparison.Ordinal);
            // Compilers that stay would be left behind, and so would folders of the command's own.
            if (published.Add(from))
                await ShellAsync($"cd {source} && TMPDIR={_folder} {publish.Replace(" /out", $" {_folder}/out", StringComparison.Ordinal)} --verbosity quiet --nologo --disable-build-servers");

            await ShellAsync($"mkdir -p $(dirname {target}) && cp -r {_folder}{what} {target}");
        }

        Assert.Contains("USER $APP_UID", stage);
        _entry = stage.Single(l => l.StartsWith("ENTRYPOINT ", StringComparison.Ordinal)).Split('"')[1];
        return root;
    }

    private List<string> Stage(string name) =>
        [.. _lines.SkipWhile(l => !l.StartsWith("FROM ", StringComparison.Ordinal) || !l.EndsWith($" AS {name}", StringComparison.Ordinal)).Skip(1).TakeWhile(l => !l.StartsWith("FROM ", StringComparison.Ordinal))];

    private static string CopyLibrariesOf(string binaries, string root) => $"cp --parents -L $(ldd {binaries} | grep -oE '(=> |^\\s)/[^ ]*' | grep -o '/.*' | sort -u) {root}";

    /// <summary>What is loaded by name.</summary>
    private static Task AddSharedLibrariesAsync(string root) =>
        ShellAsync($"cp --parents -L $(ldconfig -p | grep -oE '/[^ ]*/lib(ssl|crypto|icuuc|icui18n|icudata|stdc\\+\\+|gcc_s|z)\\.so\\.[0-9]+' | sort -u) {root}");

    /// <summary>In a root of its own, with the file systems that every container has.</summary>
    private Process Start(string root, params string[] arguments) => Binary.Start(
        "unshare",
        ["--mount", "--propagation", "private", "sh", "-c", """mount --rbind /proc "$0/proc" && mount --rbind /dev "$0/dev" && exec chroot --userspec=USER "$0" "$@" """.Replace("USER", $"{User}:{User}", StringComparison.Ordinal), root, _entry, .. arguments]);

    private async Task<Binary.Finished> RunAsync(string root, string[] arguments)
    {
        using var process = Start(root, arguments);
        return await Binary.FinishAsync(process, Binary.Patience);
    }

    /// <summary>What one that has ended said; while it runs there is no end to that.</summary>
    private static async Task<string> ErrorOfAsync(Process process) =>
        process.HasExited ? await process.StandardError.ReadToEndAsync(Cancellation) : "";

    private static async Task WhileItRunsAsync(Process process, Func<Task> test)
    {
        try
        {
            await test();
        }
        finally
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync(Cancellation);
        }
    }

    private static async Task ShellAsync(string line)
    {
        var finished = await Binary.ShellAsync(line, Patience);
        Assert.True(finished.ExitCode == 0, $"{line}:\n{finished.Output}\n{finished.Error}");
    }

    /// <summary>Not beside other tests: it takes all the processors for minutes.</summary>
    [CollectionDefinition(nameof(Alone), DisableParallelization = true)]
    public sealed class Alone;
}
