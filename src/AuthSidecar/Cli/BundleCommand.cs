using AuthSidecar.Sync.Folder;

namespace AuthSidecar.Cli;

/// <summary><c>authsidecar bundles</c>: works on bundle folders, without a sidecar.</summary>
internal static class BundleCommand
{
    public static Command Create() => new("bundles", "Create, validate and seal bundle folders, without a sidecar.")
    {
        Init(),
        Validate(),
        Seal(),
    };

    private static Command Init()
    {
        var folder = new Argument<string>("folder") { Description = "The bundle folder; it must not exist, or be empty." };
        var command = new Command("init", "Create a minimal bundle: a schema, policies, entities and tests.") { folder }.WithExamples(
            "authsidecar bundles init app");
        command.SetAction(parsed => CliErrors.Guard(() =>
        {
            var path = parsed.GetValue(folder)!;
            if (File.Exists(path) || (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any()))
                throw new UsageException($"`{path}` exists and is not an empty folder");

            EmbeddedFiles.WriteTo("scaffold", path);
            Console.Out.WriteLine($"""
                created: {path}
                  authsidecar bundles validate {path}
                  authsidecar policies test --bundle {path}
                  authsidecar serve --bundle {path} --state STATE
                """);
            return ExitCode.Success;
        }));
        return command;
    }

    private static Command Validate()
    {
        var folder = new Argument<string>("folder") { Description = "The bundle folder." };
        var failOnWarnings = Options.FailOnWarnings();
        var command = new Command("validate",
            "Validate a whole bundle as `serve` does, except the secrets of second factors, which need the key of the state folder.")
        {
            folder,
            failOnWarnings,
        }.WithExamples("authsidecar bundles validate app")
            .WithExitCodes((0, "valid"), (1, "not valid, or warnings with --fail-on-warnings"), (2, "error"));
        command.SetAction(parsed => Run(parsed.GetValue(folder)!, (files, faults) =>
        {
            var warnings = Check(files, faults);
            Print(warnings, "warning");
            Print(faults, "error");
            Console.Out.WriteLine(
                $"{(faults.Count == 0 ? "valid" : "not valid")}: {Count.Of(faults.Count, "error")}, {Count.Of(warnings.Count, "warning")}");
            return faults.Count == 0 && (warnings.Count == 0 || !parsed.GetValue(failOnWarnings)) ? ExitCode.Success : ExitCode.Deny;
        }));
        return command;
    }

    private static Command Seal()
    {
        var folder = new Argument<string>("folder") { Description = "The bundle folder." };
        var key = CliOption.Of<string?>("--key", "FILE",
            "The P-256 private key, in PEM, to sign with; sidecars verify with `serve --bundle-key`. Default: not signed.");
        var command = new Command(
            "seal",
            $"Write `{BundleSeal.FileName}`: every file with its SHA-256, so that a sidecar refuses an incomplete copy. Run it after each "
                + "change, and copy the file last.")
        {
            folder,
            key,
        }.WithExamples("authsidecar bundles seal app --key signing.pem").WithExitCodes((0, "sealed"), (1, "the bundle is not valid"),
            (2, "error"));
        command.SetAction(parsed => Run(parsed.GetValue(folder)!, (files, faults) =>
        {
            Check(files, faults);
            if (faults.Count > 0)
            {
                Print(faults, "error");
                Console.Out.WriteLine($"not sealed: {Count.Of(faults.Count, "error")}");
                return ExitCode.Deny;
            }

            if (parsed.GetValue(key) is null && BundleSeal.IsSigned(files))
                throw new InvalidDataException($"the bundle has a signed seal: specify `{key.Name}`, or remove `{BundleSeal.FileName}`");

            using var signer = parsed.GetValue(key) is { } keyFile ? SealKey.ReadPrivate(keyFile) : null;
            Write(Path.Combine(parsed.GetValue(folder)!, BundleSeal.FileName), BundleSeal.Create(files, signer));
            Console.Out.WriteLine(
                $"sealed: {Count.Of(files.Paths.Count(p => p != BundleSeal.FileName), "file")}"
                    + $"{(signer is null ? ", not signed" : ", signed")}");
            return ExitCode.Success;
        }));
        return command;
    }

    private static int Run(string folder, Func<BundleFiles, List<Fault>, int> run)
    {
        try
        {
            return run(new BundleFiles(FolderListing.Of(folder).Read(folder)), []);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException)
        {
            Console.Error.WriteLine($"authsidecar: {FileErrors.Describe(e)}");
            return ExitCode.Error;
        }
    }

    /// <summary>Collects the faults of a bundle, and returns what is only warned of.</summary>
    private static IReadOnlyList<Fault> Check(BundleFiles files, List<Fault> faults) =>
        new BundleReader(factorKey: null).Read(files, default, TimeProvider.System.GetUtcNow(), faults) is { } snapshot
            ? [
                .. snapshot.Policies.Value.Warnings, .. snapshot.Issuers.Value.Warnings,
                .. PrincipalTypes.Check(snapshot.Issuers.Value, snapshot.Policies.Value.Schema?.Schema),
            ]
            : [];

    private static void Print(IEnumerable<Fault> faults, string kind)
    {
        foreach (var fault in faults)
            Console.Out.WriteLine($"{kind}: {fault}");
    }

    /// <summary>Whole or not at all, by way of a hidden file, which no sidecar looks at.</summary>
    private static void Write(string path, byte[] content)
    {
        var temporary = Path.Combine(Path.GetDirectoryName(path)!, $".{Path.GetFileName(path)}.new");
        File.WriteAllBytes(temporary, content);
        File.Move(temporary, path, overwrite: true);
    }
}
