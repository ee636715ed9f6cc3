namespace AuthSidecar.Tokens;

/// <summary>The claims that the reader of tokens knows (RFC 7519, section 4.1; RFC 9068, section 2.2; OpenID Connect Core 1.0, section
/// 2).</summary>
internal enum Claim
{
    Issuer,
    Subject,
    Audience,
    ExpiresAt,
    IssuedAt,
    NotBefore,
    TokenId,
    SessionId,
    ClientId,
    Scope,
    Scp,
    AuthenticationContext,
    AuthenticationMethods,
    AuthenticatedAt,
    Confirmation,
    Events,
    Typ,
    TokenUse,
    TokenType,
    Type,
    TokenName,
    TokenTypeInCamelCase,
    TokenTypeInPascalCase,
    TokenUseInCamelCase,
}

internal static class ClaimNames
{
    private static readonly string[] Names =
    [
        "iss", "sub", "aud", "exp", "iat", "nbf", "jti", "sid", "client_id", "scope", "scp", "acr", "amr", "auth_time", "cnf", "events",
        "typ", "token_use", "token_type", "type", "tokenName", "tokenType", "TokenType", "tokenUse",
    ];

    extension(Claim claim)
    {
        public string Name => Names[(int)claim];
    }

    /// <summary>The claim of a name; null: none that the reader knows.</summary>
    public static Claim? Find(ReadOnlySpan<byte> name) => name.Length switch
    {
        3 => ((name[0] << 16) | (name[1] << 8) | name[2]) switch
        {
            ('i' << 16) | ('s' << 8) | 's' => Claim.Issuer,
            ('s' << 16) | ('u' << 8) | 'b' => Claim.Subject,
            ('a' << 16) | ('u' << 8) | 'd' => Claim.Audience,
            ('e' << 16) | ('x' << 8) | 'p' => Claim.ExpiresAt,
            ('i' << 16) | ('a' << 8) | 't' => Claim.IssuedAt,
            ('n' << 16) | ('b' << 8) | 'f' => Claim.NotBefore,
            ('j' << 16) | ('t' << 8) | 'i' => Claim.TokenId,
            ('s' << 16) | ('i' << 8) | 'd' => Claim.SessionId,
            ('s' << 16) | ('c' << 8) | 'p' => Claim.Scp,
            ('a' << 16) | ('c' << 8) | 'r' => Claim.AuthenticationContext,
            ('a' << 16) | ('m' << 8) | 'r' => Claim.AuthenticationMethods,
            ('c' << 16) | ('n' << 8) | 'f' => Claim.Confirmation,
            ('t' << 16) | ('y' << 8) | 'p' => Claim.Typ,
            _ => null,
        },
        4 => name.SequenceEqual("type"u8) ? Claim.Type : null,
        5 => name.SequenceEqual("scope"u8) ? Claim.Scope : null,
        6 => name.SequenceEqual("events"u8) ? Claim.Events : null,
        8 => name.SequenceEqual("tokenUse"u8) ? Claim.TokenUseInCamelCase : null,
        9 => name.SequenceEqual("client_id"u8) ? Claim.ClientId
            : name.SequenceEqual("auth_time"u8) ? Claim.AuthenticatedAt
            : name.SequenceEqual("token_use"u8) ? Claim.TokenUse
            : name.SequenceEqual("tokenName"u8) ? Claim.TokenName
            : name.SequenceEqual("tokenType"u8) ? Claim.TokenTypeInCamelCase
            : name.SequenceEqual("TokenType"u8) ? Claim.TokenTypeInPascalCase : null,
        10 => name.SequenceEqual("token_type"u8) ? Claim.TokenType : null,
        _ => null,
    };
}
