using System.Collections.Frozen;

namespace AuthSidecar.Tokens;

/// <summary>What issuers call their kinds of tokens, and which of them are access tokens. Refresh tokens, ID tokens and logout tokens may
/// have the same issuer, audience and keys, and are not access tokens (RFC 8725, section 3.12).</summary>
internal static class TokenKinds
{
    /// <summary>How access tokens are called: by how they are used (RFC 6749, section 7.1), by what they are (RFC 8693, section 3), or by
    /// their format (RFC 9068).</summary>
    private static readonly FrozenSet<string> Access = FrozenSet.Create(StringComparer.OrdinalIgnoreCase,
        "Bearer", "DPoP", "access_token", "access", "at+jwt", "application/at+jwt", "JWT",
        "urn:ietf:params:oauth:token-type:access_token");

    /// <summary>How tokens are called that are never access tokens.</summary>
    private static readonly FrozenSet<string> Others = FrozenSet.Create(StringComparer.OrdinalIgnoreCase,
        "id", "id_token", "Serialized-ID", "refresh", "refresh_token", "offline", "logout", "logout_token",
        "urn:ietf:params:oauth:token-type:refresh_token", "urn:ietf:params:oauth:token-type:id_token",
        "id+jwt", "refresh+jwt", "rt+jwt", "logout+jwt", "secevent+jwt", "dpop+jwt", "oauth-authz-req+jwt", "token-introspection+jwt",
        "oauth-id-jag+jwt", "client-authentication+jwt", "userinfo+jwt", "mfa+jwt");

    /// <summary>Whether a name is one of tokens that are never access tokens, in a header, a claim or an option.</summary>
    public static bool IsOther(string name) => Others.Contains(name);

    /// <summary>Refuses tokens that call themselves anything but an access token: by `typ` (Keycloak), `token_use` (Amazon Cognito, Ory
    /// Hydra), `token_type` (RFC 7662, section 2.2) or `type`, or by having `events` (logout tokens and other security events, RFC
    /// 8417).</summary>
    /// <param name="claims">The claims.</param>
    /// <param name="issuer">Names of its own are accepted when its required claims list them.</param>
    /// <param name="detail">The claim that says so.</param>
    public static TokenRejection Check(ref ClaimReader claims, Issuer issuer, out string? detail)
    {
        detail = "events";
        if (claims.Has(Claim.Events))
            return TokenRejection.TypeNotAllowed;

        foreach (var claim in (ReadOnlySpan<Claim>)[Claim.Typ, Claim.TokenUse, Claim.TokenType, Claim.Type])
        {
            // `type` is a common name for other things.
            if (!claims.Has(claim) || (claim == Claim.Type && !claims.IsString(claim)))
                continue;

            detail = claim.Name;
            var kind = claims.OptionalString(claim);
            if (claims.Error != TokenRejection.None)
                return claims.Error;

            if (kind is not null && !Access.Contains(kind)
                && (IsOther(kind) || (claim != Claim.Type && !issuer.Requires(claim.Name, kind))))
            {
                return TokenRejection.TypeNotAllowed;
            }
        }

        detail = null;
        return TokenRejection.None;
    }
}
