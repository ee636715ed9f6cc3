using AuthSidecar.ControlPlane.Identity.Accounts;
using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Identity.Management;

/// <summary>The accounts' side of the administration API.</summary>
internal sealed class AccountService(AccountDirectory accounts, ProviderLogins logins, SessionStore sessions, ResetLinks resets,
    IdentityServerOptions options, ControlStore store) : V1.AccountService.AccountServiceBase
{
    public override async Task<WriteAccountResponse> WriteAccount(WriteAccountRequest request, ServerCallContext context)
    {
        var given = RequestChecks.Required(request.Account, "account");
        var result = await accounts.WriteAsync(
            Caller.Of(context).Name,
            RequestChecks.Name(given.Id, "account.id"),
            before => ProfileOf(Patch.Apply(before is null ? null : ToMessage(before), given, request.UpdateMask)),
            request.HasPassword ? request.Password : null,
            RequestChecks.Expected(request.HasExpectedRevision, request.ExpectedRevision),
            context.CancellationToken);
        return new WriteAccountResponse { Revision = ApiErrors.Committed(result) };
    }

    public override async Task<GetAccountResponse> GetAccount(GetAccountRequest request, ServerCallContext context)
    {
        var id = RequestChecks.Name(request.Id, "id");
        var account = await accounts.FindAsync(id, context.CancellationToken) ?? throw ApiErrors.NotFound($"account `{id}`");
        return new GetAccountResponse { Account = ToMessage(account, (await logins.ListAsync([id], context.CancellationToken))[id]) };
    }

    public override async Task<RemoveAccountResponse> RemoveAccount(RemoveAccountRequest request, ServerCallContext context) => new()
    {
        Revision = ApiErrors.Committed(
            await accounts.RemoveAsync(Caller.Of(context).Name, RequestChecks.Name(request.Id, "id"), context.CancellationToken)),
    };

    public override async Task<UnlockAccountResponse> UnlockAccount(UnlockAccountRequest request, ServerCallContext context)
    {
        ApiErrors.Committed(
            await accounts.UnlockAsync(Caller.Of(context).Name, RequestChecks.Name(request.Id, "id"), context.CancellationToken));
        return new UnlockAccountResponse();
    }

    public override async Task<CreateResetLinkResponse> CreateResetLink(CreateResetLinkRequest request, ServerCallContext context)
    {
        var lifetime = request.LifetimeSeconds == 0 ? ResetLinks.DefaultLifetime : TimeSpan.FromSeconds(request.LifetimeSeconds);
        if (lifetime < ResetLinks.ShortestLifetime || lifetime > ResetLinks.LongestLifetime)
        {
            throw ApiErrors.InvalidField("lifetime_seconds",
                $"must be {ResetLinks.ShortestLifetime.TotalSeconds} to {ResetLinks.LongestLifetime.TotalSeconds} seconds");
        }

        var url = options.Url ?? throw ApiErrors.NoUrl();
        var (result, code, expires) = await resets.CreateAsync(Caller.Of(context).Name, RequestChecks.Name(request.AccountId, "account_id"),
            lifetime, context.CancellationToken);
        ApiErrors.Committed(result);
        return new CreateResetLinkResponse
        {
            Url = $"{new Uri(url, ResetLinks.Path)}?code={code}",
            ExpiresAt = Timestamp.FromDateTimeOffset(expires),
        };
    }

    public override async Task<ListAccountsResponse> ListAccounts(ListAccountsRequest request, ServerCallContext context)
    {
        var listed = await accounts.ListAsync(request.AfterId, RequestChecks.PageSize(request.PageSize), context.CancellationToken);
        var linked = await logins.ListAsync([.. listed.Select(a => a.Id)], context.CancellationToken);
        return new ListAccountsResponse { Accounts = { listed.Select(a => ToMessage(a, linked[a.Id])) } };
    }

    public override async Task<ListSessionsResponse> ListSessions(ListSessionsRequest request, ServerCallContext context)
    {
        var id = RequestChecks.Name(request.AccountId, "account_id");
        if (await accounts.FindAsync(id, context.CancellationToken) is null)
            throw ApiErrors.NotFound($"account `{id}`");

        var listed = await sessions.ListAsync(id, context.CancellationToken);
        return new ListSessionsResponse { Sessions = { listed.Select(ToMessage) } };
    }

    public override async Task<EndSessionsResponse> EndSessions(EndSessionsRequest request, ServerCallContext context)
    {
        var (actor, account) = (Caller.Of(context).Name, RequestChecks.Name(request.AccountId, "account_id"));
        var result = request.SessionId.Length == 0
            ? await accounts.EndSessionsAsync(actor, account, context.CancellationToken)
            : await sessions.EndAsync(actor, account, request.SessionId, "administrator", context.CancellationToken);
        return new EndSessionsResponse { Revision = ApiErrors.Committed(result) };
    }

    private static AccountProfile ProfileOf(V1.Account account) => new(
        account.Id,
        account.HasUserName ? RequestChecks.Text(account.UserName, "account.user_name") : account.Id,
        account.HasEmail ? Email(account.Email) : "",
        account.HasDisplayName ? RequestChecks.Text(account.DisplayName, "account.display_name") : "",
        account.Disabled);

    /// <summary>Not whether it is somebody's: only what cannot be one (RFC 5321, section 4.1.2).</summary>
    private static string Email(string address)
    {
        RequestChecks.Text(address, "account.email");
        var at = address.LastIndexOf('@');
        return address.Length == 0 || (at > 0 && at < address.Length - 1 && !address.Any(char.IsWhiteSpace)) ? address
            : throw ApiErrors.InvalidField("account.email", $"`{address}` is not an e-mail address such as `alice@example.com`");
    }

    private V1.Account ToMessage(Account account, IEnumerable<IdentityUserLogin<string>> logins)
    {
        var message = ToMessage(account.Profile);
        message.Revision = store.At(account.Revision).ToString();
        message.Logins.AddRange(logins.Select(l => new IdentityProviderLogin { Issuer = l.LoginProvider, Subject = l.ProviderKey }));
        return message;
    }

    private static V1.Account ToMessage(AccountProfile profile) => new()
    {
        Id = profile.Id,
        UserName = profile.UserName,
        Email = profile.Email,
        DisplayName = profile.DisplayName,
        Disabled = profile.IsDisabled,
    };

    private static Session ToMessage(SessionRow session) => new()
    {
        Id = session.Id,
        AuthenticatedAt = TimeOf(session.AuthenticatedAtMs),
        SeenAt = TimeOf(session.SeenAtMs),
        EndsAt = TimeOf(session.EndsAtMs),
        Methods = { session.Methods.Split(' ') },
        UserAgent = session.UserAgent,
        Address = session.Address,
    };

    private static Timestamp TimeOf(long ms) => Timestamp.FromDateTimeOffset(DateTimeOffset.FromUnixTimeMilliseconds(ms));
}
