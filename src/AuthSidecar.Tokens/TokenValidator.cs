using System.Buffers.Text;

namespace AuthSidecar.Tokens;

/// <summary>A token and what is asked of it.</summary>
internal sealed record PresentedToken
{
    public required Secret Token { get; init; }

    /// <summary>An audience that the token must name; null: any that its issuer is configured with.</summary>
    public string? Audience { get; init; }

    public IReadOnlyList<string> RequiredScopes { get; init; } = [];
    public DpopRequest? Dpop { get; init; }

    /// <summary>SHA-256 of the client's certificate; empty: none was seen.</summary>
    public byte[] CertificateSha256 { get; init; } = [];
}

/// <summary>What is known of a token that says nothing itself.</summary>
/// <param name="issuer">Whose it would be.</param>
internal delegate TokenResult OpaqueTokenFinder(string token, Issuer issuer, DateTimeOffset now);

/// <summary>Decides whether a token is genuine, meant for us, unexpired, unrevoked, and in the right hands.</summary>
/// <remarks>Facts that cannot change (the signature is right, the claims are these) are remembered for as long as the issuer's
/// configuration is the same object. Everything that can change is checked at every call, also behind the cache.</remarks>
internal sealed class TokenValidator(
    VerifiedTokenCache cache, DpopVerifier dpop, OpaqueTokenFinder? findOpaque = null, TokenLimits? limits = null)
{
    /// <summary>What <see cref="TokenRejection.TypeNotAllowed"/> is about where it is not a claim.</summary>
    public const string TypeHeader = "header typ";

    private readonly TokenLimits _limits = limits ?? TokenLimits.Default;
    private readonly HeaderCache _headers = new();

    public TokenResult Validate(PresentedToken request, IssuerSet issuers, Revocations revocations, DateTimeOffset now)
    {
        var text = request.Token.Reveal();
        if (text.Length > _limits.MaxBytes)
            return TokenResult.Reject(TokenRejection.TooLarge);

        if (!cache.TryGet(text, issuers, out var token))
        {
            var opaqueOf = findOpaque is null ? null : issuers.FindOpaque(text);
            var verified = opaqueOf is null ? Verify(text, issuers) : findOpaque!(text, opaqueOf, now);
            if (!verified.IsValid)
                return verified;

            token = verified.Token;
            // What an issuer said of an opaque token is not true for ever.
            if (opaqueOf is null && now.ToUnixTimeSeconds() is var seconds && seconds < token.ExpiresAt)
                cache.Add(text, token, seconds);
        }

        var error = CheckTimes(token, now, out var detail);
        if (error == TokenRejection.None)
        {
            error = CheckAudience(token, request.Audience) ?? CheckScopes(token, request.RequiredScopes, ref detail)
                ?? (revocations.Contains(token) ? TokenRejection.Revoked : TokenRejection.None);
        }

        // The proof last: verifying it spends it.
        if (error == TokenRejection.None)
            error = CheckPossession(token, request, text, now);

        return error == TokenRejection.None ? TokenResult.Accept(token) : TokenResult.Reject(error, detail);
    }

    /// <summary>What is true of the token for ever, or until its issuer is configured anew.</summary>
    internal TokenResult Verify(string text, IssuerSet issuers)
    {
        var malformed = CompactJws.TryRead(text, _limits, out var read, _headers);
        if (malformed != TokenRejection.None)
            return TokenResult.Reject(malformed, HintOf(text));

        using var jws = read!;
        malformed = StrictJson.TryParseObject(jws.Payload, out var parsed);
        if (malformed != TokenRejection.None)
            return TokenResult.Reject(malformed);

        // The issuer is not to be believed yet, but it may say which keys to try: only its own.
        using var payload = parsed!;
        var claims = new ClaimReader(payload.RootElement);
        if (issuers.Find(ref claims) is not { } issuer)
        {
            return claims.Error != TokenRejection.None ? TokenResult.Reject(claims.Error, claims.FaultyClaim)
                : claims.Has(Claim.Issuer) ? TokenResult.Reject(TokenRejection.IssuerUnknown)
                : TokenResult.Reject(TokenRejection.ClaimMissing, Claim.Issuer.Name);
        }

        if (!IsTypeAllowed(jws.Type, issuer))
            return TokenResult.Reject(TokenRejection.TypeNotAllowed, TypeHeader);

        if (FindKey(jws, issuer, out var keyError) is not { } key)
        {
            if (keyError == TokenRejection.KeyUnknown)
                issuer.LookForKeys?.Invoke();

            return TokenResult.Reject(keyError);
        }

        if (!key.Verify(jws))
            return TokenResult.Reject(TokenRejection.SignatureInvalid);

        _headers.Add(jws.Header);
        return VerifiedToken.Read(ref claims, issuer, jws.Payload);
    }

    private static VerificationKey? FindKey(CompactJws jws, Issuer issuer, out TokenRejection error)
    {
        error = TokenRejection.KeyUnknown;
        if (jws.KeyId is not { } keyId)
            return null;

        var key = issuer.Keys.Find(keyId, jws.Algorithm, out var isKnown);
        if (key is null && isKnown)
            error = TokenRejection.AlgorithmNotAllowed;

        return key?.IsOf(issuer) == true ? key : null;
    }

    private static bool IsTypeAllowed(string? type, Issuer issuer) =>
        type is null ? issuer.IsTypeOptional : issuer.Types.Contains(type) || issuer.Types.Contains(Normalized(type));

    /// <summary>What callers most often send along with a token.</summary>
    private static string? HintOf(string text) =>
        text.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? "begins with `Bearer `: send the token alone"
        : text.StartsWith("DPoP ", StringComparison.OrdinalIgnoreCase) ? "begins with `DPoP `: send the token alone"
        : text.Any(char.IsWhiteSpace) ? "has white space, such as a line break at its end"
        : text.Length >= 2 && text[0] is '"' or '\'' ? "is in quotation marks"
        : null;

    /// <summary>RFC 9068, section 4: <c>application/</c> may be left out; media types do not mind case.</summary>
    private static string Normalized(string typ)
    {
        const string Prefix = "application/";
        var lower = typ.ToLowerInvariant();
        return lower.StartsWith(Prefix, StringComparison.Ordinal) ? lower[Prefix.Length..] : lower;
    }

    private static TokenRejection CheckTimes(VerifiedToken token, DateTimeOffset now, out string? detail)
    {
        var skewSeconds = (long)token.Issuer.ClockSkew.TotalSeconds;
        var nowSeconds = now.ToUnixTimeSeconds();
        detail = null;
        if (nowSeconds >= token.ExpiresAt + skewSeconds)
            return TokenRejection.Expired;

        detail = token.NotBefore > nowSeconds + skewSeconds ? "nbf" : token.IssuedAtRoundedUp > nowSeconds + skewSeconds ? "iat" : null;
        return detail is null ? TokenRejection.None : TokenRejection.NotYetValid;
    }

    private static TokenRejection? CheckAudience(VerifiedToken token, string? required)
    {
        foreach (var audience in token.Audiences)
        {
            if (token.Issuer.Audiences.Contains(audience)
                && (required is null || string.Equals(audience, required, StringComparison.Ordinal)))
            {
                return null;
            }
        }

        return TokenRejection.AudienceMismatch;
    }

    private static TokenRejection? CheckScopes(VerifiedToken token, IReadOnlyList<string> required, ref string? detail)
    {
        // By index: an enumerator of the interface would be an object.
        for (var i = 0; i < required.Count; i++)
        {
            if (Array.IndexOf(token.Scopes, required[i]) < 0)
            {
                detail = required[i];
                return TokenRejection.ScopeMissing;
            }
        }

        return null;
    }

    /// <summary>A bound token is worth nothing without the proof of its binding; and every confirmation it names must be proved.</summary>
    private TokenRejection CheckPossession(VerifiedToken token, PresentedToken request, string text, DateTimeOffset now)
    {
        // A proof beside a token that is not bound to its key proves nothing (RFC 9449, section 4.3, step 12): somebody has mixed something
        // up.
        if (request.Dpop is not null && token.KeyThumbprint is null)
            return TokenRejection.ProofInvalid;

        if (!token.IsBound)
            return TokenRejection.None;

        if (token.HasUnknownConfirmation || (token.KeyThumbprint is null && token.CertificateThumbprint is null))
            return TokenRejection.ProofMissing;

        if (token.CertificateThumbprint is { } expected)
        {
            if (request.CertificateSha256.Length == 0)
                return TokenRejection.ProofMissing;

            if (!string.Equals(Base64Url.EncodeToString(request.CertificateSha256), expected, StringComparison.Ordinal))
                return TokenRejection.ProofInvalid;
        }

        if (token.KeyThumbprint is { } thumbprint)
        {
            if (request.Dpop is not { } proof)
                return TokenRejection.ProofMissing;

            var owner = $"{token.Issuer.Name.Length} {token.Issuer.Name}{token.Subject}";
            return dpop.Verify(proof, text, thumbprint, token.Issuer.ClockSkew, now, owner);
        }

        return TokenRejection.None;
    }
}
