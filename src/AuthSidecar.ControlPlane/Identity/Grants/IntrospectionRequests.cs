using AuthSidecar.ControlPlane.Identity.Clients;

namespace AuthSidecar.ControlPlane.Identity.Grants;

/// <summary>Says of a token that is looked into also what it is bound to (RFC 9449, section 6.2; RFC 8705, section 3.2).</summary>
internal sealed class IntrospectionRequests(ControlStore store) : IOpenIddictServerHandler<HandleIntrospectionRequestContext>
{
    public async ValueTask HandleAsync(HandleIntrospectionRequestContext context)
    {
        // By its name it is whom the token is for; but names are given by whoever manages another application as well.
        var clientId = context.Request.ClientId!;
        if (!context.GenericTokenPrincipal.HasPresenter(clientId)
            && (await store.ReadAsync((read, _) => ClientRecords.FindAsync(read, clientId, context.CancellationToken),
                context.CancellationToken)).Client?.Application != clientId)
        {
            context.Reject(Errors.InvalidToken, "the token is for another application");
            return;
        }

        if (context.GenericTokenPrincipal.GetClaim(GrantClaims.Confirmation) is { } confirmation)
        {
            context.Claims["cnf"] = JsonSerializer.Deserialize<JsonElement>(confirmation);
            context.TokenType = BoundKey.Read(confirmation).Member == BoundKey.Key ? "DPoP" : TokenTypes.Bearer;
        }

        if (context.GenericTokenPrincipal.GetClaim(ServerConstants.SessionIdClaim) is { } session)
            context.Claims[ServerConstants.SessionIdClaim] = session;
    }
}
