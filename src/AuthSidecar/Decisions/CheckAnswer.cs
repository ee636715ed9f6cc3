using System.Collections.Immutable;
using AuthSidecar.Cedar;
using AuthSidecar.Risk;
using AuthSidecar.Tokens;

namespace AuthSidecar.Decisions;

/// <summary>What the caller is to do. The default denies.</summary>
internal enum Outcome
{
    Deny = 0,
    Allow,
    StepUp,
}

/// <summary>What an outcome rests on.</summary>
internal enum Reason
{
    Unset = 0,
    Permitted,
    Forbidden,
    NotPermitted,
    ForbidErred,
    StepUpRequired,
    TokenRejected,
    ActionUnknown,
    EntityConflict,
    RequestInvalid,
}

/// <summary>The answer to a request. One that nobody has filled in denies.</summary>
internal sealed record CheckAnswer
{
    public Outcome Outcome { get; init; }

    public Reason Reason { get; init; }

    /// <summary>More about the reason, for people.</summary>
    public string? Detail { get; init; }

    /// <summary>Whether the detail is that the request does not conform to the schema.</summary>
    public bool IsMismatch { get; init; }

    /// <summary>Why the token was rejected, when that is the reason.</summary>
    public TokenError TokenError { get; init; } = TokenError.None;

    /// <summary>Why the proof of a second factor was not accepted, when one was given.</summary>
    public TokenError MfaProofError { get; init; } = TokenError.None;

    public ImmutableArray<Policy> DeterminingPolicies { get; init; } = [];

    public ImmutableArray<PolicyError> PolicyErrors { get; init; } = [];

    /// <summary>The rules decided by, which know what annotations mean; null when no policy was looked at.</summary>
    public PolicyRules? Rules { get; init; }

    public RiskAssessment? Risk { get; init; }

    public ImmutableArray<PolicyTrace> Explanation { get; init; } = [];
}
