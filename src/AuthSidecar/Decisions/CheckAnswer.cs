using System.Collections.Immutable;
using AuthSidecar.Risk;

namespace AuthSidecar.Decisions;

/// <summary>What a decision rests on.</summary>
internal enum DecisionReason
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
    public Decision Decision { get; init; }
    public DecisionReason Reason { get; init; }

    /// <summary>More about the reason, for people.</summary>
    public string? Detail { get; init; }

    /// <summary>Whether the detail is that the request does not conform to the schema.</summary>
    public bool IsMismatch { get; init; }

    /// <summary>Why the token was rejected, when that is the reason.</summary>
    public TokenRejection TokenRejection { get; init; } = TokenRejection.None;

    /// <summary>Why the proof of a second factor was not accepted, when one was given.</summary>
    public TokenRejection MfaProofError { get; init; } = TokenRejection.None;

    public ImmutableArray<Policy> DeterminingPolicies { get; init; } = [];
    public ImmutableArray<PolicyError> PolicyErrors { get; init; } = [];

    /// <summary>The rules decided by, which know what annotations mean; null when no policy was looked at.</summary>
    public PolicyRules? Rules { get; init; }

    public RiskAssessment? Risk { get; init; }
    public ImmutableArray<PolicyTrace> Explanation { get; init; } = [];
}
