namespace AuthSidecar.Cedar;

/// <summary>Decides requests, as Cedar defines it.</summary>
public static class Authorizer
{
    /// <summary>
    /// Evaluates every policy. A satisfied forbid denies; else a satisfied permit allows; else nothing does, and that denies too. A policy
    /// that errs is skipped and reported: it decides nothing.
    /// </summary>
    /// <remarks>There is no early exit, because the answer names all determining policies and all errors.</remarks>
    public static Response IsAuthorized(PolicySet policies, EntitySource entities, in Request request)
    {
        ArgumentNullException.ThrowIfNull(policies);
        ArgumentNullException.ThrowIfNull(entities);
        var frame = new Frame(request, entities);
        var principal = policies.Scopes.OfPrincipal(frame.Principal, frame.PrincipalEntity, entities);
        var action = policies.Scopes.OfAction(frame.Action, frame.ActionEntity, entities);
        var resource = policies.Scopes.OfResource(frame.Resource, frame.ResourceEntity, entities);
        return Decide(policies, entities, request, ref frame, PolicyMask.Intersect(principal, action, resource));
    }

    /// <summary>
    /// Decides many requests. Those that follow one another and share the object of their principal, or of their action, share what has to be
    /// found out about it: sort them so.
    /// </summary>
    /// <param name="policies">The policies.</param>
    /// <param name="entities">The entities.</param>
    /// <param name="requests">The requests.</param>
    /// <param name="responses">Gets an answer for each request, in order.</param>
    /// <exception cref="ArgumentException">There is not exactly one place for each answer.</exception>
    public static void AreAuthorized(PolicySet policies, EntitySource entities, ReadOnlySpan<Request> requests, Span<Response> responses)
    {
        ArgumentNullException.ThrowIfNull(policies);
        ArgumentNullException.ThrowIfNull(entities);
        if (requests.Length != responses.Length)
        {
            throw new ArgumentException($"{requests.Length} requests want as many responses, not {responses.Length}", nameof(responses));
        }

        if (requests.IsEmpty)
        {
            return;
        }

        var last = new Frame(requests[0], entities);
        var principal = policies.Scopes.OfPrincipal(last.Principal, last.PrincipalEntity, entities);
        var action = policies.Scopes.OfAction(last.Action, last.ActionEntity, entities);
        for (var i = 0; i < requests.Length; i++)
        {
            ref readonly var request = ref requests[i];
            var frame = new Frame(request, last);
            if (!ReferenceEquals(frame.Principal, last.Principal))
            {
                principal = policies.Scopes.OfPrincipal(frame.Principal, frame.PrincipalEntity, entities);
            }

            if (!ReferenceEquals(frame.Action, last.Action))
            {
                action = policies.Scopes.OfAction(frame.Action, frame.ActionEntity, entities);
            }

            var resource = policies.Scopes.OfResource(frame.Resource, frame.ResourceEntity, entities);
            responses[i] = Decide(policies, entities, request, ref frame, PolicyMask.Intersect(principal, action, resource));
            last = frame;
        }
    }

    private static Response Decide(PolicySet policies, EntitySource entities, in Request request, scoped ref Frame frame, PolicyMask.Intersection candidates)
    {
        var outcomes = default(PolicyOutcomes);
        while (candidates.MoveNext())
        {
            var policy = policies.Policies[candidates.Current];
            switch (policy.EvaluateConditions(ref frame))
            {
                case Truth.True:
                    outcomes.Add(candidates.Current, policy.Effect == Effect.Permit ? OutcomeKind.Permit : OutcomeKind.Forbid);
                    break;
                case Truth.Error:
                    outcomes.Add(candidates.Current, OutcomeKind.Error);
                    break;
            }
        }

        return new Response(policies, entities, request, outcomes);
    }

    /// <summary>Tells of one policy how it came out for a request, condition by condition.</summary>
    /// <remarks>For people: it walks the syntax tree, far slower than a decision.</remarks>
    public static PolicyTrace Explain(Policy policy, EntitySource entities, in Request request)
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
