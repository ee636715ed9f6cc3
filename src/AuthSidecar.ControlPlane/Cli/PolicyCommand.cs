using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary><c>authsidecar-control policies</c>: holds drafts against what is in force, publishes them, takes them back.</summary>
internal static class PolicyCommand
{
    public static Command Create()
    {
        var folder = new Argument<string>("folder")
        {
            Description = "A folder with `policies/*.cedar`, `schema.cedarschema`, `links.json`.",
        };
        var application = CliOption.Of<string>("--application", "NAME", "The application.").Require();
        var message = CliOption.Of<string>("--message", "TEXT", "Message for the publication history.").WithDefault(() => "");
        var expected = CliOption.Of<string?>(
            "--expected-revision", "REVISION", "Publish only if this is the active revision. Default: not checked.");
        var create = CreateOption();
        var empty = CliOption.Flag("--empty", "Allow publishing a folder without policies and schema, which removes all policies.");
        var revision = new Argument<string>("revision") { Description = "The revision to roll back to." };

        return new Command("policies", "Compare, publish and roll back policies.")
        {
            AdminCommand.Create("diff", "Show what publishing a folder would change, and every fault that would prevent it.",
                "authsidecar-control policies diff app --application documents", [folder, application, empty],
                async (parsed, channel, output, cancellation) =>
            {
                var response = await new V1.PolicyService.PolicyServiceClient(channel).DiffPoliciesAsync(
                    new DiffPoliciesRequest
                    {
                        Application = parsed.GetValue(application)!,
                        Documents = { BundleFolder.ReadPolicies(parsed.GetValue(folder)!, parsed.GetValue(empty)) },
                    }, cancellationToken: cancellation);
                foreach (var change in response.Changes)
                {
                    output.WriteLine($"{change.Kind.ToString().ToLowerInvariant()} {change.Path}");
                    output.Write(change.Diff);
                }

                foreach (var fault in response.Faults)
                    output.WriteLine($"fault: {Describe(fault)}");

                foreach (var warning in response.Warnings)
                    output.WriteLine($"warning: {Describe(warning)}");

                output.WriteLine(
                    $"against revision {response.Revision}: {Count.Of(response.Changes.Count, "document")} would change, "
                        + $"{Count.Of(response.Faults.Count, "fault")}, {Count.Of(response.Warnings.Count, "warning")}");
                return response.Faults.Count == 0 ? 0 : AdminCommand.Faulty;
            }).WithExitCodes((0, "no faults"), (1, "faults"), (2, "error")),
            AdminCommand.Create("publish", "Publish the policies of a folder.",
                "authsidecar-control policies publish app --application documents --message 'Managers may delete'", [folder, application,
                    create, empty, message, expected], async (parsed, channel, output, cancellation) =>
            {
                var client = new V1.PolicyService.PolicyServiceClient(channel);
                var response = await client.PublishPoliciesAsync(
                    new PublishPoliciesRequest
                    {
                        Application = parsed.GetValue(application)!,
                        Documents = { BundleFolder.ReadPolicies(parsed.GetValue(folder)!, parsed.GetValue(empty)) },
                        Create = parsed.GetValue(create),
                        ExpectedRevision = parsed.GetValue(expected)
                            ?? await CurrentAsync(client, parsed.GetValue(application)!, mayBeNew: parsed.GetValue(create), cancellation),
                        Message = parsed.GetValue(message)!,
                    },
                    cancellationToken: cancellation);
                foreach (var warning in response.Warnings)
                    output.WriteLine($"warning: {Describe(warning)}");

                output.WriteLine($"published: revision {response.Revision}");
            }),
            AdminCommand.Create("roll-back", "Publish the policies of an earlier revision again.",
                "authsidecar-control policies roll-back 3k9vq2m1x7wb.26 --application documents", [revision, application, message],
                async (parsed, channel, output, cancellation) =>
            {
                var client = new V1.PolicyService.PolicyServiceClient(channel);
                var response = await client.RollBackPoliciesAsync(
                    new RollBackPoliciesRequest
                    {
                        Application = parsed.GetValue(application)!,
                        ToRevision = parsed.GetValue(revision),
                        ExpectedRevision = await CurrentAsync(client, parsed.GetValue(application)!, mayBeNew: false, cancellation),
                        Message = parsed.GetValue(message)!,
                    },
                    cancellationToken: cancellation);
                output.WriteLine($"rolled back: revision {response.Revision}");
            }),
            WriteBuiltIn(),
            AdminCommand.Create("list-publications", "List publications, newest first.",
                "authsidecar-control policies list-publications --application documents", [application],
                async (parsed, channel, output, cancellation) =>
            {
                var response = await new V1.PolicyService.PolicyServiceClient(channel).ListPolicyPublicationsAsync(
                    new ListPolicyPublicationsRequest { Application = parsed.GetValue(application)! }, cancellationToken: cancellation);
                foreach (var publication in response.Publications)
                {
                    var restored = publication.RestoredFrom.Length > 0 ? $"  (of revision {publication.RestoredFrom})" : "";
                    output.WriteLine(
                        $"{publication.Revision}  {publication.PublishedAt.ToDateTimeOffset():u}  {publication.Author}  "
                            + $"{publication.Message.Split('\r', '\n')[0]}{restored}");
                }
            }),
        };
    }

    private static Command WriteBuiltIn()
    {
        var folder = new Argument<string>("folder") { Description = "The folder to write to." };
        var command = new Command("write-built-in",
            "Write the built-in policies for administration of the control plane to a folder, as a start for custom ones (application "
                + "`authsidecar`).") { folder }.WithExamples("authsidecar-control policies write-built-in administration");
        command.SetAction((parsed, _) => AdminCommand.RunAsync("", () =>
        {
            var paths = BuiltInPolicies.Documents.Select(d => (Document: d, Path: Path.Combine(parsed.GetValue(folder)!, d.Path))).ToList();
            if (paths.Find(p => File.Exists(p.Path)).Path is { } existing)
                throw new InvalidDataException($"`{existing}` exists: write to another folder, or remove it");

            foreach (var (document, path) in paths)
            {
                System.IO.Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                File.WriteAllBytes(path, document.Content.ToByteArray());
                Console.Out.WriteLine($"created: {path}");
            }

            return Task.CompletedTask;
        }));
        return command;
    }

    /// <summary>Of commands that may be the first to name an application.</summary>
    public static Option<bool> CreateOption() => CliOption.Flag(
        "--create", "Create the application if it does not exist. Default: an unknown application is an error.");

    private static string Describe(DocumentFault fault) =>
        $"{fault.Path}{(fault.Line > 0 ? $":{fault.Line}:{fault.Column}" : "")}: "
            + $"{fault.Message}{(fault.Help.Length > 0 ? $"; {fault.Help}" : "")}";

    private static async Task<string> CurrentAsync(
        V1.PolicyService.PolicyServiceClient client, string application, bool mayBeNew, CancellationToken cancellation)
    {
        try
        {
            return (await client.ListPolicyPublicationsAsync(new ListPolicyPublicationsRequest { Application = application, PageSize = 1 },
                cancellationToken: cancellation)).Publications.FirstOrDefault()?.Revision ?? "";
        }
        catch (RpcException e) when (mayBeNew && e.StatusCode == StatusCode.NotFound)
        {
            return "";
        }
    }
}
