using AuthSidecar.ControlPlane.Identity.Clients;
using AuthSidecar.ControlPlane.Identity.Grants;
using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Identity.Management;

/// <summary>The OAuth clients' side of the administration API.</summary>
internal sealed class ClientService(ControlStore store) : V1.ClientService.ClientServiceBase
{
    private const int MaxIdLength = 100;
    private const int MaxListed = 64;

    public override async Task<WriteClientResponse> WriteClient(WriteClientRequest request, ServerCallContext context)
    {
        var given = RequestChecks.Required(request.Client, "client");
        var (id, application) = (Id(given.Id), ApplicationOf(given.Application));
        var result = await store.WriteAsync(
            Caller.Of(context).Name,
            async transaction =>
            {
                if (await ClientRecords.IsOfAnotherAsync(transaction.Context, id, application, context.CancellationToken))
                {
                    // Of whom is not the caller's to know: it may be an administrator.
                    return new Refusal.AlreadyThere($"client `{id}` of another application");
                }

                var (before, revision) = await ClientRecords.FindAsync(transaction.Context, id, context.CancellationToken);
                if (transaction.Expect(
                    RequestChecks.Expected(request.HasExpectedRevision, request.ExpectedRevision), revision) is { } stale)
                {
                    return stale;
                }

                var client = Check(Patch.Apply(before, given, request.UpdateMask));
                // Compared as bytes: `Equals` does not tell a field set to `false` from one that is unset.
                if (client.ToByteString() == before?.ToByteString())
                    return new Refusal.NothingToDo(revision);

                await ClientRecords.WriteAsync(transaction.Context, client, transaction.Revision, context.CancellationToken);
                await GrantStore.EndOfClientAsync(
                    transaction, id, ClientRecords.ScopesOf(client), "the client was changed", context.CancellationToken);
                transaction.Audit("clients.write", id, new Placement(application, ""), before?.ToString(), client.ToString());
                return null;
            },
            context.CancellationToken);
        return new WriteClientResponse { Revision = ApiErrors.Committed(result) };
    }

    public override async Task<RemoveClientResponse> RemoveClient(RemoveClientRequest request, ServerCallContext context)
    {
        var (id, application) = (RequestChecks.Name(request.Id, "id"), RequestChecks.Name(request.Application, "application"));
        var result = await store.WriteAsync(
            Caller.Of(context).Name,
            async transaction =>
            {
                if (await ClientRecords.FindAsync(transaction.Context, id, context.CancellationToken) is not ({ } before, _)
                    || before.Application != application)
                {
                    return new Refusal.NotFound($"client `{id}` of application `{application}`");
                }

                await ClientRecords.RemoveAsync(transaction.Context, id, context.CancellationToken);
                await GrantStore.EndOfClientAsync(transaction, id, allowed: null, "the client was removed", context.CancellationToken);
                await TokenRevocations.SubjectAsync(transaction, application, TokenRequests.SubjectOfClient(id), context.CancellationToken);
                transaction.Audit("clients.remove", id, new Placement(application, ""), before.ToString(), after: null);
                return null;
            },
            context.CancellationToken);
        return new RemoveClientResponse { Revision = ApiErrors.Committed(result) };
    }

    public override async Task<ListClientsResponse> ListClients(ListClientsRequest request, ServerCallContext context)
    {
        var caller = Caller.Of(context);
        var clients = await store.ReadAsync(
            (read, _) => ClientRecords.ListAsync(read, context.CancellationToken), context.CancellationToken);
        return new ListClientsResponse
        {
            Clients = { clients.Where(c => caller.IsAllowed("clients.read", new Placement(c.Client.Application, ""))).Select(ToMessage) },
        };
    }

    private Client ToMessage((Client Client, long Revision) found)
    {
        var message = found.Client.Clone();
        message.Revision = found.Revision == 0 ? "" : store.At(found.Revision).ToString();
        return message;
    }

    private static string Id(string value) => RequestChecks.Name(value, "client.id").Length <= MaxIdLength ? value
        : throw ApiErrors.InvalidField("client.id", $"must have at most {MaxIdLength} characters");

    private static string ApplicationOf(string value) =>
        RequestChecks.Name(value, "client.application") != Placement.ControlPlaneApplication
        ? value
        : throw ApiErrors.InvalidField("client.application", "reserved for administrators of the control plane: use AdministratorService");

    private static Client Check(Client client)
    {
        client.Revision = "";
        client.DisplayName = client.HasDisplayName ? RequestChecks.Text(client.DisplayName, "client.display_name") : client.Id;
        if (client.GrantTypes.Count == 0 || client.GrantTypes.Any(t => !Enum.IsDefined(t) || t == GrantType.Unspecified))
            throw ApiErrors.InvalidField("client.grant_types", "must contain at least one supported grant type");

        if (client.GrantTypes.Contains(GrantType.ClientCredentials) && client.Jwks.Length == 0)
            throw ApiErrors.InvalidField("client.jwks", "required for GRANT_TYPE_CLIENT_CREDENTIALS: the client authenticates with a key");

        if (client.Jwks.Length > 0)
            RequestChecks.KeySet(client.Jwks, "client.jwks");

        if (client.GrantTypes.Contains(GrantType.AuthorizationCode) && client.RedirectUris.Count == 0)
            throw ApiErrors.InvalidField("client.redirect_uris", "at least one is required for GRANT_TYPE_AUTHORIZATION_CODE");

        Uris(client.RedirectUris, "client.redirect_uris");
        Uris(client.PostLogoutRedirectUris, "client.post_logout_redirect_uris");
        if (client.HasBackchannelLogoutUri && !RequestChecks.IsHttps(client.BackchannelLogoutUri))
            throw ApiErrors.InvalidField("client.backchannel_logout_uri", "expected an `https:` URL without a fragment");

        if (client.HasBackchannelLogoutUri && ClientRecords.ScopesOf(client) is null)
        {
            throw ApiErrors.InvalidField(
                "client.backchannel_logout_uri", "requires GRANT_TYPE_AUTHORIZATION_CODE or GRANT_TYPE_DEVICE_CODE");
        }

        if (!client.Scopes.All(RequestChecks.IsScope))
            throw ApiErrors.InvalidField("client.scopes", RequestChecks.ScopeForm);

        return client.Scopes.Count <= MaxListed ? client
            : throw ApiErrors.InvalidField("client.scopes", $"must have at most {MaxListed} elements");
    }

    private static void Uris(IReadOnlyCollection<string> uris, string field)
    {
        if (uris.Count > MaxListed || uris.Any(u => !IsRedirectUri(u)))
        {
            throw ApiErrors.InvalidField(
                field, $"expected at most {MaxListed} `https:` URLs without a fragment, or `http:` URLs of `127.0.0.1` or `[::1]`");
        }
    }

    private static bool IsRedirectUri(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Fragment.Length == 0 && uri.UserInfo.Length == 0
            && uri.IsWellFormedOriginalString()
        && (uri.Scheme == Uri.UriSchemeHttps || (uri.Scheme == Uri.UriSchemeHttp && uri.Host is "127.0.0.1" or "[::1]"));
}
