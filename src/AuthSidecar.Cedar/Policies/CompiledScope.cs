namespace AuthSidecar.Cedar;

/// <summary>A policy's scope with its slots filled in.</summary>
internal sealed class CompiledScope(PolicySyntax policy, EntityUid? principalSlot, EntityUid? resourceSlot)
{
    public ScopeTest Principal { get; } = new(policy.Principal, principalSlot);
    public ScopeTest Action { get; } = new(policy.Action, null);
    public ScopeTest Resource { get; } = new(policy.Resource, resourceSlot);

    /// <summary>Tests the scope as it is written. Decisions ask the <see cref="ScopeIndex"/>, which knows the answer beforehand.</summary>
    public bool Matches(in Frame frame) =>
        Principal.Matches(frame.Principal, frame) && Action.Matches(frame.Action, frame) && Resource.Matches(frame.Resource, frame);
}

/// <summary>What a scope asks of the principal, the action or the resource.</summary>
internal sealed class ScopeTest(ScopeConstraint constraint, EntityUid? slot)
{
    public ScopeOperator Operator { get; } = constraint.Operator;

    /// <summary>The type of <c>is</c>.</summary>
    public string? Type { get; } = constraint.Type;

    /// <summary>The entity compared with, or the several of <c>action in [..]</c>.</summary>
    public EntityUid[] Entities { get; } = slot is null ? [.. constraint.Entities ?? []] : [slot];

    public bool Matches(EntityUid uid, in Frame frame) => Operator switch
    {
        ScopeOperator.Any => true,
        ScopeOperator.Equal => uid.Equals(Entities[0]),
        ScopeOperator.Is => IsOfType(uid),
        ScopeOperator.In or ScopeOperator.InAny => IsInAny(uid, frame),
        ScopeOperator.IsIn => IsOfType(uid) && IsInAny(uid, frame),
        _ => false,
    };

    private bool IsOfType(EntityUid uid) => string.Equals(uid.Type, Type, StringComparison.Ordinal);

    private bool IsInAny(EntityUid uid, in Frame frame)
    {
        foreach (var group in Entities)
        {
            if (frame.IsMember(uid, group))
                return true;
        }

        return false;
    }
}
