namespace AuthSidecar.Cedar;

/// <summary><c>e in g</c>, where g is an entity or a set of entities.</summary>
internal sealed class InNode(Expr source, Node member, Node group) : ConditionNode(source)
{
    public override ConditionResult EvaluateCondition(ref Frame frame) =>
        member.TryEvaluate(ref frame, out EntityUid uid) ? EvaluateIn(ref frame, uid, group, Source) : ConditionResult.Error;

    public static ConditionResult EvaluateIn(ref Frame frame, EntityUid uid, Node group, Expr source)
    {
        if (!group.TryEvaluate(ref frame, out Value value))
            return ConditionResult.Error;

        if (value.TryGet(out EntityUid? single))
            return frame.IsMember(uid, single) ? ConditionResult.True : ConditionResult.False;

        return value.TryGet(out ValueSet? set)
            ? EvaluateInAny(ref frame, uid, set, source)
            : frame.FailCondition(Failure.WrongType(source, value, "entity or set of entities"));
    }

    private static ConditionResult EvaluateInAny(ref Frame frame, EntityUid uid, ValueSet set, Expr source)
    {
        // An element that is no entity is an error, even behind a match.
        if (!set.AreEntities)
            return frame.FailCondition(Failure.WrongType(source, set.First(v => v.Kind != ValueKind.Entity), "entity"));

        return Of(set.Contains(uid) || frame.AncestorsOf(uid).Overlaps(set));
    }
}

internal sealed class IsNode(IsExpr source, Node target, Node? group) : ConditionNode(source)
{
    private readonly string _type = source.Type;

    public override ConditionResult EvaluateCondition(ref Frame frame)
    {
        if (!target.TryEvaluate(ref frame, out EntityUid uid))
            return ConditionResult.Error;

        if (!string.Equals(uid.Type, _type, StringComparison.Ordinal))
            return ConditionResult.False;

        return group is null ? ConditionResult.True : InNode.EvaluateIn(ref frame, uid, group, Source);
    }
}

internal sealed class AttributeNode(AttributeExpr source, Node target) : EntityAttributeNode(source)
{
    public override Value Evaluate(ref Frame frame)
    {
        var value = target.Evaluate(ref frame);
        if (value.TryGet(out EntityUid? uid))
        {
            frame.TryGetEntity(uid, out var entity);
            return OfEntity(ref frame, uid, entity);
        }

        if (value.TryGet(out ValueRecord? record))
        {
            return TryGet(record, out var field)
                ? field
                : frame.Fail(new Failure(EvaluationErrorKind.RecordAttributeDoesNotExist, Source.Span, value, Name));
        }

        return FailType(ref frame, value, "entity or record");
    }

}

/// <summary>What attributes of entities have in common.</summary>
internal abstract class EntityAttributeNode(AttributeExpr source) : Node(source)
{
    // Always the same text, but not the same string: see ValueRecord.TryGet.
    private string _name = source.Name;

    protected string Name => _name;
    protected bool TryGet(ValueRecord record, out Value value) => record.TryGet(ref _name, out value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected Value OfEntity(ref Frame frame, EntityUid uid, Entity? entity) =>
        entity is not null && entity.Attributes.TryGet(ref _name, out var attribute) ? attribute : FailMissing(ref frame, uid, entity);

    private Value FailMissing(ref Frame frame, EntityUid uid, Entity? entity) => frame.Fail(entity is null
        ? new Failure(EvaluationErrorKind.EntityDoesNotExist, Source.Span, Value.Of(uid))
        : new Failure(EvaluationErrorKind.EntityAttributeDoesNotExist, Source.Span, Value.Of(uid), _name));
}

/// <summary><c>principal.a</c>, as most conditions begin: nothing has to be looked up, nor its type checked.</summary>
internal sealed class PrincipalAttributeNode(AttributeExpr source) : EntityAttributeNode(source)
{
    public override Value Evaluate(ref Frame frame) => OfEntity(ref frame, frame.Principal, frame.PrincipalEntity);
}

/// <summary><c>resource.a</c>.</summary>
internal sealed class ResourceAttributeNode(AttributeExpr source) : EntityAttributeNode(source)
{
    public override Value Evaluate(ref Frame frame) => OfEntity(ref frame, frame.Resource, frame.ResourceEntity);
}

/// <summary><c>e has a</c> and <c>e has a.b.c</c>: false as soon as a step is missing, an error only where there is nothing to step
/// from.</summary>
internal sealed class HasNode(HasExpr source, Node target) : ConditionNode(source)
{
    private readonly string[] _path = [.. source.Path];

    public override ConditionResult EvaluateCondition(ref Frame frame)
    {
        if (!target.TryEvaluate(ref frame, out Value value))
            return ConditionResult.Error;

        foreach (ref var name in _path.AsSpan())
        {
            ValueRecord attributes;
            if (value.TryGet(out EntityUid? uid))
            {
                if (!frame.TryGetEntity(uid, out var entity))
                    return ConditionResult.False;

                attributes = entity.Attributes;
            }
            else if (value.TryGet(out ValueRecord? record))
            {
                attributes = record;
            }
            else
            {
                return frame.FailCondition(Failure.WrongType(Source, value, "entity or record"));
            }

            if (!attributes.TryGet(ref name, out value))
                return ConditionResult.False;
        }

        return ConditionResult.True;
    }
}

internal sealed class GetTagNode(Expr source, Node target, Node tag) : Node(source)
{
    public override Value Evaluate(ref Frame frame)
    {
        if (!target.TryEvaluate(ref frame, out EntityUid uid) || !tag.TryEvaluate(ref frame, out string name))
            return default;

        if (!frame.TryGetEntity(uid, out var entity))
            return frame.Fail(new Failure(EvaluationErrorKind.EntityDoesNotExist, Source.Span, Value.Of(uid)));

        return entity.Tags.TryGet(name, out var value)
            ? value
            : frame.Fail(new Failure(EvaluationErrorKind.EntityAttributeDoesNotExist, Source.Span, Value.Of(uid), name, Count: 1));
    }
}

internal sealed class HasTagNode(Expr source, Node target, Node tag) : ConditionNode(source)
{
    public override ConditionResult EvaluateCondition(ref Frame frame) =>
        target.TryEvaluate(ref frame, out EntityUid uid) && tag.TryEvaluate(ref frame, out string name)
            ? Of(frame.TryGetEntity(uid, out var entity) && entity.Tags.TryGet(name, out _))
            : ConditionResult.Error;
}
