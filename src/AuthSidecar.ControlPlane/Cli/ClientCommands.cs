using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>The commands about OAuth 2.0 clients.</summary>
internal static class ClientCommands
{
    /// <summary><c>authsidecar-control clients</c>.</summary>
    public static Command Clients()
    {
        var file = new Argument<string>("file")
        {
            Description = "The client as JSON, as `clients list` prints it; `-` for standard input. With a `revision`, the write fails if "
                + "the current one differs.",
        };
        var replace = JsonFile.ReplaceOption();
        var id = new Argument<string>("id") { Description = "The client's id." };
        var application = CliOption.Of<string>("--application", "NAME", "The client's application.").Require();
        return new Command("clients", "Create, list and remove OAuth 2.0 clients.")
        {
            AdminCommand.Create("write", "Create a client, or update the fields in the file.", "authsidecar-control clients write web.json",
                [file, replace], async (parsed, channel, output, cancellation) =>
            {
                var clients = new ClientService.ClientServiceClient(channel);
                var client = await JsonFile.ReadAsync(Client.Parser, parsed.GetValue(file)!, "a client", parsed.GetValue(replace),
                    cancellation);
                var current = (await clients.ListClientsAsync(
                    new ListClientsRequest(), cancellationToken: cancellation)).Clients.FirstOrDefault(c => c.Id == client.Id);
                var request = new WriteClientRequest
                {
                    Client = client, UpdateMask = JsonFile.MaskOf(parsed, replace), ExpectedRevision = client.Revision.Length > 0
                        ? client.Revision
                        : current?.Revision ?? "",
                };
                AdminCommand.WriteResult(
                    output, current is null, (await clients.WriteClientAsync(request, cancellationToken: cancellation)).Revision);
            }),
            AdminCommand.Create("remove", "Remove a client.", "authsidecar-control clients remove web --application documents",
                [id, application], async (parsed, channel, output, cancellation) =>
            {
                var response = await new ClientService.ClientServiceClient(channel).RemoveClientAsync(
                    new RemoveClientRequest { Id = parsed.GetValue(id)!, Application = parsed.GetValue(application)! },
                    cancellationToken: cancellation);
                output.WriteLine($"removed: revision {response.Revision}");
            }),
            AdminCommand.Create("list", "List clients, one line of JSON each.", "authsidecar-control clients list", [],
                async (_, channel, output, cancellation) =>
            {
                foreach (var client in (await new ClientService.ClientServiceClient(channel).ListClientsAsync(new ListClientsRequest(),
                    cancellationToken: cancellation)).Clients)
                {
                    output.WriteLine(JsonFormatter.Default.Format(client));
                }
            }),
        };
    }
}
