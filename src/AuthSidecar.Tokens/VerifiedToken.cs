using System.Text.Json;

namespace AuthSidecar.Tokens;

/// <summary>
/// What a genuine token says: its signature is right and its claims are well-formed. Whether it is still good is asked at every use.
/// Immutable, and so remembered between calls.
/// </summary>
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

    public JsonDocument ParseClaims() => JsonDocument.Parse(ClaimsUtf8);
}
