using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>The commands about accounts.</summary>
internal static class AccountCommands
{
    /// <summary><c>authsidecar-control accounts</c>.</summary>
    public static Command Accounts()
    {
        var id = new Argument<string>("id")
        {
            Description = "The account's id: the subject of its tokens, and the id of its `User` in policies.",
        };
        var name = CliOption.Of<string?>("--name", "NAME", "The sign-in name. Default of a new account: the id.");
        var email = CliOption.Of<string?>("--email", "ADDRESS", "The e-mail address; empty: none.").MayBeEmpty();
        var displayName = CliOption.Of<string?>("--display-name", "NAME", "The name shown on pages; empty: the sign-in name.").MayBeEmpty();
        var password = CliOption.Of<string?>("--password-file", "FILE", "A file with the password; `-` for standard input.");
        var disabled = CliOption.Flag("--disabled", "Disable the account: it cannot sign in, and its sessions and tokens end.");
        var enabled = CliOption.Flag("--enabled", "Enable an account that was disabled.");
        var lifetime = CliOption.Of<int>("--minutes", "MINUTES", "Lifetime of the link in minutes, 1 to 10080.").WithDefault(() => 60)
            .Range(1, 10_080);
        var session = CliOption.Of<string>("--session", "ID",
            "The id of the session to end, as `accounts list-sessions` lists it. Default: all sessions.").WithDefault(() => "");
        return new Command("accounts", "Manage user accounts and their sessions.")
        {
            AdminCommand.Create("write", "Create an account, or update the given fields. A new password ends all sessions and tokens.",
                "authsidecar-control accounts write alice --email alice@example.com --password-file alice.password", [id, name, email,
                    displayName, password, disabled, enabled], async (parsed, channel, output, cancellation) =>
            {
                var client = new AccountService.AccountServiceClient(channel);
                var accountId = parsed.GetValue(id)!;
                var current = await AdminCommand.FindAsync(
                    client.GetAccountAsync(new GetAccountRequest { Id = accountId }, cancellationToken: cancellation));
                var account = new Account { Id = accountId };
                switch (parsed.GetValue(disabled), parsed.GetValue(enabled))
                {
                    case (true, true): throw new InvalidDataException("`--disabled` and `--enabled` exclude each other");
                    case (true, _) or (_, true) when current is null: throw new InvalidDataException(
                        $"account `{accountId}` does not exist");
                    case (true, _) or (_, true): account.Disabled = parsed.GetValue(disabled); break;
                }

                if (parsed.GetValue(name) is { } userName)
                    account.UserName = userName;

                if (parsed.GetValue(email) is { } address)
                    account.Email = address;

                if (parsed.GetValue(displayName) is { } called)
                    account.DisplayName = called;

                var request = new WriteAccountRequest { Account = account, ExpectedRevision = current?.Account.Revision ?? "" };
                if (parsed.GetValue(password) is { } file)
                    request.Password = await JsonFile.ReadSecretAsync(file, cancellation);

                AdminCommand.WriteResult(
                    output, current is null, (await client.WriteAccountAsync(request, cancellationToken: cancellation)).Revision);
            }),
            AdminCommand.Create("remove", "Remove an account, its sessions and its tokens.", "authsidecar-control accounts remove alice",
                [id], async (parsed, channel, output, cancellation) =>
            {
                var response = await new AccountService.AccountServiceClient(channel)
                    .RemoveAccountAsync(new RemoveAccountRequest { Id = parsed.GetValue(id)! }, cancellationToken: cancellation);
                output.WriteLine($"removed: revision {response.Revision}");
            }),
            AdminCommand.Create(
                "list", "List accounts.", "authsidecar-control accounts list", [], async (_, channel, output, cancellation) =>
            {
                var (client, after) = (new AccountService.AccountServiceClient(channel), "");
                do
                {
                    var page = await client.ListAccountsAsync(
                        new ListAccountsRequest { AfterId = after, PageSize = 1_000 }, cancellationToken: cancellation);
                    foreach (var account in page.Accounts)
                    {
                        output.WriteLine(
                            $"{account.Id}  {account.UserName}{(account.Email.Length > 0 ? $"  {account.Email}" : "")}"
                                + $"{(account.Disabled ? "  disabled" : "")}"
                                + $"{string.Concat(account.Logins.Select(l => $"  {l.Subject} of {l.Issuer}"))}");
                    }

                    after = page.Accounts.Count > 0 ? page.Accounts[^1].Id : "";
                }
                while (after.Length > 0);
            }),
            AdminCommand.Create("unlock", "Unlock an account: reset its failed sign-in attempts.",
                "authsidecar-control accounts unlock alice", [id], async (parsed, channel, output, cancellation) =>
            {
                await new AccountService.AccountServiceClient(channel)
                    .UnlockAccountAsync(new UnlockAccountRequest { Id = parsed.GetValue(id)! }, cancellationToken: cancellation);
                output.WriteLine("unlocked");
            }),
            AdminCommand.Create("create-reset-link", "Create and print a single-use password reset link.",
                "authsidecar-control accounts create-reset-link alice --minutes 30", [id, lifetime],
                async (parsed, channel, output, cancellation) =>
            {
                var response = await new AccountService.AccountServiceClient(channel).CreateResetLinkAsync(
                    new CreateResetLinkRequest { AccountId = parsed.GetValue(id)!, LifetimeSeconds = parsed.GetValue(lifetime) * 60 },
                    cancellationToken: cancellation);
                output.WriteLine(response.Url);
            }),
            AdminCommand.Create("list-sessions", "List active sessions of an account.", "authsidecar-control accounts list-sessions alice",
                [id],
                async (parsed, channel, output, cancellation) =>
            {
                var response = await new AccountService.AccountServiceClient(channel).ListSessionsAsync(
                    new ListSessionsRequest { AccountId = parsed.GetValue(id)! }, cancellationToken: cancellation);
                foreach (var one in response.Sessions)
                {
                    output.WriteLine(
                        $"{one.Id}  since {one.AuthenticatedAt.ToDateTimeOffset():u}  seen {one.SeenAt.ToDateTimeOffset():u}  "
                            + $"{one.Address}  {string.Join(' ', one.Methods)}  {one.UserAgent}");
                }
            }),
            AdminCommand.Create("sign-out", "End sessions of an account and revoke their tokens.",
                "authsidecar-control accounts sign-out alice", [id, session], async (parsed, channel, output, cancellation) =>
            {
                var response = await new AccountService.AccountServiceClient(channel).EndSessionsAsync(
                    new EndSessionsRequest { AccountId = parsed.GetValue(id)!, SessionId = parsed.GetValue(session)! },
                    cancellationToken: cancellation);
                output.WriteLine($"signed out: revision {response.Revision}");
            }),
        };
    }
}
