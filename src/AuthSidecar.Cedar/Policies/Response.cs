using System.Collections.Immutable;
using System.Runtime.CompilerServices;

namespace AuthSidecar.Cedar;

/// <summary>The answer to a request. The default denies.</summary>
public enum Decision
{
    /// <summary>Something forbids it, or nothing permits it.</summary>
    Deny = 0,

    /// <summary>Something permits it, and nothing forbids it.</summary>
    Allow = 1,
}

/// <summary>A decision, the policies that determined it, and those that erred. The default denies.</summary>
/// <remarks>
/// Holds the numbers of the policies, and makes lists of them when it is asked: most callers want to know no more than the decision. So a
/// decision allocates nothing, unless more than a handful of policies are satisfied at once.
/// </remarks>
public readonly struct Response
{
    private readonly PolicySet? _policies;
    private readonly IEntitySource? _entities;
    private readonly Request? _request;
    private readonly PolicyNumbers _permits;
    private readonly PolicyNumbers _forbids;
    private readonly PolicyNumbers _errors;

    internal Response(PolicySet policies, IEntitySource entities, Request request, in PolicyNumbers permits, in PolicyNumbers forbids, in PolicyNumbers errors)
    {
        (_policies, _entities, _request) = (policies, entities, request);
        (_permits, _forbids, _errors) = (permits, forbids, errors);
    }

    /// <summary>The decision.</summary>
    public Decision Decision => HasSatisfiedForbid || !HasSatisfiedPermit ? Decision.Deny : Decision.Allow;

    /// <summary>Whether a permit is satisfied, whatever the decision.</summary>
    public bool HasSatisfiedPermit => _permits.Count > 0;

    /// <summary>Whether a forbid is satisfied.</summary>
    public bool HasSatisfiedForbid => _forbids.Count > 0;

    /// <summary>Whether a policy erred.</summary>
    public bool HasErrors => _errors.Count > 0;

    /// <summary>The determining policies: the satisfied forbids if there are any, else the satisfied permits.</summary>
    public ImmutableArray<Policy> Reasons => HasSatisfiedForbid ? SatisfiedForbids : SatisfiedPermits;

    /// <summary>The permits that are satisfied, whatever the decision.</summary>
    public ImmutableArray<Policy> SatisfiedPermits => ToPolicies(_permits);

    /// <summary>The forbids that are satisfied.</summary>
    public ImmutableArray<Policy> SatisfiedForbids => ToPolicies(_forbids);

    /// <summary>The policies that erred and were skipped. They are evaluated once more, to tell why.</summary>
    public ImmutableArray<PolicyError> Errors
    {
        get
        {
            if (!HasErrors)
            {
                return [];
            }

            var errors = ImmutableArray.CreateBuilder<PolicyError>(_errors.Count);
            foreach (var policy in ToPolicies(_errors))
            {
                var frame = new Frame(_request!, _entities!);
                policy.EvaluateConditions(ref frame);
                errors.Add(new PolicyError(policy, frame.Failure));
            }

            return errors.MoveToImmutable();
        }
    }

    private ImmutableArray<Policy> ToPolicies(in PolicyNumbers numbers)
    {
        if (numbers.Count == 0)
        {
            return [];
        }

        var policies = ImmutableArray.CreateBuilder<Policy>(numbers.Count);
        for (var i = 0; i < numbers.Count; i++)
        {
            policies.Add(_policies!.Policies[numbers[i]]);
        }

        return policies.MoveToImmutable();
    }
}

/// <summary>The numbers of some policies: a few in place, more in an array.</summary>
internal struct PolicyNumbers
{
    private const int InPlace = 4;

    private Few _few;
    private int[]? _more;

    public int Count { get; private set; }

    public readonly int this[int index] => index < InPlace ? _few[index] : _more![index - InPlace];

    public void Add(int number)
    {
        if (Count < InPlace)
        {
            _few[Count] = number;
        }
        else
        {
            if (_more is null || Count - InPlace == _more.Length)
            {
                Array.Resize(ref _more, Math.Max(12, (Count - InPlace) * 2));
            }

            _more[Count - InPlace] = number;
        }

        Count++;
    }

    [InlineArray(InPlace)]
    private struct Few
    {
        private int _first;
    }
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
