using System.Globalization;
using System.Security.Claims;
using System.Text.Json;
using AuthSidecar.ControlPlane.Accounts;
using AuthSidecar.ControlPlane.Resources;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.V1;
using Microsoft.EntityFrameworkCore;
using OpenIddict.Abstractions;
using OpenIddict.Server;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace AuthSidecar.ControlPlane.Identity;

/// <summary>Writes refresh tokens in our own format, and keeps access tokens out of the database: there are many, and revocations say which are not good.</summary>
internal sealed class TokenWriter(Grants grants) : IOpenIddictServerHandler<GenerateTokenContext>
{
    public async ValueTask HandleAsync(GenerateTokenContext context)
    {
        switch (context.TokenType)
        {
            case TokenTypeIdentifiers.AccessToken:
                context.CreateTokenEntry = false;
                if (PossessionProofs.KeyOf(context.Transaction) is { IsNone: false } key)
                {
                    context.Principal.SetClaim("cnf", key.ToConfirmation());
                }

                if (context.Principal.GetClaim(GrantClaims.IssuedAt) is { } issuedAt)
                {
                    var at = DateTimeOffset.FromUnixTimeMilliseconds(long.Parse(issuedAt, CultureInfo.InvariantCulture));
                    context.Principal.SetExpirationDate(at + (context.Principal.GetAccessTokenLifetime() ?? IdentityServer.AccessTokenLifetime));
                    context.Principal.SetCreationDate(at);
                    context.Principal.RemoveClaims(GrantClaims.IssuedAt);
                }

                break;
            case TokenTypeIdentifiers.IdentityToken when context.Principal.GetClaim(GrantClaims.Session) is { } session:
                context.CreateTokenEntry = false;
                context.Principal.SetClaim(GrantClaims.SessionId, session);
                context.Principal.RemoveClaims(GrantClaims.Session);
                break;
            case TokenTypeIdentifiers.RefreshToken when context.Principal.GetClaim(GrantClaims.Grant) is { } grantId:
                context.CreateTokenEntry = false;
                var row = await grants.FindAsync(grantId, context.CancellationToken) ?? throw new InvalidOperationException("a refresh token is of a grant");
                context.Token = grants.TokenOf(row);
                break;
        }
    }
}

/// <summary>Reads refresh tokens.</summary>
internal sealed class RefreshTokenReader(Grants grants) : IOpenIddictServerHandler<ValidateTokenContext>
{
    public async ValueTask HandleAsync(ValidateTokenContext context)
    {
        var isExpected = context.ValidTokenTypes.Count == 0 || context.ValidTokenTypes.Contains(TokenTypeIdentifiers.RefreshToken);
        if (!isExpected || grants.ReadToken(context.Token) is not { } token || await grants.FindAsync(token.GrantId, context.CancellationToken) is not { } row)
        {
            return;
        }

        // Who comes to refresh may be one too many, which is looked into where generations change. Whoever revokes an old one means what came of it
        // (RFC 7009, section 2.1): its client lost an answer, or refreshes at this moment. To all others an old one is none.
        var isOld = row.Generation != token.Generation && context.EndpointType != OpenIddictServerEndpointType.Revocation;
        if (context.EndpointType != OpenIddictServerEndpointType.Token && (row.EndedAtMs is not null || isOld))
        {
            return;
        }

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

/// <summary>Says of access tokens and codes whether they are still good, by what our own store knows of them.</summary>
internal sealed class TokenStateReader(ControlStore store, Grants grants, TimeProvider time) : IOpenIddictServerHandler<ValidateTokenContext>
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
                {
                    context.Principal.SetClaim(GrantClaims.Confirmation, confirmation).RemoveClaims(Confirmation);
                }

                break;
            case TokenTypeIdentifiers.Private.AuthorizationCode when context.Principal.GetClaim(GrantClaims.Grant) is { } grantId:
                // By its own client, while it is good: an old one that lies about somewhere ends nothing.
                if (context.Principal.GetExpirationDate() > time.GetUtcNow() && await grants.FindAsync(grantId, context.CancellationToken) is { } begun && begun.ClientId == context.Request?.ClientId)
                {
                    // RFC 6749, section 4.1.2: there are two who have it, and nobody knows which of them is the right one.
                    await grants.EndAsync(Sessions.ActorOf(begun.AccountId), grantId, "an authorization code was used twice", context.CancellationToken);
                    context.Reject(Errors.InvalidGrant, "the authorization code was used already");
                }

                break;
        }
    }

    private Task<bool> IsRevokedAsync(ClaimsPrincipal principal, string id, CancellationToken cancellation) => store.ReadAsync(
        async (context, _) =>
        {
            if (await IssuerSetting.FindAsync(context, cancellation) is not { } issuer)
            {
                return true;
            }

            var (now, audiences, issuedAt) = (time.GetUtcNow(), principal.GetAudiences(), principal.GetCreationDate()?.ToUnixTimeSeconds() ?? 0);
            var keys = new[] { new Revocation { TokenId = id }, new Revocation { SessionId = principal.GetClaim(GrantClaims.SessionId) ?? "" }, new Revocation { Subject = principal.GetClaim(Claims.Subject) ?? "" } }
                .Select(r =>
                {
                    r.Issuer = issuer;
                    return RevocationRecords.KeyOf(r, "").Key;
                })
                .ToList();
            var rows = await context.Resources
                .Where(r => r.Type == ResourceType.Revocations && !r.IsRemoved && keys.Contains(r.Key) && (r.Application == "" || audiences.Contains(r.Application)) && r.ExpiresAtMs > now.ToUnixTimeMilliseconds())
                .ToListAsync(cancellation);
            return rows.Select(RevocationRecords.ToEntry).Any(e => e.Value.Covers(issuedAt));
        },
        cancellation);
}

