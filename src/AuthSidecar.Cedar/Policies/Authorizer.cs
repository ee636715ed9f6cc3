using System.Collections.Immutable;

namespace AuthSidecar.Cedar;

/// <summary>Decides requests, as Cedar defines it.</summary>
public static class Authorizer
{
    /// <summary>
    /// Evaluates every policy. A satisfied forbid denies; else a satisfied permit allows; else nothing does, and that denies too. A policy
    /// that errs is skipped and reported: it decides nothing.
    /// </summary>
    /// <remarks>There is no early exit, because the answer names all determining policies and all errors.</remarks>
    public static Response IsAuthorized(PolicySet policies, IEntitySource entities, Request request)
    {
        var frame = new Frame(request, entities);
        ImmutableArray<Policy>.Builder? permits = null;
        ImmutableArray<Policy>.Builder? forbids = null;
        ImmutableArray<PolicyError>.Builder? errors = null;
        foreach (var policy in policies.Policies)
        {
            switch (policy.Evaluate(ref frame))
            {
                case Truth.True when policy.Effect == Effect.Permit:
                    (permits ??= ImmutableArray.CreateBuilder<Policy>()).Add(policy);
                    break;
                case Truth.True:
                    (forbids ??= ImmutableArray.CreateBuilder<Policy>()).Add(policy);
                    break;
                case Truth.Error:
                    (errors ??= ImmutableArray.CreateBuilder<PolicyError>()).Add(new PolicyError(policy, frame.Failure));
                    break;
            }
        }

        return new Response(permits?.ToImmutable() ?? [], forbids?.ToImmutable() ?? [], errors?.ToImmutable() ?? []);
    }

    /// <summary>Tells of one policy how it came out for a request, condition by condition.</summary>
    /// <remarks>For people: it walks the syntax tree, far slower than a decision.</remarks>
    public static PolicyTrace Explain(Policy policy, IEntitySource entities, Request request)
    {
        if (!policy.MatchesScope(new Frame(request, entities)))
        {
            return new PolicyTrace(policy, PolicyOutcome.ScopeDoesNotMatch, null, null);
        }

        var walker = new TreeWalker(request, entities);
        foreach (var condition in policy.Conditions)
        {
            if (!walker.TryEvaluate(condition.Body, out var value, out var failure))
            {
                return new PolicyTrace(policy, PolicyOutcome.Error, condition.Span, failure.ToError());
            }

            if (!value.TryGet(out bool holds))
            {
                return new PolicyTrace(policy, PolicyOutcome.Error, condition.Span, Failure.WrongType(condition.Body, value, "bool").ToError());
            }

            if (holds == condition.IsUnless)
            {
                return new PolicyTrace(policy, PolicyOutcome.ConditionDoesNotHold, condition.Span, null);
            }
        }

        return new PolicyTrace(policy, PolicyOutcome.Satisfied, null, null);
    }
}

/// <summary>How a policy came out for a request.</summary>
public enum PolicyOutcome
{
    /// <summary>The scope is about other principals, actions or resources.</summary>
    ScopeDoesNotMatch = 0,

    /// <summary>A <c>when</c> was false or an <c>unless</c> true.</summary>
    ConditionDoesNotHold,

    /// <summary>A condition erred; the policy was skipped.</summary>
    Error,

    /// <summary>The policy applies.</summary>
    Satisfied,
}

/// <summary>How a policy came out for a request, and which condition decided it.</summary>
/// <param name="Policy">The policy.</param>
/// <param name="Outcome">How it came out.</param>
/// <param name="Condition">The condition that did not hold or erred, in the policy's source.</param>
/// <param name="Error">What went wrong, if something did.</param>
public sealed record PolicyTrace(Policy Policy, PolicyOutcome Outcome, SourceSpan? Condition, EvaluationError? Error);
