using System.Numerics;

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
        PolicyNumbers permits = default, forbids = default, errors = default;
        var principal = policies.Scopes.OfPrincipal(frame.Principal, frame.PrincipalEntity);
        var action = policies.Scopes.OfAction(frame.Action, frame.ActionEntity);
        var resource = policies.Scopes.OfResource(frame.Resource, frame.ResourceEntity);
        for (var word = 0; word < principal.Length; word++)
        {
            for (var candidates = principal[word] & action[word] & resource[word]; candidates != 0; candidates &= candidates - 1)
            {
                var number = (word * 64) + BitOperations.TrailingZeroCount(candidates);
                var policy = policies.Policies[number];
                switch (policy.EvaluateConditions(ref frame))
                {
                    case Truth.True when policy.Effect == Effect.Permit:
                        permits.Add(number);
                        break;
                    case Truth.True:
                        forbids.Add(number);
                        break;
                    case Truth.Error:
                        errors.Add(number);
                        break;
                }
            }
        }

        return new Response(policies, entities, request, permits, forbids, errors);
    }

    /// <summary>Tells of one policy how it came out for a request, condition by condition.</summary>
    /// <remarks>For people: it walks the syntax tree, far slower than a decision.</remarks>
    public static PolicyTrace Explain(Policy policy, IEntitySource entities, Request request)
    {
        if (!policy.Scope.Matches(new Frame(request, entities)))
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
