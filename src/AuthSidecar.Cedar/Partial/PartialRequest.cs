namespace AuthSidecar.Cedar;

/// <summary>A principal or a resource of which the type is known, and perhaps no more.</summary>
/// <param name="Type">The entity type.</param>
/// <param name="Id">The id; null: unknown.</param>
public sealed record PartialUid(string Type, string? Id)
{
    /// <summary>One that is known.</summary>
    public static PartialUid Of(EntityUid uid) => new(uid.Type, uid.Id);

    internal EntityUid? Known => Id is null ? null : EntityUid.OfCheckedType(Type, Id);
}

/// <summary>A request of which some is not known yet.</summary>
/// <param name="Principal">Who asks.</param>
/// <param name="Action">What they want to do.</param>
/// <param name="Resource">On what.</param>
/// <param name="Context">What else is known of the request; null: unknown as a whole.</param>
public sealed record PartialRequest(PartialUid Principal, EntityUid Action, PartialUid Resource, ValueRecord? Context);

/// <summary>What is known of how a policy comes out.</summary>
public enum PartialClass
{
    /// <summary>It hangs on what is not known.</summary>
    Residual = 0,

    /// <summary>It is not satisfied, whatever is not known.</summary>
    False,

    /// <summary>It is satisfied, whatever is not known.</summary>
    True,

    /// <summary>It errs, whatever is not known.</summary>
    Error,
}

/// <summary>How a policy comes out of partial evaluation.</summary>
public sealed class PartialPolicy
{
    internal PartialPolicy(Policy policy, PartialClass result, Expr residual) => (Policy, Class, Condition) = (policy, result, residual);

    /// <summary>The policy.</summary>
    public Policy Policy { get; }

    /// <summary>What is known.</summary>
    public PartialClass Class { get; }

    /// <summary>What is left of its scope and conditions, as a Cedar expression: true exactly when the policy is satisfied.</summary>
    public string Residual => PolicyPrinter.Print(Condition);

    internal Expr Condition { get; }
}

/// <summary>The answer to a partial request.</summary>
/// <param name="Decision">The decision, if it does not hang on what is not known.</param>
/// <param name="Policies">Every policy, in the order of the set.</param>
public sealed record PartialResponse(Decision? Decision, IReadOnlyList<PartialPolicy> Policies);
