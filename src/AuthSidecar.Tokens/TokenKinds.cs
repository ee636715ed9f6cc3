using System.Collections.Frozen;

namespace AuthSidecar.Tokens;

/// <summary>What issuers call their kinds of tokens, and which of them are access tokens. Refresh tokens, ID tokens and logout tokens may
/// have the same issuer, audience and keys, and are not access tokens (RFC 8725, section 3.12).</summary>
internal static class TokenKinds
{
    private static readonly Claim[] Named =
    [
        Claim.Typ, Claim.TokenUse, Claim.TokenType, Claim.Type, Claim.TokenName, Claim.TokenTypeInCamelCase, Claim.TokenTypeInPascalCase,
        Claim.TokenUseInCamelCase,
    ];

    /// <summary>How access tokens are called: by how they are used (RFC 6749, section 7.1), by what they are (RFC 8693, section 3), or by
    /// their format (RFC 9068).</summary>
    private static readonly FrozenSet<string> Access = FrozenSet.Create(StringComparer.OrdinalIgnoreCase,
        "Bearer", "DPoP", "access_token", "access", "at+jwt", "application/at+jwt", "JWT",
        "urn:ietf:params:oauth:token-type:access_token");

    /// <summary>How tokens are called that are never access tokens: without `-` and `_`, which some write and others do not.</summary>
    private static readonly FrozenSet<string> Others = FrozenSet.Create(StringComparer.OrdinalIgnoreCase,
        "id", "idtoken", "serializedid", "refresh", "refreshtoken", "rt", "offline", "offlinetoken", "logout", "logouttoken",
        "urn:ietf:params:oauth:tokentype:refreshtoken", "urn:ietf:params:oauth:tokentype:idtoken");

    /// <summary>Types of tokens (`typ`) that are something else.</summary>
    private static readonly FrozenSet<string> OtherTypes = FrozenSet.Create(StringComparer.OrdinalIgnoreCase,
        "secevent+jwt", "dpop+jwt", "oauth-authz-req+jwt", "token-introspection+jwt", "oauth-id-jag+jwt", "client-authentication+jwt",
        "userinfo+jwt", "mfa+jwt", "kb+jwt", "entity-statement+jwt");

    /// <summary>Whether a name is one of tokens that are never access tokens, in a header, a claim or an option.</summary>
    public static bool IsOther(string name)
    {
        const string Suffix = "+jwt";
        var kind = name.EndsWith(Suffix, StringComparison.OrdinalIgnoreCase) ? name[..^Suffix.Length] : name;
        return OtherTypes.Contains(name) || Others.Contains(
            kind.Replace("-", "", StringComparison.Ordinal).Replace("_", "", StringComparison.Ordinal));
    }

    /// <summary>Refuses tokens that call themselves anything but an access token: by `typ` (Keycloak), `token_use` (Amazon Cognito, Ory
    /// Hydra), `token_type` (RFC 7662, section 2.2), `type`, `tokenName` (ForgeRock) and the like, or by having `events` (logout tokens and
    /// other security events, RFC 8417).</summary>
    /// <param name="claims">The claims.</param>
    /// <param name="issuer">Names of its own are accepted when its required claims list them.</param>
    /// <param name="detail">The claim that says so.</param>
    public static TokenRejection Check(ref ClaimReader claims, Issuer issuer, out string? detail)
    {
        detail = "events";
        if (claims.Has(Claim.Events))
            return TokenRejection.TypeNotAllowed;

        foreach (var claim in Named)
        {
            // The last are common names for other things.
            var isLoose = claim >= Claim.Type;
            if (!claims.Has(claim) || (isLoose && !claims.IsString(claim)))
                continue;

            detail = claim.Name;
            var kind = claims.OptionalString(claim);
            if (claims.Error != TokenRejection.None)
                return claims.Error;

            if (kind is not null && !Access.Contains(kind)
                && (IsOther(kind) || (!isLoose && !issuer.Requires(claim.Name, kind))))
            {
                return TokenRejection.TypeNotAllowed;
            }
        }

        detail = null;
        return TokenRejection.None;
    }
}
