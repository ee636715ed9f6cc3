using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace AuthSidecar.Mfa;

/// <summary>Issues and accepts the proof that a second factor was verified: a short-lived JWT of a type of its own, signed by this sidecar
/// and meant for it alone.</summary>
internal sealed class MfaProofs : IDisposable
{
    public const string AuthenticationContext = "mfa";
    private const string Type = "mfa+jwt";
    private const string Name = "authsidecar:mfa";
    private const string SubjectType = "sub_type";

    private static readonly JsonWebTokenHandler Handler = new() { SetDefaultTimesOnTokenCreation = false };

    private readonly ECDsa _key;
    private readonly SigningCredentials _credentials;
    private readonly IssuerSet _issuer;
    private readonly TokenValidator _validator;
    private readonly TimeSpan _lifetime;

    /// <param name="key">A P-256 key, owned from here on.</param>
    /// <param name="validator">Validates the proofs as it validates any token.</param>
    /// <param name="lifetime">How long a proof is good.</param>
    public MfaProofs(ECDsa key, TokenValidator validator, TimeSpan lifetime)
    {
        (_key, _validator, _lifetime) = (key, validator, lifetime);
        var securityKey = new ECDsaSecurityKey(key);
        securityKey.KeyId = Base64UrlEncoder.Encode(securityKey.ComputeJwkThumbprint());
        _credentials = new SigningCredentials(securityKey, SecurityAlgorithms.EcdsaSha256)
        {
            // The default factory shares its signers through a cache of the process, and would outlive the key.
            CryptoProviderFactory = new CryptoProviderFactory { CacheSignatureProviders = false },
        };
        var verificationKey = VerificationKey.OfPublicKey(key, securityKey.KeyId);
        _issuer = new IssuerSet(
        [
            new Issuer
            {
                Name = Name,
                Audiences = FrozenSet.Create(StringComparer.Ordinal, Name),
                Types = FrozenSet.Create(StringComparer.Ordinal, Type),
                Keys = KeySet.Of(verificationKey),
                ClockSkew = TimeSpan.Zero,
            },
        ]);
    }

    public (Secret Proof, DateTimeOffset ExpiresAt) Issue(EntityUid subject, string sessionId, DateTimeOffset now)
    {
        var expiresAt = now + _lifetime;
        var claims = new Dictionary<string, object>
        {
            ["sub"] = subject.Id,
            [SubjectType] = subject.Type,
            ["acr"] = AuthenticationContext,
            // RFC 8176: a one-time password, and with the first factor before it, more than one.
            ["amr"] = new[] { "otp", "mfa" },
            ["auth_time"] = now.ToUnixTimeSeconds(),
            ["jti"] = Guid.CreateVersion7().ToString(),
        };
        if (sessionId.Length > 0)
            claims["sid"] = sessionId;

        var proof = Handler.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = Name,
            Audience = Name,
            TokenType = Type,
            IssuedAt = now.UtcDateTime,
            Expires = expiresAt.UtcDateTime,
            Claims = claims,
            SigningCredentials = _credentials,
        });
        return (new Secret(proof), DateTimeOffset.FromUnixTimeSeconds(expiresAt.ToUnixTimeSeconds()));
    }

    /// <summary>Accepts a proof about this subject; one that is bound to a session, only beside a token of that session.</summary>
    public TokenResult Validate(Secret proof, EntityUid subject, string? sessionId, DateTimeOffset now)
    {
        var result = _validator.Validate(new PresentedToken { Token = proof }, _issuer, Revocations.None, now);
        if (!result.IsValid)
            return result;

        var token = result.Token;
        using var claims = token.ParseClaims();
        var isAboutSubject = string.Equals(token.Subject, subject.Id, StringComparison.Ordinal)
            && claims.RootElement.TryGetProperty(SubjectType, out var type)
            && type.ValueEquals(subject.Type);
        var isOfSession = token.SessionId is null || string.Equals(token.SessionId, sessionId, StringComparison.Ordinal);
        return isAboutSubject && isOfSession ? result : TokenResult.Reject(TokenRejection.SubjectMismatch);
    }

    public void Dispose() => _key.Dispose();
}
