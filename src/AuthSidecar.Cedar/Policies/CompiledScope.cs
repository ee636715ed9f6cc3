namespace AuthSidecar.Cedar;

/// <summary>A policy's scope with its slots filled in.</summary>
internal sealed class CompiledScope(PolicySyntax policy, EntityUid? principalSlot, EntityUid? resourceSlot)
{
    private readonly Test _principal = new(policy.Principal, principalSlot);
    private readonly Test _action = new(policy.Action, null);
    private readonly Test _resource = new(policy.Resource, resourceSlot);

    public bool Matches(in Frame frame) =>
        _principal.Holds(frame.Principal, frame) && _action.Holds(frame.Action, frame) && _resource.Holds(frame.Resource, frame);

    private readonly struct Test(ScopeConstraint constraint, EntityUid? slot)
    {
        private readonly ScopeOperator _operator = constraint.Operator;
        private readonly string? _type = constraint.Type;
        private readonly EntityUid[] _entities = slot is null ? [.. constraint.Entities ?? []] : [slot];

        public bool Holds(EntityUid uid, in Frame frame) => _operator switch
        {
            ScopeOperator.Any => true,
            ScopeOperator.Equal => uid.Equals(_entities[0]),
            ScopeOperator.Is => IsOfType(uid),
            ScopeOperator.In or ScopeOperator.InAny => IsInAny(uid, frame),
            ScopeOperator.IsIn => IsOfType(uid) && IsInAny(uid, frame),
            _ => false,
        };

        private bool IsOfType(EntityUid uid) => string.Equals(uid.Type, _type, StringComparison.Ordinal);

        private bool IsInAny(EntityUid uid, in Frame frame)
        {
            foreach (var group in _entities)
            {
                if (frame.IsMember(uid, group))
                {
                    return true;
                }
            }

            return false;
        }
    }
}
