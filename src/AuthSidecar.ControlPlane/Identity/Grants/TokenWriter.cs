namespace AuthSidecar.ControlPlane.Identity.Grants;

/// <summary>Writes refresh tokens in our own format, and keeps access tokens out of the database: there are many, and revocations say which
/// are not good.</summary>
internal sealed class TokenWriter(GrantStore grants) : IOpenIddictServerHandler<GenerateTokenContext>
{
    public async ValueTask HandleAsync(GenerateTokenContext context)
    {
        switch (context.TokenType)
        {
            case TokenTypeIdentifiers.AccessToken:
                context.CreateTokenEntry = false;
                if (PossessionProofs.KeyOf(context.Transaction) is { IsNone: false } key)
                    context.Principal.SetClaim("cnf", key.ToConfirmation());

                if (context.Principal.GetClaim(GrantClaims.IssuedAt) is { } issuedAt)
                {
                    var at = DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(issuedAt, CultureInfo.InvariantCulture));
                    context.Principal.SetExpirationDate(
                        at + (context.Principal.GetAccessTokenLifetime() ?? ServerConstants.AccessTokenLifetime));
                    context.Principal.SetCreationDate(at);
                    context.Principal.RemoveClaims(GrantClaims.IssuedAt);
                }

                break;
            case TokenTypeIdentifiers.IdentityToken when context.Principal.GetClaim(GrantClaims.Session) is { } session:
                context.CreateTokenEntry = false;
                context.Principal.SetClaim(ServerConstants.SessionIdClaim, session);
                context.Principal.RemoveClaims(GrantClaims.Session);
                break;
            case TokenTypeIdentifiers.RefreshToken when context.Principal.GetClaim(GrantClaims.Grant) is { } grantId:
                context.CreateTokenEntry = false;
                var row = await grants.FindAsync(grantId, context.CancellationToken)
                    ?? throw new InvalidOperationException("refresh token without a grant");
                context.Token = grants.TokenOf(row);
                break;
        }
    }
}
