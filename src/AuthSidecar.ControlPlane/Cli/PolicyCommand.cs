using System.CommandLine;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.V1;
using Grpc.Core;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary><c>authsidecar-control policies</c>: holds drafts against what is in force, publishes them, takes them back.</summary>
internal static class PolicyCommand
{
    public static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "A folder with `policies/*.cedar`, `schema.cedarschema`, `links.json`." };
        var application = new Option<string>("--application") { Description = "The application.", Required = true };
        var message = new Option<string>("--message") { Description = "Message for the publication history.", DefaultValueFactory = _ => "" };
        var expected = new Option<string?>("--expected-revision") { Description = "Publish only if this is the active revision. Default: not checked." }.NotEmpty();
        var create = CreateOption();
        var empty = new Option<bool>("--empty") { Description = "Allow publishing a folder without policies and schema, which removes all policies." };
        var revision = new Argument<string>("revision") { Description = "The revision to roll back to." }.NotEmpty();

        return new Command("policies", "Compares, publishes and rolls back policies.")
        {
            AdminCommand.Create("diff", "Shows what publishing a folder would change, and every fault that would prevent it. Exit code: 0 no faults, 1 faults, 2 error.", [folder, application, empty], async (parsed, channel, output, cancellation) =>
            {
                var response = await new PolicyService.PolicyServiceClient(channel).DiffPoliciesAsync(
                    new DiffPoliciesRequest { Application = parsed.GetValue(application)!, Documents = { BundleFolder.ReadPolicies(parsed.GetValue(folder)!, parsed.GetValue(empty)) } }, cancellationToken: cancellation);
                foreach (var change in response.Changes)
                {
                    output.WriteLine($"{change.Kind.ToString().ToLowerInvariant()} {change.Path}");
                    output.Write(change.Diff);
                }

                foreach (var fault in response.Faults)
                {
                    output.WriteLine($"fault: {Describe(fault)}");
                }

                foreach (var warning in response.Warnings)
                {
                    output.WriteLine($"warning: {Describe(warning)}");
                }

                output.WriteLine($"against revision {response.Revision}: {Count.Of(response.Changes.Count, "document")} would change, {Count.Of(response.Faults.Count, "fault")}, {Count.Of(response.Warnings.Count, "warning")}");
                return response.Faults.Count == 0 ? 0 : AdminCommand.Faulty;
            }),
            AdminCommand.Create("publish", "Publishes the policies of a folder.", [folder, application, create, empty, message, expected], async (parsed, channel, output, cancellation) =>
            {
                var client = new PolicyService.PolicyServiceClient(channel);
                var response = await client.PublishPoliciesAsync(
                    new PublishPoliciesRequest
                    {
                        Application = parsed.GetValue(application)!,
                        Documents = { BundleFolder.ReadPolicies(parsed.GetValue(folder)!, parsed.GetValue(empty)) },
                        Create = parsed.GetValue(create),
                        ExpectedRevision = parsed.GetValue(expected) ?? await CurrentAsync(client, parsed.GetValue(application)!, mayBeNew: parsed.GetValue(create), cancellation),
                        Message = parsed.GetValue(message)!,
                    },
                    cancellationToken: cancellation);
                foreach (var warning in response.Warnings)
                {
                    output.WriteLine($"warning: {Describe(warning)}");
                }

                output.WriteLine($"published: revision {response.Revision}");
            }),
            AdminCommand.Create("roll-back", "Publishes the policies of an earlier revision again.", [revision, application, message], async (parsed, channel, output, cancellation) =>
            {
                var client = new PolicyService.PolicyServiceClient(channel);
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
            BuiltIn(),
            AdminCommand.Create("history", "Lists publications, newest first.", [application], async (parsed, channel, output, cancellation) =>
            {
                var response = await new PolicyService.PolicyServiceClient(channel).ListPolicyPublicationsAsync(
                    new ListPolicyPublicationsRequest { Application = parsed.GetValue(application)! }, cancellationToken: cancellation);
                foreach (var publication in response.Publications)
                {
                    var restored = publication.RestoredFrom.Length > 0 ? $"  (of revision {publication.RestoredFrom})" : "";
                    output.WriteLine($"{publication.Revision}  {publication.PublishedAt.ToDateTimeOffset():u}  {publication.Author}  {publication.Message}{restored}");
                }
            }),
        };
    }

    private static Command BuiltIn()
    {
        var folder = new Argument<string>("folder") { Description = "The folder to write to." };
        var command = new Command("built-in", "Writes the built-in policies for administration of the control plane to a folder, as a start for custom ones (application `authsidecar`).") { folder };
        command.SetAction((parsed, _) => AdminCommand.RunAsync("", () =>
        {
            foreach (var document in BuiltInPolicies.Documents)
            {
                var path = Path.Combine(parsed.GetValue(folder)!, document.Path);
                System.IO.Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                File.WriteAllBytes(path, document.Content.ToByteArray());
            }

            return Task.CompletedTask;
        }));
        return command;
    }

    /// <summary>Of commands that may be the first to name an application.</summary>
    public static Option<bool> CreateOption() => new("--create") { Description = "Create the application if it does not exist. Default: an unknown application is an error." };

    private static string Describe(DocumentFault fault) =>
        $"{fault.Path}{(fault.Line > 0 ? $":{fault.Line}:{fault.Column}" : "")}: {fault.Message}{(fault.Help.Length > 0 ? $"; {fault.Help}" : "")}";

    private static async Task<string> CurrentAsync(PolicyService.PolicyServiceClient client, string application, bool mayBeNew, CancellationToken cancellation)
    {
        try
        {
            return (await client.ListPolicyPublicationsAsync(new ListPolicyPublicationsRequest { Application = application, PageSize = 1 }, cancellationToken: cancellation)).Publications.FirstOrDefault()?.Revision ?? "";
        }
        catch (RpcException e) when (mayBeNew && e.StatusCode == StatusCode.NotFound)
        {
            return "";
        }
    }
}
