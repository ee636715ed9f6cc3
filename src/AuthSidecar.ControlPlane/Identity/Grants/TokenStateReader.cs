using System.Security.Claims;
using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.Issuers;
using AuthSidecar.ControlPlane.Revocations;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Identity.Grants;

/// <summary>Says of access tokens and codes whether they are still good, by what our own store knows of them.</summary>
internal sealed class TokenStateReader(
    ControlStore store, GrantStore grants, TimeProvider time) : IOpenIddictServerHandler<ValidateTokenContext>
{
    private const string Confirmation = "cnf";

    public async ValueTask HandleAsync(ValidateTokenContext context)
    {
        switch (context.Principal?.GetTokenType())
        {
            case TokenTypeIdentifiers.AccessToken when context.Principal.GetClaim(Claims.JwtId) is { } id:
                if (await IsRevokedAsync(context.Principal, id, context.CancellationToken))
                {
                    context.Reject(Errors.InvalidToken, "the token was revoked");
                    return;
                }

                // The framework knows of certificates alone, and throws at anything else; what tokens are bound to is our own to look at.
                if (context.Principal.GetClaim(Confirmation) is { } confirmation)
                    context.Principal.SetClaim(GrantClaims.Confirmation, confirmation).RemoveClaims(Confirmation);

                break;
            case TokenTypeIdentifiers.Private.AuthorizationCode when context.Principal.GetClaim(GrantClaims.Grant) is { } grantId:
                // By its own client, while it is good: an old one that lies about somewhere ends nothing.
                if (context.Principal.GetExpirationDate() > time.GetUtcNow()
                    && await grants.FindAsync(grantId, context.CancellationToken) is { } begun
                    && begun.ClientId == context.Request?.ClientId)
                {
                    // RFC 6749, section 4.1.2: there are two who have it, and nobody knows which of them is the right one.
                    await grants.EndAsync(SessionStore.ActorOf(begun.AccountId), grantId, "an authorization code was used twice",
                        context.CancellationToken);
                    context.Reject(Errors.InvalidGrant, "the authorization code was used already");
                }

                break;
        }
    }

    private Task<bool> IsRevokedAsync(ClaimsPrincipal principal, string id, CancellationToken cancellation) => store.ReadAsync(
        async (context, _) =>
        {
            if (await IssuerSetting.FindAsync(context, cancellation) is not { } issuer)
                return true;

            var (now, audiences) = (time.GetUtcNow(), principal.GetAudiences());
            var issuedAt = principal.GetCreationDate()?.ToUnixTimeSeconds() ?? 0;
            var keys = new[]
                {
                    new Revocation { TokenId = id },
                    new Revocation { SessionId = principal.GetClaim(ServerConstants.SessionIdClaim) ?? "" },
                    new Revocation { Subject = principal.GetClaim(Claims.Subject) ?? "" },
                }
                .Select(r =>
                {
                    r.Issuer = issuer;
                    return RevocationRecords.KeyOf(r, "").Key;
                })
                .ToList();
            var rows = await context.Entries
                .Where(r => r.Type == DataType.Revocations && !r.IsRemoved && keys.Contains(r.Key)
                    && (r.Application == "" || audiences.Contains(r.Application)) && r.ExpiresAtMs > now.ToUnixTimeMilliseconds())
                .ToListAsync(cancellation);
            return rows.Select(RevocationRecords.ToEntry).Any(e => e.Value.Covers(issuedAt));
        },
        cancellation);
}
