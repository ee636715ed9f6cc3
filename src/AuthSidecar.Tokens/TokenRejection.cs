namespace AuthSidecar.Tokens;

/// <summary>Why a token is not accepted. The default is an error: a result that nobody has set is not a valid token.</summary>
internal enum TokenRejection
{
    Unset = 0,
    None,
    Missing,
    TooLarge,
    Malformed,
    UnsupportedHeader,
    TypeNotAllowed,
    AlgorithmNotAllowed,
    IssuerUnknown,
    KeyUnknown,
    SignatureInvalid,
    ClaimMissing,
    ClaimMalformed,
    Expired,
    NotYetValid,
    AudienceMismatch,
    ScopeMissing,
    Revoked,
    ProofMissing,
    ProofInvalid,
    ProofReplayed,
    ProofLimit,
    SubjectMismatch,
    IntrospectionPending,
    Inactive,
    ClaimNotAllowed,
}

/// <summary>A verified token, or why there is none. The default is not valid.</summary>
internal readonly record struct TokenResult
{
    private readonly VerifiedToken? _token;

    private TokenResult(TokenRejection error, string? detail, VerifiedToken? token)
    {
        (Error, Detail, _token) = (error, detail, token);
    }

    public TokenRejection Error { get; }

    /// <summary>What the error is about, such as the name of a claim; never a part of the token's values.</summary>
    public string? Detail { get; }

    public bool IsValid => Error == TokenRejection.None && _token is not null;

    /// <summary>The token, when it is valid.</summary>
    public VerifiedToken Token => IsValid ? _token! : throw new InvalidOperationException("the token is not valid");

    public static TokenResult Accept(VerifiedToken token) => new(TokenRejection.None, null, token);
    public static TokenResult Reject(TokenRejection error, string? detail = null) => new(error, detail, null);
}