/// <summary>Revokes tokens that their clients have no more use for (RFC 7009).</summary>
internal sealed class RevocationRequests(ControlStore store, Grants grants) : IOpenIddictServerHandler<HandleRevocationRequestContext>
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

/// <summary>Says of a token that is looked into also what it is bound to (RFC 9449, section 6.2; RFC 8705, section 3.2).</summary>
internal sealed class IntrospectionRequests(ControlStore store) : IOpenIddictServerHandler<HandleIntrospectionRequestContext>
{
    public async ValueTask HandleAsync(HandleIntrospectionRequestContext context)
    {
        // By its name it is whom the token is for; but names are given by whoever manages another application as well.
        var clientId = context.Request.ClientId!;
        if (!context.GenericTokenPrincipal.HasPresenter(clientId)
            && (await store.ReadAsync((read, _) => ClientRecords.FindAsync(read, clientId, context.CancellationToken), context.CancellationToken)).Client?.Application != clientId)
        {
            context.Reject(Errors.InvalidToken, "the token is for another application");
            return;
        }

        if (context.GenericTokenPrincipal.GetClaim(GrantClaims.Confirmation) is { } confirmation)
        {
            context.Claims["cnf"] = JsonSerializer.Deserialize<JsonElement>(confirmation);
            context.TokenType = BoundKey.Read(confirmation).Member == BoundKey.Key ? "DPoP" : TokenTypes.Bearer;
        }

        if (context.GenericTokenPrincipal.GetClaim(GrantClaims.SessionId) is { } session)
        {
            context.Claims[GrantClaims.SessionId] = session;
        }
    }
}

/// <summary>What an account lets be known of it (OpenID Connect Core, section 5.3).</summary>
internal sealed class UserInfoRequests(AccountDirectory accounts, PossessionProofs proofs) : IOpenIddictServerHandler<HandleUserInfoRequestContext>
{
    public async ValueTask HandleAsync(HandleUserInfoRequestContext context)
    {
        var principal = context.AccessTokenPrincipal;
        if (!proofs.IsInRightHands(context.Transaction, context.Options.Issuer!, IdentityServer.UserInfoPath, principal.GetClaim(GrantClaims.Confirmation)))
        {
            context.Reject(Errors.InvalidToken, "the token is bound to a key or a certificate, and there is no proof of it");
            return;
        }

        if (principal.GetClaim(Claims.Subject) is not { } subject || await accounts.FindAsync(subject, context.CancellationToken) is not { IsDisabled: false } account)
        {
            context.Reject(Errors.InvalidToken, "the token is nobody's who has an account");
            return;
        }

        context.Subject = subject;
        if (principal.HasScope(Scopes.Profile))
        {
            context.PreferredUsername = account.UserName;
            context.Claims[Claims.Name] = account.DisplayName.Length > 0 ? account.DisplayName : account.UserName;
        }

        if (principal.HasScope(Scopes.Email) && account.Email is { } email)
        {
            (context.Email, context.EmailVerified) = (email, account.EmailConfirmed);
        }
    }
}
