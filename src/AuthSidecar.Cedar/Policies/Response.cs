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
/// <remarks>Holds the numbers of the policies, and makes lists of them when it is asked: most callers want to know no more than the
/// decision. So a decision allocates nothing. Where more than a dozen policies are satisfied at once, it counts the others, and asking for
/// a list decides again.</remarks>
public struct Response
{
    private readonly PolicySet? _policies;
    private readonly EntitySource? _entities;
    private readonly Request _request;

    // Written while the decision is being made, and not afterwards.
    internal PolicyOutcomes Outcomes;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal Response(PolicySet policies, EntitySource entities, in Request request)
    {
        (_policies, _entities, _request) = (policies, entities, request);
    }

    /// <summary>The decision.</summary>
    public readonly Decision Decision => HasSatisfiedForbid || !HasSatisfiedPermit ? Decision.Deny : Decision.Allow;

    /// <summary>Whether a permit is satisfied, whatever the decision.</summary>
    public readonly bool HasSatisfiedPermit => Outcomes.CountOf(OutcomeKind.Permit) > 0;

    /// <summary>Whether a forbid is satisfied.</summary>
    public readonly bool HasSatisfiedForbid => Outcomes.CountOf(OutcomeKind.Forbid) > 0;

    /// <summary>Whether a policy erred.</summary>
    public readonly bool HasErrors => Outcomes.CountOf(OutcomeKind.Error) > 0;

    /// <summary>The determining policies: the satisfied forbids if there are any, else the satisfied permits.</summary>
    public readonly ImmutableArray<Policy> Reasons => HasSatisfiedForbid ? SatisfiedForbids : SatisfiedPermits;

    /// <summary>The permits that are satisfied, whatever the decision.</summary>
    public readonly ImmutableArray<Policy> SatisfiedPermits => PoliciesOf(OutcomeKind.Permit);

    /// <summary>The forbids that are satisfied.</summary>
    public readonly ImmutableArray<Policy> SatisfiedForbids => PoliciesOf(OutcomeKind.Forbid);

    /// <summary>The policies that erred and were skipped. They are evaluated once more, to tell why.</summary>
    public readonly ImmutableArray<PolicyError> Errors
    {
        get
        {
            if (!HasErrors)
                return [];

            var errors = ImmutableArray.CreateBuilder<PolicyError>(Outcomes.CountOf(OutcomeKind.Error));
            foreach (var policy in PoliciesOf(OutcomeKind.Error))
            {
                Frame.Create(_request, _entities!, out var frame);
                policy.EvaluateConditions(ref frame);
                errors.Add(new PolicyError(policy, frame.Failure));
            }

            return errors.MoveToImmutable();
        }
    }

    private readonly ImmutableArray<Policy> PoliciesOf(OutcomeKind kind)
    {
        if (Outcomes.CountOf(kind) == 0)
            return [];

        var outcomes = Outcomes;
        if (!outcomes.HasAll)
        {
            outcomes = PolicyOutcomes.OfAnyNumber();
            Authorizer.Evaluate(_policies!, _entities!, _request, ref outcomes);
        }

        var policies = ImmutableArray.CreateBuilder<Policy>(outcomes.CountOf(kind));
        for (var i = 0; i < outcomes.Count; i++)
        {
            var (number, found) = outcomes[i];
            if (found == kind)
                policies.Add(_policies!.Policies[number]);
        }

        return policies.MoveToImmutable();
    }
}

/// <summary>What a policy, which is not without effect, does to a request.</summary>
internal enum OutcomeKind
{
    Permit = 0,
    Forbid,
    Error,
}

/// <summary>The policies that are satisfied or erred, by their numbers: how many, and which, as far as there is room for them.</summary>
internal struct PolicyOutcomes
{
    private const int InPlace = 12;

    // Number and kind in one.
    private Few _few;
    private List<int>? _more;
    private Counts _counts;

    /// <summary>Empty, with room for any number.</summary>
    public static PolicyOutcomes OfAnyNumber() => new() { _more = [] };

    public int Count { get; private set; }

    /// <summary>Whether there was room for all.</summary>
    public readonly bool HasAll => Count <= InPlace || _more is not null;

    public readonly int CountOf(OutcomeKind kind) => _counts[(int)kind];

    public readonly (int Number, OutcomeKind Kind) this[int index]
    {
        get
        {
            var outcome = index < InPlace ? _few[index] : _more![index - InPlace];
            return (outcome >> 2, (OutcomeKind)(outcome & 3));
        }
    }

    public void Add(int number, OutcomeKind kind)
    {
        var outcome = (number << 2) | (int)kind;
        if (Count < InPlace)
            _few[Count] = outcome;
        else
            _more?.Add(outcome);

        Count++;
        _counts[(int)kind]++;
    }

    [InlineArray(InPlace)]
    private struct Few
    {
        private int _first;
    }

    [InlineArray(3)]
    private struct Counts
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
