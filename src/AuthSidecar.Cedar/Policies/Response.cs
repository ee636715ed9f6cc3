using System.Collections.Immutable;

namespace AuthSidecar.Cedar;

/// <summary>The answer to a request. The default denies.</summary>
public enum Decision
{
    /// <summary>Something forbids it, or nothing permits it.</summary>
    Deny = 0,

    /// <summary>Something permits it, and nothing forbids it.</summary>
    Allow = 1,
}

/// <summary>A decision, the policies that determined it, and those that erred.</summary>
public sealed class Response
{
    internal Response(ImmutableArray<Policy> permits, ImmutableArray<Policy> forbids, ImmutableArray<PolicyError> errors)
    {
        (SatisfiedPermits, SatisfiedForbids, Errors) = (permits, forbids, errors);
    }

    /// <summary>The decision.</summary>
    public Decision Decision => SatisfiedForbids.IsEmpty && !SatisfiedPermits.IsEmpty ? Decision.Allow : Decision.Deny;

    /// <summary>The determining policies: the satisfied forbids if there are any, else the satisfied permits.</summary>
    public ImmutableArray<Policy> Reasons => SatisfiedForbids.IsEmpty ? SatisfiedPermits : SatisfiedForbids;

    /// <summary>The permits that are satisfied, whatever the decision.</summary>
    public ImmutableArray<Policy> SatisfiedPermits { get; }

    /// <summary>The forbids that are satisfied.</summary>
    public ImmutableArray<Policy> SatisfiedForbids { get; }

    /// <summary>The policies that erred and were skipped.</summary>
    public ImmutableArray<PolicyError> Errors { get; }
}

/// <summary>A policy that erred.</summary>
public sealed class PolicyError
{
    private readonly Failure _failure;

    internal PolicyError(Policy policy, in Failure failure) => (Policy, _failure) = (policy, failure);

    /// <summary>The policy.</summary>
    public Policy Policy { get; }

    /// <summary>The kind of error.</summary>
    public EvaluationErrorKind Kind => _failure.Kind;

    /// <summary>The error in words, which are made at this call.</summary>
    public EvaluationError ToError() => _failure.ToError();
}
