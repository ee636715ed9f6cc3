namespace AuthSidecar.Tokens;

/// <summary>What a genuine token says: its signature is right and its claims are well-formed. Whether it is still good is asked at every
/// use. Immutable, and so remembered between calls.</summary>
internal sealed class VerifiedToken
{
    public required Issuer Issuer { get; init; }
    public required string Subject { get; init; }
    public required string[] Audiences { get; init; }

    /// <summary>Seconds since 1970, as are the other times.</summary>
    public required long ExpiresAt { get; init; }

    /// <summary>0 where the token does not say: then every revocation of its session or subject is one of it.</summary>
    public required long IssuedAt { get; init; }

    /// <summary>The same, with a fraction counted as a whole second: a token is not used before it was issued.</summary>
    public long IssuedAtRoundedUp { get; init; }

    public long? NotBefore { get; init; }
    public string? TokenId { get; init; }
    public string? SessionId { get; init; }
    public string? ClientId { get; init; }
    public string[] Scopes { get; init; } = [];
    public string? AuthenticationContext { get; init; }
    public string[] AuthenticationMethods { get; init; } = [];
    public long? AuthenticatedAt { get; init; }

    /// <summary>Whether there is a <c>cnf</c> claim: then every confirmation in it must be proved.</summary>
    public bool IsBound { get; init; }

    /// <summary>Whether <c>cnf</c> has a confirmation that we cannot verify; then the token cannot be accepted.</summary>
    public bool HasUnknownConfirmation { get; init; }

    /// <summary><c>cnf.jkt</c>.</summary>
    public string? KeyThumbprint { get; init; }

    /// <summary><c>cnf.x5t#S256</c>.</summary>
    public string? CertificateThumbprint { get; init; }

    /// <summary>All claims.</summary>
    public required byte[] ClaimsUtf8 { get; init; }

    /// <summary>Reads the claims of a token whose issuer we have verified.</summary>
    public static TokenResult Read(ref ClaimReader claims, Issuer issuer, byte[] claimsUtf8) =>
        Read(ref claims, issuer, claimsUtf8, claims.RequiredTime(Claim.ExpiresAt),
            issuer.IsIssuedAtOptional ? claims.OptionalTime(Claim.IssuedAt) ?? 0 : claims.RequiredTime(Claim.IssuedAt));

    /// <summary>Reads what an issuer says of an opaque token (RFC 7662, section 2.2). It need not say from when it is.</summary>
    /// <param name="claims">What it says.</param>
    /// <param name="claimsUtf8">The same, as text.</param>
    /// <param name="until">When it expires as far as we know, where the issuer does not say.</param>
    public static TokenResult ReadIntrospected(ref ClaimReader claims, Issuer issuer, byte[] claimsUtf8, long until) =>
        Read(ref claims, issuer, claimsUtf8, claims.OptionalTime(Claim.ExpiresAt) ?? until, claims.OptionalTime(Claim.IssuedAt) ?? 0);

    public JsonDocument ParseClaims() => JsonDocument.Parse(ClaimsUtf8);

    private static TokenResult Read(ref ClaimReader claims, Issuer issuer, byte[] claimsUtf8, long expiresAt, long issuedAt)
    {
        var kindError = CheckKind(ref claims, issuer, out var kindDetail);
        if (kindError != TokenRejection.None)
            return TokenResult.Reject(kindError, kindDetail);

        var (isBound, hasUnknown, keyThumbprint, certificateThumbprint) = claims.OptionalConfirmation();
        var token = new VerifiedToken
        {
            Issuer = issuer,
            Subject = issuer.Principal.Id is { } id ? claims.RequiredString(id) : claims.RequiredString(Claim.Subject),
            Audiences = claims.RequiredAudiences(issuer.AudienceClaim),
            ExpiresAt = expiresAt,
            IssuedAt = issuedAt,
            IssuedAtRoundedUp = claims.OptionalStart(Claim.IssuedAt) ?? 0,
            NotBefore = claims.OptionalStart(Claim.NotBefore),
            TokenId = claims.OptionalString(Claim.TokenId),
            SessionId = claims.OptionalString(Claim.SessionId),
            ClientId = claims.OptionalString(Claim.ClientId)
                ?? (issuer.ClientIdClaim is { } client ? claims.OptionalString(client) : null),
            Scopes = claims.OptionalScopes(),
            AuthenticationContext = claims.OptionalString(Claim.AuthenticationContext),
            AuthenticationMethods = claims.OptionalStrings(Claim.AuthenticationMethods),
            AuthenticatedAt = claims.OptionalTime(Claim.AuthenticatedAt),
            IsBound = isBound,
            HasUnknownConfirmation = hasUnknown,
            KeyThumbprint = keyThumbprint,
            CertificateThumbprint = certificateThumbprint,
            ClaimsUtf8 = claimsUtf8,
        };
        issuer.Principal.Check(ref claims);
        if (issuer.TrustDomain is { } domain && SpiffeId.TrustDomainOf(token.Subject) != domain)
            claims.Fail(TokenRejection.ClaimMalformed, Claim.Subject.Name);

        return claims.Error == TokenRejection.None ? TokenResult.Accept(token) : TokenResult.Reject(claims.Error, claims.FaultyClaim);
    }

    /// <summary>Whether it is an access token of its issuer at all.</summary>
    private static TokenRejection CheckKind(ref ClaimReader claims, Issuer issuer, out string? detail)
    {
        var error = TokenKinds.Check(ref claims, issuer, out detail);
        if (error != TokenRejection.None)
            return error;

        foreach (var path in issuer.ForbiddenClaims)
        {
            detail = path.Text;
            if (path.Find(claims.Claims, out var claim) == ClaimLookup.Found && claim.ValueKind != JsonValueKind.Null)
                return TokenRejection.TypeNotAllowed;
        }

        foreach (var rule in issuer.RequiredClaims)
        {
            detail = rule.Path.Text;
            error = rule.Check(claims.Claims);
            if (error != TokenRejection.None)
                return error;
        }

        detail = null;
        return TokenRejection.None;
    }
}
