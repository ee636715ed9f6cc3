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

    public required long IssuedAt { get; init; }
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
        Read(ref claims, issuer, claimsUtf8, claims.RequiredTime("exp"), claims.RequiredTime("iat"));

    /// <summary>Reads what an issuer says of an opaque token (RFC 7662, section 2.2). It need not say from when it is: then every
    /// revocation of others of its kind is one of it.</summary>
    /// <param name="claims">What it says.</param>
    /// <param name="claimsUtf8">The same, as text.</param>
    /// <param name="until">When it expires as far as we know, where the issuer does not say.</param>
    public static TokenResult ReadIntrospected(ref ClaimReader claims, Issuer issuer, byte[] claimsUtf8, long until) =>
        Read(ref claims, issuer, claimsUtf8, claims.OptionalTime("exp") ?? until, claims.OptionalTime("iat") ?? 0);

    public JsonDocument ParseClaims() => JsonDocument.Parse(ClaimsUtf8);

    private static TokenResult Read(ref ClaimReader claims, Issuer issuer, byte[] claimsUtf8, long expiresAt, long issuedAt)
    {
        var (isBound, hasUnknown, keyThumbprint, certificateThumbprint) = claims.OptionalConfirmation();
        var token = new VerifiedToken
        {
            Issuer = issuer,
            Subject = claims.RequiredString("sub"),
            Audiences = claims.RequiredAudiences(),
            ExpiresAt = expiresAt,
            IssuedAt = issuedAt,
            NotBefore = claims.OptionalTime("nbf"),
            TokenId = claims.OptionalString("jti"),
            SessionId = claims.OptionalString("sid"),
            ClientId = claims.OptionalString("client_id"),
            Scopes = claims.OptionalScopes(),
            AuthenticationContext = claims.OptionalString("acr"),
            AuthenticationMethods = claims.OptionalStrings("amr"),
            AuthenticatedAt = claims.OptionalTime("auth_time"),
            IsBound = isBound,
            HasUnknownConfirmation = hasUnknown,
            KeyThumbprint = keyThumbprint,
            CertificateThumbprint = certificateThumbprint,
            ClaimsUtf8 = claimsUtf8,
        };
        claims.CheckMapped(issuer.Principal);
        return claims.Error == TokenRejection.None ? TokenResult.Accept(token) : TokenResult.Reject(claims.Error, claims.FaultyClaim);
    }
}
