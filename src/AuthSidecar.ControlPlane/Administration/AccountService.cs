using AuthSidecar.ControlPlane.Accounts;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.AspNetCore.Identity;

namespace AuthSidecar.ControlPlane.Administration;

/// <summary>The accounts' side of the administration API.</summary>
internal sealed class AccountService(AccountDirectory accounts, UpstreamLogins logins, Sessions sessions, ControlStore store) : V1.AccountService.AccountServiceBase
{
    public override async Task<WriteAccountResponse> WriteAccount(WriteAccountRequest request, ServerCallContext context)
    {
        var given = RequestChecks.Required(request.Account, "account");
        var id = RequestChecks.Name(given.Id, "account.id");
        var result = await accounts.WriteAsync(
            Caller.Of(context).Name,
            new AccountProfile(
                id,
                RequestChecks.TextOr(given.UserName, "account.user_name", id),
                RequestChecks.TextOr(given.Email, "account.email", ""),
                RequestChecks.TextOr(given.DisplayName, "account.display_name", ""),
                given.Disabled),
            request.HasPassword ? request.Password : null,
            RequestChecks.Expected(request.HasExpectedRevision, request.ExpectedRevision),
            context.CancellationToken);
        return new WriteAccountResponse { Revision = Failures.Committed(result) };
    }

    public override async Task<RemoveAccountResponse> RemoveAccount(RemoveAccountRequest request, ServerCallContext context) => new()
    {
        Revision = Failures.Committed(await accounts.RemoveAsync(Caller.Of(context).Name, RequestChecks.Name(request.Id, "id"), context.CancellationToken)),
    };

    public override async Task<ListAccountsResponse> ListAccounts(ListAccountsRequest request, ServerCallContext context)
    {
        var listed = await accounts.ListAsync(request.AfterId, RequestChecks.PageSize(request.PageSize), context.CancellationToken);
        var linked = await logins.ListAsync([.. listed.Select(a => a.Id)], context.CancellationToken);
        return new ListAccountsResponse { Accounts = { listed.Select(a => ToMessage(a, linked[a.Id])) } };
    }

    public override async Task<ListSessionsResponse> ListSessions(ListSessionsRequest request, ServerCallContext context)
    {
        var listed = await sessions.ListAsync(RequestChecks.Name(request.AccountId, "account_id"), context.CancellationToken);
        return new ListSessionsResponse { Sessions = { listed.Select(ToMessage) } };
    }

    public override async Task<EndSessionsResponse> EndSessions(EndSessionsRequest request, ServerCallContext context)
    {
        var (actor, account) = (Caller.Of(context).Name, RequestChecks.Name(request.AccountId, "account_id"));
        var result = request.SessionId.Length == 0
            ? await accounts.EndSessionsAsync(actor, account, context.CancellationToken)
            : await sessions.EndAsync(actor, account, request.SessionId, "administrator", context.CancellationToken);
        return new EndSessionsResponse { Revision = Failures.Committed(result) };
    }

    private V1.Account ToMessage(Accounts.Account account, IEnumerable<IdentityUserLogin<string>> logins) => new()
    {
        Id = account.Id,
        UserName = account.UserName ?? "",
        Email = account.Email ?? "",
        DisplayName = account.DisplayName,
        Disabled = account.IsDisabled,
        Revision = store.At(account.Revision).ToString(),
        Logins = { logins.Select(l => new UpstreamLogin { Issuer = l.LoginProvider, Subject = l.ProviderKey }) },
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
