using System.Text.Json.Nodes;

namespace AuthSidecar.Cli.Issuers;

/// <summary><c>authsidecar issuers</c>: works on issuers of tokens, without a sidecar.</summary>
internal static class IssuerCommand
{
    public static Command Create()
    {
        var command = new Command("issuers", "Test issuers of tokens, without a sidecar.") { Test() };
        command.Aliases.Add("issuer");
        return command;
    }

    private static Command Test()
    {
        var url = CliOption.Of<string?>("--url", "URL", "The issuer (`iss`), whose metadata says where its keys are.");
        var preset = CliOption.Of<string?>("--preset", "NAME", "Its preset in `issuers.json`, such as `okta`. Requires --url.");
        var audiences = CliOption.Of<string[]>("--audience", "AUDIENCE",
            "An audience that a token may have; may be repeated. Requires --url, and is required with --token-file then.");
        var bundle = CliOption.Of<string?>("--bundle", "FOLDER", "Instead of --url: the bundle folder that has the issuer.");
        var issuer = CliOption.Of<string?>("--issuer", "ISSUER",
            "The issuer of the bundle. Default: that of the token, or all of them. Requires --bundle.");
        var token = CliOption.Of<string?>(
            "--token-file", "FILE", "The file of a token to validate; `-` for standard input. It is never printed.");
        var ca = CliOption.Of<string?>(
            "--issuer-ca", "FILE", "The CA for issuer hosts, in PEM. Default: the CAs that the machine trusts.");
        var command = new Command("test",
            "Fetch an issuer's metadata and keys as a sidecar does, and validate a token step by step: which check fails, and which option "
                + "of `issuers.json` is about it.")
        {
            url, preset, audiences, bundle, issuer, token, ca,
        }.WithExamples(
            "authsidecar issuers test --url https://login.example --audience documents --token-file token",
            "authsidecar issuers test --bundle app --token-file token")
            .WithExitCodes((0, "the issuer works, and the token is accepted"), (1, "it does not, or the token is rejected"), (2, "error"));
        command.SetAction(async (parsed, cancellation) =>
        {
            try
            {
                var text = ReadToken(parsed.GetValue(token));
                var issuers = (parsed.GetValue(url), parsed.GetValue(bundle)) switch
                {
                    ({ } address, null) when parsed.GetValue(issuer) is null => OfUrl(
                        address, parsed.GetValue(preset), parsed.GetValue(audiences) ?? [], hasToken: text is not null),
                    (null, { } folder) when parsed.GetValue(preset) is null && parsed.GetValue(audiences) is not { Length: > 0 } =>
                        OfBundle(folder),
                    (null, null) or ({ }, { }) => throw new UsageException("specify either `--url` or `--bundle`"),
                    ({ }, null) => throw new UsageException("`--issuer` requires `--bundle`"),
                    _ => throw new UsageException("`--preset` and `--audience` require `--url`"),
                };
                if (text is not null && issuers.FindOpaque(text) is { } introspecting)
                {
                    throw new UsageException(
                        $"the token is opaque, and only a sidecar introspects it at {introspecting.IntrospectionUrl}: use "
                            + "`authsidecar validate-token`");
                }

                var report = new IssuerReport(Console.Out, issuers, parsed.GetValue(ca));
                return await report.RunAsync(Select(issuers, parsed.GetValue(issuer), text), text, cancellation)
                    ? ExitCode.Success : ExitCode.Deny;
            }
            catch (Exception e) when (e is UsageException or IOException or InvalidDataException or UnauthorizedAccessException)
            {
                await Console.Error.WriteLineAsync(FileErrors.Describe(e));
                return ExitCode.Error;
            }
        });
        return command;
    }

    private static string? ReadToken(string? file)
    {
        var text = file is null ? null : file == "-" ? Console.In.ReadToEnd() : File.ReadAllText(file);
        return text is null ? null : text.Trim() is { Length: > 0 } token ? token
            : throw new UsageException($"`{file}` is empty: expected a token");
    }

    /// <summary>The issuer as an entry of `issuers.json` would have it.</summary>
    private static IssuerSet OfUrl(string url, string? preset, string[] audiences, bool hasToken)
    {
        if (hasToken && audiences.Length == 0)
            throw new UsageException("`--audience` is required with `--token-file`: tokens for others are rejected");

        var entry = new JsonObject
        {
            ["issuer"] = url,
            ["discovery"] = true,
            // Without a token nothing is held against it.
            ["audiences"] = new JsonArray([.. audiences.DefaultIfEmpty("-").Select(a => JsonValue.Create(a))]),
        };
        if (preset is not null)
            entry["preset"] = preset;

        var files = new SortedDictionary<string, byte[]>(StringComparer.Ordinal)
        {
            [IssuersFile.FileName] = Encoding.UTF8.GetBytes(new JsonObject { ["issuers"] = new JsonArray(entry) }.ToJsonString()),
        };
        var faults = new List<Fault>();
        var issuers = IssuersFile.Read(new BundleFiles(files), faults);
        return faults.Count == 0 ? issuers : throw new UsageException(string.Join('\n', faults.Select(f => f.Message)));
    }

    private static IssuerSet OfBundle(string folder)
    {
        var faults = new List<Fault>();
        var snapshot = new BundleReader(factorKey: null).Read(
            new BundleFiles(FolderListing.Of(folder).Read(folder)), default, TimeProvider.System.GetUtcNow(), faults);
        if (snapshot is null || faults.Count > 0)
            throw new InvalidDataException(string.Join('\n', faults));

        return snapshot.Issuers.Value.Count > 0 ? snapshot.Issuers.Value
            : throw new UsageException($"`{folder}` has no `{IssuersFile.FileName}`, or no issuer in it");
    }

    private static IReadOnlyList<Issuer> Select(IssuerSet issuers, string? name, string? token)
    {
        if (name is not null)
        {
            return issuers.Find(name) is { } found ? [found] : throw new UsageException(
                $"unknown issuer `{name}`: expected one of {string.Join(", ", issuers.All.Select(i => i.Name))}");
        }

        return token is not null && IssuerReport.FindOf(token, issuers) is { } own ? [own] : issuers.All;
    }
}
