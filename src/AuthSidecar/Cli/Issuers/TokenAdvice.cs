namespace AuthSidecar.Cli.Issuers;

/// <summary>Which check rejects a token, and which option of `issuers.json` is about it.</summary>
internal static class TokenAdvice
{
    /// <summary>The checks of a token, in their order.</summary>
    public static readonly string[] Checks =
        ["size", "form", "issuer", "type", "key", "algorithm", "signature", "kind", "claims", "times", "audience", "possession"];

    /// <summary>The check that rejects a token; null: none does.</summary>
    public static string? CheckOf(TokenResult result) => result.Error switch
    {
        TokenRejection.None => null,
        TokenRejection.TooLarge => "size",
        TokenRejection.IssuerUnknown => "issuer",
        TokenRejection.ClaimMissing or TokenRejection.ClaimMalformed when result.Detail == Claim.Issuer.Name => "issuer",
        TokenRejection.TypeNotAllowed => result.Detail == TokenValidator.TypeHeader ? "type" : "kind",
        TokenRejection.KeyUnknown => "key",
        TokenRejection.AlgorithmNotAllowed => "algorithm",
        TokenRejection.SignatureInvalid => "signature",
        TokenRejection.ClaimMissing or TokenRejection.ClaimMalformed or TokenRejection.ClaimNotAllowed => "claims",
        TokenRejection.Expired or TokenRejection.NotYetValid => "times",
        TokenRejection.AudienceMismatch => "audience",
        TokenRejection.ProofMissing or TokenRejection.ProofInvalid => "possession",
        _ => "form",
    };

    /// <summary>The option of `issuers.json` that is about a check, and what it would have to be.</summary>
    public static string For(TokenResult result, CompactJws? jws, JsonElement? claims, IssuerSet issuers)
    {
        var issuer = claims is { } said ? IssuerOf(said, issuers) : null;
        return (result.Error, result.Detail) switch
        {
            (TokenRejection.UnsupportedHeader, _) => "none: the header has `crit`, `b64`, `zip` or `enc`, which are not supported",
            (TokenRejection.Missing or TokenRejection.Malformed, _) => "`introspectionUrl`, if it is an opaque token; else none: "
                + "this is not a compact JWS of canonical base64url and JSON",
            (TokenRejection.TooLarge, _) => "`serve --max-token-bytes` and `--max-token-header-bytes`; the depth of its JSON is fixed",
            (TokenRejection.IssuerUnknown, _) =>
                $"`issuer`, `aliases` or `tenants`: configured is {string.Join(", ", issuers.All.Select(i => i.Name).Take(5))}",
            (TokenRejection.TypeNotAllowed, TokenValidator.TypeHeader) when jws is { Type: null } =>
                "`typesOptional`, with a claim in `requiredClaims` that only access tokens of the issuer have",
            (TokenRejection.TypeNotAllowed, TokenValidator.TypeHeader) when jws is { Type: { } type } && !TokenKinds.IsOther(type) =>
                $"`types`: configured is {string.Join(", ", issuer?.Types ?? [])}",
            (TokenRejection.TypeNotAllowed, { } claim) when issuer?.ForbiddenClaims.Any(f => f.Text == claim) == true =>
                "none, if it is not an access token; else `forbiddenClaims`",
            (TokenRejection.TypeNotAllowed, _) => "none: this is not an access token; send the access token of the same response",
            (TokenRejection.KeyUnknown, _) when issuer?.Keys.All.Any(k => k.KeyId == jws?.KeyId) == true =>
                "none: the key names another tenant as its issuer",
            (TokenRejection.KeyUnknown, _) => jws is { KeyId: null } ? "none: the header has no `kid`"
                : "`jwks` or `jwksUrl`: the key set has "
                    + string.Join(", ", issuer?.Keys.All.Select(k => ForeignText.Show(k.KeyId)).Take(10) ?? []),
            (TokenRejection.AlgorithmNotAllowed, _) =>
                (jws?.Algorithm is ['R' or 'P', 'S', ..] ? "`keyAlgorithm`, if the key names no `alg`; else none" : "none")
                    + ": the key is for "
                    + string.Join(", ", issuer?.Keys.All.Where(k => k.KeyId == jws?.KeyId).Select(k => k.Algorithm) ?? []),
            (TokenRejection.SignatureInvalid, _) => "none: it was signed by another key of the same `kid`, or changed since",
            (TokenRejection.ClaimMissing, "iss") => "`trustDomain`, for JWT-SVIDs; else none",
            (TokenRejection.ClaimMissing, "aud") => "`audienceClaim`",
            (TokenRejection.ClaimMissing, "sub") => "`principal.id`",
            (TokenRejection.ClaimMissing, "iat") => "`issuedAtOptional`",
            (TokenRejection.ClaimMissing, "exp") => "none: a token needs an end",
            (TokenRejection.ClaimMissing or TokenRejection.ClaimMalformed or TokenRejection.ClaimNotAllowed, { } claim)
                when issuer is not null && OptionOf(claim, issuer) is { } option => $"`{option}`",
            (TokenRejection.ClaimMalformed, "exp" or "iat" or "nbf") =>
                "none: expected a number of seconds since 1970, up to the year 9999",
            (TokenRejection.ClaimMalformed, _) => "none: the claim has a form that the standards do not allow",
            (TokenRejection.Expired or TokenRejection.NotYetValid, _) =>
                $"none, or `clockSkewSeconds` up to {Issuer.MaxClockSkew.TotalSeconds} if clocks differ",
            (TokenRejection.AudienceMismatch, _) => $"`audiences`: configured is {string.Join(", ", issuer?.Audiences ?? [])}",
            (TokenRejection.ProofMissing or TokenRejection.ProofInvalid, _) =>
                "none: the token is bound to a key or certificate, and a call has to bring its proof",
            _ => "none",
        };
    }

    /// <summary>Whose a token is by its claims; null: none of these.</summary>
    public static Issuer? IssuerOf(JsonElement claims, IssuerSet issuers)
    {
        var reader = new ClaimReader(claims);
        return issuers.Find(ref reader);
    }

    /// <summary>The option that names a claim.</summary>
    private static string? OptionOf(string claim, Issuer issuer) =>
        issuer.TrustDomain is not null && claim == Claim.Subject.Name ? "trustDomain"
        : issuer.Tenant is { } tenant && issuer.RequiredClaims.LastOrDefault(r => r.Path.Text == claim)?.Values is [var only]
            && only.IsText(tenant) ? "tenantClaim` and `tenants"
        : issuer.RequiredClaims.Any(r => r.Path.Text == claim) ? "requiredClaims"
        : issuer.Principal.Id?.Text == claim ? "principal.id"
        : issuer.AudienceClaim?.Text == claim ? "audienceClaim"
        : issuer.ClientIdClaim?.Text == claim ? "clientIdClaim"
        : issuer.Principal.Required.Any(r => r.Text == claim) ? "principal.required"
        : issuer.Principal.Attributes.Values.Any(a => a.Text == claim) ? "principal.attributes"
        : issuer.Principal.Parents.Keys.Any(p => p.Text == claim) ? "principal.parents"
        : null;
}
