using AuthSidecar.ControlPlane.Identity.Sessions;

namespace AuthSidecar.ControlPlane.Identity.Grants;

/// <summary>Revokes tokens that their clients have no more use for (RFC 7009).</summary>
internal sealed class RevocationRequests(ControlStore store, GrantStore grants) : IOpenIddictServerHandler<HandleRevocationRequestContext>
{
    public async ValueTask HandleAsync(HandleRevocationRequestContext context)
    {
        var (principal, cancellation) = (context.GenericTokenPrincipal, context.CancellationToken);
        var actor = $"client:{context.Request.ClientId}";
        switch (principal?.GetTokenType())
        {
            case TokenTypeIdentifiers.RefreshToken:
                // Section 2.1: its access tokens go with it.
                await grants.EndAsync(actor, principal.GetClaim(GrantClaims.Grant)!, "revoked by its client", cancellation);
                context.HandleRequest();
                break;
            case TokenTypeIdentifiers.AccessToken when principal.GetClaim(Claims.JwtId) is { } id:
                await store.WriteAsync(
                    actor,
                    async transaction =>
                    {
                        await TokenRevocations.TokenAsync(transaction, id, cancellation);
                        transaction.Audit("tokens.revoke", id, Placement.ControlPlane, before: null, "revoked by its client");
                        return null;
                    },
                    cancellation);
                context.HandleRequest();
                break;
        }
    }
}
