using System.Security.Claims;

namespace AuthSidecar.ControlPlane.Identity.Grants;

/// <summary>Reads refresh tokens.</summary>
internal sealed class RefreshTokenReader(GrantStore grants) : IOpenIddictServerHandler<ValidateTokenContext>
{
    public async ValueTask HandleAsync(ValidateTokenContext context)
    {
        var isExpected = context.ValidTokenTypes.Count == 0 || context.ValidTokenTypes.Contains(TokenTypeIdentifiers.RefreshToken);
        if (!isExpected || grants.ReadToken(context.Token) is not { } token
            || await grants.FindAsync(token.GrantId, context.CancellationToken) is not { } row)
        {
            return;
        }

        // Who comes to refresh may be one too many, which is looked into where generations change. Whoever revokes an old one means what
        // came of it (RFC 7009, section 2.1): its client lost an answer, or refreshes at this moment. To all others an old one is none.
        var isOld = row.Generation != token.Generation && context.EndpointType != OpenIddictServerEndpointType.Revocation;
        if (context.EndpointType != OpenIddictServerEndpointType.Token && (row.EndedAtMs is not null || isOld))
            return;

        var identity = new ClaimsIdentity("authsidecar", Claims.Name, Claims.Role);
        identity.SetTokenType(TokenTypeIdentifiers.RefreshToken)
            .SetClaim(Claims.Subject, row.AccountId)
            .SetClaim(GrantClaims.Grant, row.Id)
            .SetClaim(GrantClaims.Generation, token.Generation)
            .SetPresenters(row.ClientId)
            .SetScopes(row.Scopes.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .SetCreationDate(DateTimeOffset.FromUnixTimeMilliseconds(row.RotatedAtMs))
            .SetExpirationDate(DateTimeOffset.FromUnixTimeMilliseconds(row.ExpiresAtMs));
        context.Principal = new ClaimsPrincipal(identity);
    }
}
