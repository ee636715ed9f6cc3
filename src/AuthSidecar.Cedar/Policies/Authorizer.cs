using System.Numerics;

namespace AuthSidecar.Cedar;

/// <summary>Decides requests, as Cedar defines it.</summary>
public static class Authorizer
{
    /// <summary>Evaluates every policy. A satisfied forbid denies; else a satisfied permit allows; else nothing does, and that denies too.
    /// A policy that errs is skipped and reported: it decides nothing.</summary>
    /// <remarks>There is no early exit, because the answer names all determining policies and all errors.</remarks>
    public static Response IsAuthorized(PolicySet policies, EntitySource entities, in Request request)
    {
        ArgumentNullException.ThrowIfNull(policies);
        ArgumentNullException.ThrowIfNull(entities);
        var response = new Response(policies, entities, request);
        Evaluate(policies, entities, request, ref response.Outcomes);
        return response;
    }

    /// <summary>Decides many requests. Those that follow one another and share the object of their principal, or of their action, share
    /// what has to be found out about it: sort them so.</summary>
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
            throw new ArgumentException($"expected one response per request: {requests.Length}, not {responses.Length}", nameof(responses));

        if (requests.IsEmpty)
            return;

        var scopes = policies.Scopes;
        Frame.Create(requests[0], entities, out var last);
        var principal = scopes.MaskOf(ScopePlace.Principal, last.Principal, last.PrincipalEntity, entities);
        var action = scopes.MaskOf(ScopePlace.Action, last.Action, last.ActionEntity, entities);
        for (var i = 0; i < requests.Length; i++)
        {
            ref readonly var request = ref requests[i];
            Frame.Create(request, last, out var frame);
            if (!ReferenceEquals(frame.Principal, last.Principal))
                principal = scopes.MaskOf(ScopePlace.Principal, frame.Principal, frame.PrincipalEntity, entities);

            if (!ReferenceEquals(frame.Action, last.Action))
                action = scopes.MaskOf(ScopePlace.Action, frame.Action, frame.ActionEntity, entities);

            var resource = scopes.MaskOf(ScopePlace.Resource, frame.Resource, frame.ResourceEntity, entities);
            ref var response = ref responses[i];
            response = new Response(policies, entities, request);
            Evaluate(policies, ref frame, principal, action, resource, ref response.Outcomes);
            last = frame;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static void Evaluate(PolicySet policies, EntitySource entities, in Request request, ref PolicyOutcomes outcomes)
    {
        Frame.Create(request, entities, out var frame);
        var scopes = policies.Scopes;
        var principal = scopes.MaskOf(ScopePlace.Principal, frame.Principal, frame.PrincipalEntity, entities);
        var action = scopes.MaskOf(ScopePlace.Action, frame.Action, frame.ActionEntity, entities);
        var resource = scopes.MaskOf(ScopePlace.Resource, frame.Resource, frame.ResourceEntity, entities);
        Evaluate(policies, ref frame, principal, action, resource, ref outcomes);
    }

    /// <summary>Evaluates the policies that all three masks have: those whose scope fits.</summary>
    private static void Evaluate(
        PolicySet policies, scoped ref Frame frame, PolicyMask principal, PolicyMask action, PolicyMask resource,
        ref PolicyOutcomes outcomes)
    {
        for (var block = 0; block < principal.BlockCount; block++)
        {
            for (var words = PolicyMask.CommonWords(block, principal, action, resource); words != 0; words &= words - 1)
            {
                var word = BitOperations.TrailingZeroCount(words);
                for (var left = PolicyMask.CommonPolicies(block, word, principal, action, resource); left != 0; left &= left - 1)
                {
                    var number = (((block * 64) + word) * 64) + BitOperations.TrailingZeroCount(left);
                    var policy = policies.Policies[number];
                    switch (policy.EvaluateConditions(ref frame))
                    {
                        case ConditionResult.True:
                            outcomes.Add(number, policy.Effect == Effect.Permit ? OutcomeKind.Permit : OutcomeKind.Forbid);
                            break;
                        case ConditionResult.Error: outcomes.Add(number, OutcomeKind.Error); break;
                    }
                }
            }
        }
    }
}
