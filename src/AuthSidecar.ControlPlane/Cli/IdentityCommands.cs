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
        return new Command("accounts", "Who signs in.")
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
                    request.Password = await ReadSecretAsync(file, cancellation);
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
                        output.WriteLine($"{account.Id}  {account.UserName}{(account.Email.Length > 0 ? $"  {account.Email}" : "")}{(account.Disabled ? "  disabled" : "")}{string.Concat(account.Logins.Select(l => $"  {l.Subject} of {l.Issuer}"))}");
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
                var client = await ReadAsync(Client.Parser, parsed.GetValue(file)!, "a client", cancellation);
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

    /// <summary><c>authsidecar-control upstreams</c>.</summary>
    public static Command Upstreams()
    {
        var file = new Argument<string>("file") { Description = "The provider as JSON, as `upstreams list` prints it; `-` for standard input." };
        var id = new Argument<string>("id") { Description = "The provider's id." };
        var secret = new Option<string?>("--secret-file") { Description = "A file with the secret that the provider has given; `-` for standard input. Without it, the secret stays what it is." };
        return new Command("upstreams", "Where people may sign in beside here: Google, GitHub, Microsoft, any OpenID provider.")
        {
            AdminCommand.Create("write", "Adds a provider, or replaces one.", [file, secret], async (parsed, channel, output, cancellation) =>
            {
                var request = new WriteUpstreamRequest { Upstream = await ReadAsync(Upstream.Parser, parsed.GetValue(file)!, "an upstream provider", cancellation) };
                if (parsed.GetValue(secret) is { } path)
                {
                    request.ClientSecret = await ReadSecretAsync(path, cancellation);
                }

                var response = await new UpstreamService.UpstreamServiceClient(channel).WriteUpstreamAsync(request, cancellationToken: cancellation);
                output.WriteLine($"written: revision {response.Revision}");
            }),
            AdminCommand.Create("remove", "Takes a provider away: nobody signs in with it any more.", [id], async (parsed, channel, output, cancellation) =>
            {
                var response = await new UpstreamService.UpstreamServiceClient(channel).RemoveUpstreamAsync(new RemoveUpstreamRequest { Id = parsed.GetValue(id)! }, cancellationToken: cancellation);
                output.WriteLine($"removed: revision {response.Revision}");
            }),
            AdminCommand.Create("list", "Every provider, each a line of JSON, with the address to register with it.", [], async (_, channel, output, cancellation) =>
            {
                foreach (var upstream in (await new UpstreamService.UpstreamServiceClient(channel).ListUpstreamsAsync(new ListUpstreamsRequest(), cancellationToken: cancellation)).Upstreams)
                {
                    output.WriteLine(JsonFormatter.Default.Format(upstream));
                }
            }),
        };
    }

    /// <summary>A secret in a file, without the end of the line, which nobody types.</summary>
    private static async Task<string> ReadSecretAsync(string path, CancellationToken cancellation) => (await ReadTextAsync(path, cancellation)).TrimEnd('\r', '\n');

    private static Task<string> ReadTextAsync(string path, CancellationToken cancellation) => path == "-" ? Console.In.ReadToEndAsync(cancellation) : File.ReadAllTextAsync(path, cancellation);

    /// <exception cref="InvalidDataException">It is none.</exception>
    private static async Task<T> ReadAsync<T>(MessageParser<T> parser, string path, string what, CancellationToken cancellation)
        where T : IMessage<T>
    {
        try
        {
            return parser.ParseJson(await ReadTextAsync(path, cancellation));
        }
        catch (Exception e) when (e is InvalidJsonException or InvalidProtocolBufferException)
        {
            throw new InvalidDataException($"`{path}` is not {what} as JSON: {e.Message}");
        }
    }
}
