using System.CommandLine;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>The commands about who signs in, and about the clients that get tokens for them.</summary>
internal static class IdentityCommands
{
    /// <summary><c>authsidecar-control accounts</c>.</summary>
    public static Command Accounts()
    {
        var id = new Argument<string>("id") { Description = "The account's id: the subject of its tokens, and the id of its `User` in policies." };
        var name = new Option<string>("--name") { Description = "What they sign in with. Default: the id.", DefaultValueFactory = _ => "" };
        var email = new Option<string>("--email") { Description = "Where mail reaches them.", DefaultValueFactory = _ => "" };
        var displayName = new Option<string>("--display-name") { Description = "What they are called on pages.", DefaultValueFactory = _ => "" };
        var password = new Option<string?>("--password-file") { Description = "A file with their password; `-` for standard input. Without it, the password stays what it is." };
        var disabled = new Option<bool>("--disabled") { Description = "They can sign in nowhere; their sessions and tokens end." };
        var session = new Option<string>("--session") { Description = "The id of the one to end, as `accounts sessions` lists it. Without it, all end.", DefaultValueFactory = _ => "" };
        return new Command("accounts", "Who signs in with a password.")
        {
            AdminCommand.Create("write", "Adds an account, or changes one. A new password ends all sessions and tokens.", [id, name, email, displayName, password, disabled], async (parsed, channel, output, cancellation) =>
            {
                var request = new WriteAccountRequest
                {
                    Account = new Account
                    {
                        Id = parsed.GetValue(id)!,
                        UserName = parsed.GetValue(name)!,
                        Email = parsed.GetValue(email)!,
                        DisplayName = parsed.GetValue(displayName)!,
                        Disabled = parsed.GetValue(disabled),
                    },
                };
                if (parsed.GetValue(password) is { } file)
                {
                    // Without the end of the line, which nobody types.
                    request.Password = (file == "-" ? await Console.In.ReadToEndAsync(cancellation) : await File.ReadAllTextAsync(file, cancellation)).TrimEnd('\r', '\n');
                }

                var response = await new AccountService.AccountServiceClient(channel).WriteAccountAsync(request, cancellationToken: cancellation);
                output.WriteLine($"written: revision {response.Revision}");
            }),
            AdminCommand.Create("remove", "Takes an account away, its sessions and tokens with it.", [id], async (parsed, channel, output, cancellation) =>
            {
                var response = await new AccountService.AccountServiceClient(channel).RemoveAccountAsync(new RemoveAccountRequest { Id = parsed.GetValue(id)! }, cancellationToken: cancellation);
                output.WriteLine($"removed: revision {response.Revision}");
            }),
            AdminCommand.Create("list", "Every account.", [], async (_, channel, output, cancellation) =>
            {
                var (client, after) = (new AccountService.AccountServiceClient(channel), "");
                do
                {
                    var page = await client.ListAccountsAsync(new ListAccountsRequest { AfterId = after, PageSize = 1_000 }, cancellationToken: cancellation);
                    foreach (var account in page.Accounts)
                    {
                        output.WriteLine($"{account.Id}  {account.UserName}{(account.Email.Length > 0 ? $"  {account.Email}" : "")}{(account.Disabled ? "  disabled" : "")}");
                    }

                    after = page.Accounts.Count > 0 ? page.Accounts[^1].Id : "";
                }
                while (after.Length > 0);
            }),
            AdminCommand.Create("sessions", "An account's live sessions.", [id], async (parsed, channel, output, cancellation) =>
            {
                var response = await new AccountService.AccountServiceClient(channel).ListSessionsAsync(new ListSessionsRequest { AccountId = parsed.GetValue(id)! }, cancellationToken: cancellation);
                foreach (var one in response.Sessions)
                {
                    output.WriteLine($"{one.Id}  since {one.AuthenticatedAt.ToDateTimeOffset():u}  seen {one.SeenAt.ToDateTimeOffset():u}  {one.Address}  {string.Join(' ', one.Methods)}  {one.UserAgent}");
                }
            }),
            AdminCommand.Create("sign-out", "Ends an account's sessions, and its tokens.", [id, session], async (parsed, channel, output, cancellation) =>
            {
                var response = await new AccountService.AccountServiceClient(channel).EndSessionsAsync(
                    new EndSessionsRequest { AccountId = parsed.GetValue(id)!, SessionId = parsed.GetValue(session)! }, cancellationToken: cancellation);
                output.WriteLine($"signed out: revision {response.Revision}");
            }),
        };
    }

    /// <summary><c>authsidecar-control clients</c>.</summary>
    public static Command Clients()
    {
        var file = new Argument<string>("file") { Description = "The client as JSON, as `clients list` prints it; `-` for standard input." };
        var id = new Argument<string>("id") { Description = "The client's id." };
        var application = new Option<string>("--application") { Description = "The client's application.", Required = true };
        return new Command("clients", "OAuth 2.0 clients: what may get tokens.")
        {
            AdminCommand.Create("write", "Adds a client, or replaces one.", [file], async (parsed, channel, output, cancellation) =>
            {
                var path = parsed.GetValue(file)!;
                var client = Read(path == "-" ? await Console.In.ReadToEndAsync(cancellation) : await File.ReadAllTextAsync(path, cancellation), path);
                var response = await new ClientService.ClientServiceClient(channel).WriteClientAsync(new WriteClientRequest { Client = client }, cancellationToken: cancellation);
                output.WriteLine($"written: revision {response.Revision}");
            }),
            AdminCommand.Create("remove", "Takes a client away.", [id, application], async (parsed, channel, output, cancellation) =>
            {
                var response = await new ClientService.ClientServiceClient(channel).RemoveClientAsync(
                    new RemoveClientRequest { Id = parsed.GetValue(id)!, Application = parsed.GetValue(application)! }, cancellationToken: cancellation);
                output.WriteLine($"removed: revision {response.Revision}");
            }),
            AdminCommand.Create("list", "Every client, each a line of JSON.", [], async (_, channel, output, cancellation) =>
            {
                foreach (var client in (await new ClientService.ClientServiceClient(channel).ListClientsAsync(new ListClientsRequest(), cancellationToken: cancellation)).Clients)
                {
                    output.WriteLine(JsonFormatter.Default.Format(client));
                }
            }),
        };
    }

    /// <exception cref="InvalidDataException">It is no client.</exception>
    private static Client Read(string json, string path)
    {
        try
        {
            return Client.Parser.ParseJson(json);
        }
        catch (Exception e) when (e is InvalidJsonException or InvalidProtocolBufferException)
        {
            throw new InvalidDataException($"`{path}` is not a client as JSON: {e.Message}");
        }
    }
}
