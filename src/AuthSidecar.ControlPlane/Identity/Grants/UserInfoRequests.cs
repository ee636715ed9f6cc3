using AuthSidecar.ControlPlane.Identity.Accounts;

namespace AuthSidecar.ControlPlane.Identity.Grants;

/// <summary>What an account lets be known of it (OpenID Connect Core, section 5.3).</summary>
internal sealed class UserInfoRequests(
    AccountDirectory accounts, PossessionProofs proofs) : IOpenIddictServerHandler<HandleUserInfoRequestContext>
{
    public async ValueTask HandleAsync(HandleUserInfoRequestContext context)
    {
        var principal = context.AccessTokenPrincipal;
        if (!proofs.IsProofValid(
            context.Transaction, context.Options.Issuer!, ServerConstants.UserInfoPath, principal.GetClaim(GrantClaims.Confirmation)))
        {
            context.Reject(Errors.InvalidToken, "the token is bound to a key or certificate: proof of possession required");
            return;
        }

        if (principal.GetClaim(Claims.Subject) is not { } subject
            || await accounts.FindAsync(subject, context.CancellationToken) is not { IsDisabled: false } account)
        {
            context.Reject(Errors.InvalidToken, "the subject of the token has no account");
            return;
        }

        context.Subject = subject;
        if (principal.HasScope(Scopes.Profile))
        {
            context.PreferredUsername = account.UserName;
            context.Claims[Claims.Name] = account.DisplayName.Length > 0 ? account.DisplayName : account.UserName;
        }

        if (principal.HasScope(Scopes.Email) && account.Email is { } email)
            (context.Email, context.EmailVerified) = (email, account.EmailConfirmed);
    }
}
