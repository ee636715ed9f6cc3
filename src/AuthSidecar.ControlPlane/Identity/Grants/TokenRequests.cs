using System.Collections.Immutable;
using System.Security.Claims;
using AuthSidecar.ControlPlane.Identity.Accounts;
using AuthSidecar.ControlPlane.Identity.Clients;
using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.V1;
using Microsoft.IdentityModel.JsonWebTokens;

namespace AuthSidecar.ControlPlane.Identity.Grants;

/// <summary>Answers who asks for tokens: for itself, with a code, or with a refresh token. That the request is well-formed, and the client
/// authenticated, has been seen to.</summary>
internal sealed class TokenRequests(
    ControlStore store, GrantStore grants, AccountDirectory accounts) : IOpenIddictServerHandler<HandleTokenRequestContext>
{
    /// <summary>How far an epoch is ahead of a generation that was made before it and is asked for once more: not farther.</summary>
    private static readonly TimeSpan EpochsAhead = GrantStore.RetryWithin + TimeSpan.FromSeconds(2);

    public async ValueTask HandleAsync(HandleTokenRequestContext context)
    {
        var cancellation = context.CancellationToken;
        if (context.Request.IsClientCredentialsGrantType())
        {
            var (client, _) = await store.ReadAsync((read, _) => ClientRecords.FindAsync(read, context.ClientId!, cancellation),
                cancellation);
            if (client is null && !await store.ReadAsync(
                (read, _) => ClientRecords.IsAdministratorAsync(read, context.ClientId!, cancellation), cancellation))
            {
                context.Reject(Errors.InvalidClient, "the client does not exist");
                return;
            }

            context.SignIn(OfClient(context.ClientId!, client, context.Request.GetScopes()));
            return;
        }

        var (grant, failure) = await GrantOfAsync(context, cancellation);
        if (grant is null)
        {
            context.Reject(Errors.InvalidGrant, failure);
            return;
        }

        if (await accounts.FindAsync(grant.Row.AccountId, cancellation) is not { IsDisabled: false } account
            || await store.ReadAsync(
                (read, _) => ClientRecords.FindAsync(read, grant.Row.ClientId, cancellation), cancellation) is not ({ } of, _))
        {
            context.Reject(Errors.InvalidGrant, "the account or the client does not exist");
            return;
        }

        if (ClientRecords.ScopesOf(of) is not { } allowed
            || !grant.Row.Scopes.Split(' ', StringSplitOptions.RemoveEmptyEntries).All(allowed.Contains))
        {
            // A code of before it had less.
            await grants.EndAsync(SessionStore.ActorOf(account.Id), grant.Row.Id, "the client was changed", cancellation);
            context.Reject(Errors.InvalidGrant, "grant revoked: the scopes or grant types of the client were changed");
            return;
        }

        // An epoch is in whole seconds, and this one may not be over: what is issued after it, which this is, is of the next.
        var issuedAt = DateTimeOffset.FromUnixTimeMilliseconds(grant.Row.RotatedAtMs);
        var epoch = await store.ReadAsync((read, _) => TokenRevocations.SubjectEpochAsync(read, account.Id, cancellation), cancellation);
        if (epoch > issuedAt + EpochsAhead)
        {
            context.Reject(Errors.InvalidGrant, $"all tokens of the account issued before {epoch:u} are revoked");
            return;
        }

        context.SignIn(OfAccount(account, grant, of, epoch > issuedAt ? epoch.Value : issuedAt));
    }

    /// <summary>RFC 9068, section 2.2: where there is no resource owner, the subject is the client. Prefixed, so that no client can be
    /// taken for a user.</summary>
    public static string SubjectOfClient(string id) => $"client:{id}";

    private async Task<(Grant? Grant, string Failure)> GrantOfAsync(HandleTokenRequestContext context, CancellationToken cancellation)
    {
        var (principal, deviceKey) = (context.Principal!, PossessionProofs.KeyOf(context.Transaction).ToString());
        if (principal.GetClaim(GrantClaims.Grant) is null)
            return (null, "the token does not belong to a grant");

        if (context.Request.IsRefreshTokenGrantType())
        {
            var token = new RefreshToken(principal.GetClaim(GrantClaims.Grant)!,
                long.Parse(principal.GetClaim(GrantClaims.Generation)!, System.Globalization.CultureInfo.InvariantCulture));
            var isAuthenticated = context.Transaction.IsClientAuthenticated();
            var (refreshed, failure) = await grants.RefreshAsync(token, context.ClientId!, deviceKey, isAuthenticated, cancellation);
            return (refreshed, failure switch
            {
                RefreshFailure.Reused => "refresh token already used: all tokens of its grant are revoked",
                RefreshFailure.Ended => "the refresh token has expired, or was revoked",
                _ => "the refresh token was issued to another client, or is bound to another key",
            });
        }

        var granted = string.Join(' ', principal.GetScopes());
        var begun = await grants.TryBeginAsync(
            principal.GetClaim(GrantClaims.Grant)!, principal.GetClaim(GrantClaims.Session)!, context.ClientId!, granted, deviceKey,
            cancellation);
        return (begun, "the session has ended");
    }

    private static ClaimsPrincipal OfClient(string id, Client? client, ImmutableArray<string> scopes)
    {
        var identity = NewIdentity();
        // Administrators are no clients of any application's, and nothing else has their audience.
        identity.SetClaim(Claims.Subject, client is null ? id : SubjectOfClient(id));
        identity.SetResources(client?.Application ?? Placement.ControlPlaneApplication)
            .SetScopes(scopes.Except([Scopes.OfflineAccess, Scopes.OpenId]));
        identity.SetDestinations(static _ => [Destinations.AccessToken]);
        return new ClaimsPrincipal(identity);
    }

    private static ClaimsPrincipal OfAccount(Account account, Grant grant, Client client, DateTimeOffset issuedAt)
    {
        var (identity, row) = (NewIdentity(), grant.Row);
        var scopes = row.Scopes.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToImmutableArray();
        // RFC 9700, section 4.14: who cannot authenticate has to be bound to a key.
        var isBound = row.DeviceKey.Length > 0 || client.Jwks.Length > 0;
        identity.SetClaim(Claims.Subject, account.Id)
            .SetClaim(Claims.AuthenticationTime, row.AuthenticatedAtMs / 1000)
            .SetClaim(GrantClaims.Grant, row.Id)
            // What is revoked is the grant, at sidecars, and what is signed out of is the session, at clients.
            .SetClaim(ServerConstants.SessionIdClaim, row.Id)
            .SetClaim(GrantClaims.Session, row.SessionId)
            // When the generation was made, and not when it is signed: nothing is issued later than its grant was ended.
            .SetClaim(GrantClaims.IssuedAt, issuedAt.ToUnixTimeMilliseconds())
            .SetScopes(isBound ? scopes : scopes.Remove(Scopes.OfflineAccess))
            .SetResources(client.Application);
        if (row.Methods.Split(' ').Contains(ServerConstants.MultiFactor))
            identity.SetClaim(Claims.AuthenticationContextReference, ServerConstants.MultiFactor);

        // An array, also of one (OpenID Connect Core, section 2).
        identity.AddClaim(new Claim(
            Claims.AuthenticationMethodReference, JsonSerializer.Serialize(row.Methods.Split(' ')), JsonClaimValueTypes.JsonArray));
        if (scopes.Contains(Scopes.Profile))
        {
            identity.SetClaim(Claims.Name, account.DisplayName.Length > 0 ? account.DisplayName : account.UserName)
                .SetClaim(Claims.PreferredUsername, account.UserName);
        }

        if (scopes.Contains(Scopes.Email) && account.Email is { } email)
            identity.SetClaim(Claims.Email, email).SetClaim(Claims.EmailVerified, account.EmailConfirmed);

        identity.SetDestinations(static claim => claim.Type switch
        {
            Claims.Name or Claims.PreferredUsername or Claims.Email or Claims.EmailVerified or GrantClaims.Session =>
                [Destinations.IdentityToken],
            GrantClaims.Grant => [],
            ServerConstants.SessionIdClaim or GrantClaims.IssuedAt => [Destinations.AccessToken],
            _ => [Destinations.AccessToken, Destinations.IdentityToken],
        });
        var principal = new ClaimsPrincipal(identity);
        principal.SetRefreshTokenLifetime(TimeSpan.FromMilliseconds(Math.Max(1, row.ExpiresAtMs - row.RotatedAtMs)));
        principal.SetAccessTokenLifetime(TimeSpan.FromMilliseconds(
            Math.Clamp(grant.Session.EndsAtMs - row.RotatedAtMs, 1, ServerConstants.AccessTokenLifetime.TotalMilliseconds)));
        return principal;
    }

    private static ClaimsIdentity NewIdentity() => new("authsidecar", Claims.Name, Claims.Role);
}
