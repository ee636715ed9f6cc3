namespace AuthSidecar.Cedar;

/// <summary>Decides requests as far as they can be decided when not all is known: the principal or the resource but for their types, the
/// context, or entities (type-aware partial evaluation, Cedar's RFC 95). What is left of the policies can be turned into a query.</summary>
public sealed class PartialAuthorizer(Schema schema)
{
    /// <summary>Decides as far as possible.</summary>
    /// <param name="policies">Policies that are strictly valid under the schema: else residuals are folded that may err.</param>
    /// <param name="entities">The entities that are known; null: none is. An entity that is not among them is unknown, not absent.</param>
    /// <param name="request">The request.</param>
    /// <param name="response">The answer.</param>
    /// <param name="mismatch">Why there is none: the request is not one that the schema knows.</param>
    /// <returns>False when the request does not conform to the schema.</returns>
    public bool TryAuthorize(
        PolicySet policies,
        EntitySource? entities,
        PartialRequest request,
        [NotNullWhen(true)] out PartialResponse? response,
        [NotNullWhen(false)] out string? mismatch)
    {
        ArgumentNullException.ThrowIfNull(policies);
        ArgumentNullException.ThrowIfNull(request);
        response = null;
        mismatch = Check(request);
        if (mismatch is not null)
            return false;

        var table = new TypeTable(isStrict: true);
        var evaluated = policies.Policies.Select(policy => Evaluate(policy, entities, request, table)).ToList();
        response = new PartialResponse(Decide(evaluated), evaluated);
        return true;
    }

    /// <summary>Whether what is known of the request conforms to the schema.</summary>
    private string? Check(PartialRequest request)
    {
        var conformance = new Conformance(schema);
        if (!schema.Actions.TryGetValue(request.Action, out var action))
            return conformance.UnknownAction(request.Action);

        return conformance.CheckApplies(action.Principals, request.Principal.Type, action, "principal")
            ?? conformance.CheckApplies(action.Resources, request.Resource.Type, action, "resource")
            ?? (request.Context is { } context ? conformance.CheckContext(context, action) : null);
    }

    private PartialPolicy Evaluate(Policy policy, EntitySource? entities, PartialRequest request, TypeTable table)
    {
        var condition = Validator.ConditionOf(policy.Syntax, policy.Scope);
        var environment = new RequestEnvironment(schema.Actions[request.Action], request.Principal.Type, request.Resource.Type, null, null);
        var types = new TypeChecker(schema, environment, table, new ExprIds(), isStrict: true, []);
        types.Check(condition);
        var residual = new PartialEvaluator(schema, types, entities, request).Evaluate(condition);
        var result = residual switch
        {
            LiteralExpr literal => literal.Value.IsTrue ? PartialClass.True : PartialClass.False,
            ErrorExpr => PartialClass.Error,
            _ => PartialClass.Residual,
        };
        return new PartialPolicy(policy, result, residual);
    }

    private static Decision? Decide(List<PartialPolicy> policies)
    {
        if (Any(Effect.Forbid, PartialClass.True) || !(Any(Effect.Permit, PartialClass.True) || Any(Effect.Permit, PartialClass.Residual)))
            return Decision.Deny;

        return Any(Effect.Permit, PartialClass.True) && !Any(Effect.Forbid, PartialClass.Residual) ? Decision.Allow : null;

        bool Any(Effect effect, PartialClass result) => policies.Exists(p => p.Policy.Effect == effect && p.Class == result);
    }
}
