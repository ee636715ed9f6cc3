using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary><c>authsidecar-control import</c>: writes what a bundle folder holds (docs/bundle.md) to the control plane.</summary>
internal static class ImportCommand
{
    private const int PartBytes = 1024 * 1024;

    public static Command Create()
    {
        var folder = new Argument<string>("folder") { Description = "The bundle folder." };
        var application = CliOption.Of<string>("--application", "NAME", "The application whose bundle it is.").Require();
        var create = PolicyCommand.CreateOption();
        var message = CliOption.Of<string?>("--message", "TEXT", "Message for the publication history. Default: the name of the folder.");
        return AdminCommand.Create(
            "import",
            "Write what a bundle folder holds (entities, policies, issuers, revocations, risk settings and profiles) in one transaction. "
                + "Nothing is removed, except policies, which are published as a whole.",
            "authsidecar-control import app --application documents --create",
            [folder, application, create, message],
            async (parsed, channel, output, cancellation) =>
            {
                var path = parsed.GetValue(folder)!;
                var files = BundleFolder.Read(path);
                using var call = new BundleService.BundleServiceClient(channel).ImportBundle(cancellationToken: cancellation);
                await call.RequestStream.WriteAsync(
                    new ImportBundleRequest
                    {
                        Header = new ImportBundleHeader
                        {
                            Application = parsed.GetValue(application)!,
                            Create = parsed.GetValue(create),
                            Message = parsed.GetValue(message) ?? $"imported from {Path.GetFileName(Path.GetFullPath(path))}",
                        },
                    },
                    cancellation);
                foreach (var name in files.Paths.Where(n => !n.EndsWith(".mmdb", StringComparison.Ordinal)))
                {
                    files.TryRead(name, out var content);
                    foreach (var part in content!.Length == 0 ? [[]] : content.Chunk(PartBytes))
                    {
                        await call.RequestStream.WriteAsync(new ImportBundleRequest
                        {
                            Part = new BundlePart { Path = name, Content = ByteString.CopyFrom(part) },
                        }, cancellation);
                    }
                }

                await call.RequestStream.CompleteAsync();
                var response = await call;
                foreach (var change in response.Changes)
                    output.WriteLine(change);

                foreach (var left in response.LeftOut)
                    output.WriteLine($"left out: {left}");

                output.WriteLine(response.Revision.Length == 0 ? "nothing differs" : $"imported: revision {response.Revision}");
            });
    }
}
