using System.CommandLine;
using System.Text.Json;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>The commands about who signs in, and about the clients that get tokens for them.</summary>
internal static class IdentityCommands
{
    /// <summary><c>authsidecar-control accounts</c>.</summary>
    public static Command Accounts()
    {
        var id = new Argument<string>("id") { Description = "The account's id: the subject of its tokens, and the id of its `User` in policies." };
        var name = new Option<string?>("--name") { Description = "The sign-in name. Default of a new account: the id." }.NotEmpty();
        var email = new Option<string?>("--email") { Description = "The e-mail address; empty: none." };
        var displayName = new Option<string?>("--display-name") { Description = "The name shown on pages; empty: the sign-in name." };
        var password = new Option<string?>("--password-file") { Description = "A file with the password; `-` for standard input." }.NotEmpty();
        var disabled = new Option<bool>("--disabled") { Description = "Disables an account: it cannot sign in, and its sessions and tokens end." };
        var enabled = new Option<bool>("--enabled") { Description = "Enables an account that was disabled." };
        var lifetime = new Option<int>("--minutes") { Description = "Lifetime of the link in minutes, 1 to 10080.", DefaultValueFactory = _ => 60 }.Range(1, 10_080);
        var session = new Option<string>("--session") { Description = "The id of the session to end, as `accounts sessions` lists it. Default: all sessions.", DefaultValueFactory = _ => "" };
        return new Command("accounts", "Manages user accounts and their sessions.")
        {
            AdminCommand.Create("write", "Creates an account, or updates the given fields. A new password ends all sessions and tokens.", [id, name, email, displayName, password, disabled, enabled], async (parsed, channel, output, cancellation) =>
            {
                var client = new AccountService.AccountServiceClient(channel);
                var accountId = parsed.GetValue(id)!;
                var current = await AdminCommand.FindAsync(client.GetAccountAsync(new GetAccountRequest { Id = accountId }, cancellationToken: cancellation));
                var account = new Account { Id = accountId };
                switch (parsed.GetValue(disabled), parsed.GetValue(enabled))
                {
                    case (true, true): throw new InvalidDataException("`--disabled` and `--enabled` exclude each other");
                    case (true, _) or (_, true) when current is null: throw new InvalidDataException($"account `{accountId}` does not exist");
                    case (true, _) or (_, true): account.Disabled = parsed.GetValue(disabled); break;
                }

                if (parsed.GetValue(name) is { } userName)
                {
                    account.UserName = userName;
                }

                if (parsed.GetValue(email) is { } address)
                {
                    account.Email = address;
                }

                if (parsed.GetValue(displayName) is { } called)
                {
                    account.DisplayName = called;
                }

                var request = new WriteAccountRequest { Account = account, ExpectedRevision = current?.Account.Revision ?? "" };
                if (parsed.GetValue(password) is { } file)
                {
                    request.Password = await ReadSecretAsync(file, cancellation);
                }

                AdminCommand.WriteResult(output, current is null, (await client.WriteAccountAsync(request, cancellationToken: cancellation)).Revision);
            }),
            AdminCommand.Create("remove", "Removes an account, its sessions and its tokens.", [id], async (parsed, channel, output, cancellation) =>
            {
                var response = await new AccountService.AccountServiceClient(channel).RemoveAccountAsync(new RemoveAccountRequest { Id = parsed.GetValue(id)! }, cancellationToken: cancellation);
                output.WriteLine($"removed: revision {response.Revision}");
            }),
            AdminCommand.Create("list", "Lists accounts.", [], async (_, channel, output, cancellation) =>
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
            AdminCommand.Create("unlock", "Unlocks an account: resets its failed sign-in attempts.", [id], async (parsed, channel, output, cancellation) =>
            {
                await new AccountService.AccountServiceClient(channel).UnlockAccountAsync(new UnlockAccountRequest { Id = parsed.GetValue(id)! }, cancellationToken: cancellation);
                output.WriteLine("unlocked");
            }),
            AdminCommand.Create("reset-link", "Creates and prints a single-use password reset link.", [id, lifetime], async (parsed, channel, output, cancellation) =>
            {
                var response = await new AccountService.AccountServiceClient(channel).CreateResetLinkAsync(
                    new CreateResetLinkRequest { AccountId = parsed.GetValue(id)!, LifetimeSeconds = parsed.GetValue(lifetime) * 60 }, cancellationToken: cancellation);
                output.WriteLine(response.Url);
            }),
            AdminCommand.Create("sessions", "Lists active sessions of an account.", [id], async (parsed, channel, output, cancellation) =>
            {
                var response = await new AccountService.AccountServiceClient(channel).ListSessionsAsync(new ListSessionsRequest { AccountId = parsed.GetValue(id)! }, cancellationToken: cancellation);
                foreach (var one in response.Sessions)
                {
                    output.WriteLine($"{one.Id}  since {one.AuthenticatedAt.ToDateTimeOffset():u}  seen {one.SeenAt.ToDateTimeOffset():u}  {one.Address}  {string.Join(' ', one.Methods)}  {one.UserAgent}");
                }
            }),
            AdminCommand.Create("sign-out", "Ends sessions of an account and revokes their tokens.", [id, session], async (parsed, channel, output, cancellation) =>
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
        var file = new Argument<string>("file") { Description = "The client as JSON, as `clients list` prints it; `-` for standard input. With a `revision`, the write fails if the current one differs." }.NotEmpty();
        var replace = Replace();
        var id = new Argument<string>("id") { Description = "The client's id." };
        var application = new Option<string>("--application") { Description = "The client's application.", Required = true };
        return new Command("clients", "Creates, lists and removes OAuth 2.0 clients.")
        {
            AdminCommand.Create("write", "Creates a client, or updates the fields in the file.", [file, replace], async (parsed, channel, output, cancellation) =>
            {
                var clients = new ClientService.ClientServiceClient(channel);
                var client = await ReadAsync(Client.Parser, parsed.GetValue(file)!, "a client", parsed.GetValue(replace), cancellation);
                var current = (await clients.ListClientsAsync(new ListClientsRequest(), cancellationToken: cancellation)).Clients.FirstOrDefault(c => c.Id == client.Id);
                var request = new WriteClientRequest
                {
                    Client = client, UpdateMask = MaskOf(parsed, replace), ExpectedRevision = client.Revision.Length > 0 ? client.Revision : current?.Revision ?? "",
                };
                AdminCommand.WriteResult(output, current is null, (await clients.WriteClientAsync(request, cancellationToken: cancellation)).Revision);
            }),
            AdminCommand.Create("remove", "Removes a client.", [id, application], async (parsed, channel, output, cancellation) =>
            {
                var response = await new ClientService.ClientServiceClient(channel).RemoveClientAsync(
                    new RemoveClientRequest { Id = parsed.GetValue(id)!, Application = parsed.GetValue(application)! }, cancellationToken: cancellation);
                output.WriteLine($"removed: revision {response.Revision}");
            }),
            AdminCommand.Create("list", "Lists clients, one line of JSON each.", [], async (_, channel, output, cancellation) =>
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
        var file = new Argument<string>("file") { Description = "The provider as JSON, as `upstreams list` prints it; `-` for standard input. With a `revision`, the write fails if the current one differs." }.NotEmpty();
        var replace = Replace();
        var id = new Argument<string>("id") { Description = "The provider's id." };
        var secret = new Option<string?>("--secret-file") { Description = "A file with the client secret that the provider has given; `-` for standard input. Without it, the secret is unchanged." }.NotEmpty();
        return new Command("upstreams", "Configures upstream identity providers: Google, GitHub, Microsoft, any OpenID provider.")
        {
            AdminCommand.Create("write", "Creates a provider, or updates the fields in the file.", [file, secret, replace], async (parsed, channel, output, cancellation) =>
            {
                var client = new UpstreamService.UpstreamServiceClient(channel);
                var request = new WriteUpstreamRequest { Upstream = await ReadAsync(Upstream.Parser, parsed.GetValue(file)!, "an upstream provider", parsed.GetValue(replace), cancellation), UpdateMask = MaskOf(parsed, replace) };
                var current = (await client.ListUpstreamsAsync(new ListUpstreamsRequest(), cancellationToken: cancellation)).Upstreams.FirstOrDefault(u => u.Id == request.Upstream.Id);
                request.ExpectedRevision = request.Upstream.Revision.Length > 0 ? request.Upstream.Revision : current?.Revision ?? "";
                if (parsed.GetValue(secret) is { } path)
                {
                    request.ClientSecret = await ReadSecretAsync(path, cancellation);
                }

                AdminCommand.WriteResult(output, current is null, (await client.WriteUpstreamAsync(request, cancellationToken: cancellation)).Revision);
            }),
            AdminCommand.Create("remove", "Removes a provider and disables sign-in with it.", [id], async (parsed, channel, output, cancellation) =>
            {
                var response = await new UpstreamService.UpstreamServiceClient(channel).RemoveUpstreamAsync(new RemoveUpstreamRequest { Id = parsed.GetValue(id)! }, cancellationToken: cancellation);
                output.WriteLine($"removed: revision {response.Revision}");
            }),
            AdminCommand.Create("list", "Lists providers, one line of JSON each, with the redirect URI to register.", [], async (_, channel, output, cancellation) =>
            {
                foreach (var upstream in (await new UpstreamService.UpstreamServiceClient(channel).ListUpstreamsAsync(new ListUpstreamsRequest(), cancellationToken: cancellation)).Upstreams)
                {
                    output.WriteLine(JsonFormatter.Default.Format(upstream));
                }
            }),
        };
    }

    private static Option<bool> Replace() => new("--replace") { Description = "Replaces the whole object: fields that are not in the file get their defaults." };

    private static FieldMask? MaskOf(ParseResult parsed, Option<bool> replace) => parsed.GetValue(replace) ? new FieldMask { Paths = { "*" } } : null;

    /// <summary>A secret in a file, without the end of the line, which nobody types.</summary>
    private static async Task<string> ReadSecretAsync(string path, CancellationToken cancellation) => (await ReadTextAsync(path, cancellation)).TrimEnd('\r', '\n');

    private static Task<string> ReadTextAsync(string path, CancellationToken cancellation) => path == "-" ? Console.In.ReadToEndAsync(cancellation) : File.ReadAllTextAsync(path, cancellation);

    /// <exception cref="InvalidDataException">It is none, or says what would be passed over.</exception>
    private static async Task<T> ReadAsync<T>(MessageParser<T> parser, string path, string what, bool isReplacing, CancellationToken cancellation)
        where T : IMessage<T>
    {
        try
        {
            var text = await ReadTextAsync(path, cancellation);
            var message = parser.ParseJson(text);
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false });
            var empty = document.RootElement.EnumerateObject().Where(p => p.Value.ValueKind == JsonValueKind.Array && p.Value.GetArrayLength() == 0).Select(p => p.Name).FirstOrDefault();
            return isReplacing || empty is null ? message : throw new InvalidDataException($"`{path}`: `{empty}` is empty and would be ignored: remove it, or specify `--replace`");
        }
        catch (Exception e) when (e is InvalidJsonException or InvalidProtocolBufferException or JsonException)
        {
            throw new InvalidDataException($"`{path}` is not {what} as JSON: {e.Message}");
        }
    }
}
