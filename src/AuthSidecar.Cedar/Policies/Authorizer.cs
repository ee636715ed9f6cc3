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

    /// <summary>Tells of one policy how it came out for a request, part by part.</summary>
    /// <remarks>For people: it walks the syntax tree, far slower than a decision.</remarks>
    public static PolicyTrace Explain(Policy policy, EntitySource entities, in Request request) => Explainer.Explain(policy, entities, request);
}
