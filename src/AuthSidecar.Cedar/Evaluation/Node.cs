using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace AuthSidecar.Cedar;

/// <summary>The three outcomes of a condition. The default is an error, which satisfies nothing.</summary>
internal enum Truth : byte
{
    Error = 0,
    False,
    True,
}

/// <summary>What an evaluation reads, and the failure it leaves behind.</summary>
/// <remarks>Big, and made for every decision: it is filled in where it stands, because a constructor's result would be copied there.</remarks>
internal ref struct Frame
{
    private EntitySource _entities;

    public EntityUid Principal { get; private set; }

    public EntityUid Action { get; private set; }

    public EntityUid Resource { get; private set; }

    public ValueRecord Context { get; private set; }

    // Most of what policies ask is about these: they are looked up once.
    public Entity? PrincipalEntity { get; private set; }

    public Entity? ActionEntity { get; private set; }

    public Entity? ResourceEntity { get; private set; }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Create(in Request request, EntitySource entities, out Frame frame)
    {
        frame = default;
        frame.SetRequest(request, entities);
        frame.PrincipalEntity = entities.Find(request.Principal);
        frame.ActionEntity = entities.Find(request.Action);
        frame.ResourceEntity = entities.Find(request.Resource);
    }

    /// <summary>A frame over the same entities as another: what the two share is not looked up again.</summary>
    public static void Create(in Request request, scoped in Frame last, out Frame frame)
    {
        var entities = last._entities;
        frame = default;
        frame.SetRequest(request, entities);
        frame.PrincipalEntity = ReferenceEquals(request.Principal, last.Principal) ? last.PrincipalEntity : entities.Find(request.Principal);
        frame.ActionEntity = ReferenceEquals(request.Action, last.Action) ? last.ActionEntity : entities.Find(request.Action);
        frame.ResourceEntity = entities.Find(request.Resource);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void SetRequest(in Request request, EntitySource entities)
    {
        (Principal, Action, Resource, Context) = (request.Principal, request.Action, request.Resource, request.Context);
        _entities = entities;
    }

    /// <summary>Set exactly when a node has returned no value.</summary>
    public Failure Failure;

    /// <summary>Notes the failure and returns no value, for the node to return in turn.</summary>
    public Value Fail(in Failure failure)
    {
        Failure = failure;
        return default;
    }

    public Truth FailTruth(in Failure failure)
    {
        Failure = failure;
        return Truth.Error;
    }

    public readonly bool TryGetEntity(EntityUid uid, [NotNullWhen(true)] out Entity? entity)
    {
        if (ReferenceEquals(uid, Principal))
        {
            entity = PrincipalEntity;
        }
        else if (ReferenceEquals(uid, Resource))
        {
            entity = ResourceEntity;
        }
        else if (ReferenceEquals(uid, Action))
        {
            entity = ActionEntity;
        }
        else
        {
            return _entities.TryGetEntity(uid, out entity);
        }

        return entity is not null;
    }

    /// <summary>What an entity is a member of; nothing when there is no such entity.</summary>
    public readonly UidSet AncestorsOf(EntityUid uid) => TryGetEntity(uid, out var entity) ? _entities.AncestorsOf(entity) : UidSet.Empty;

    public readonly bool IsMember(EntityUid uid, EntityUid group) =>
        uid.Equals(group) || (TryGetEntity(uid, out var entity) && _entities.AncestorsOf(entity).Contains(group));
}

/// <summary>
/// A compiled expression. Nodes are immutable and shared by all threads; evaluating allocates nothing but the sets and records that
/// the expression itself builds. No value (<see cref="Value.IsNone"/>) means that the frame holds the failure.
/// </summary>
internal abstract class Node(Expr source)
{
    /// <summary>The expression this was compiled from; its span is where a failure happened.</summary>
    protected Expr Source { get; } = source;

    public abstract Value Evaluate(ref Frame frame);

    /// <summary>The value as a condition: anything but a boolean is a failure.</summary>
    public virtual Truth EvaluateTruth(ref Frame frame)
    {
        var value = Evaluate(ref frame);
        if (value.IsTrue)
        {
            return Truth.True;
        }

        if (value.IsFalse)
        {
            return Truth.False;
        }

        return value.IsNone ? Truth.Error : frame.FailTruth(Failure.WrongType(Source, value, "bool"));
    }

    protected Value FailType(ref Frame frame, Value actual, string expected) =>
        actual.IsNone ? default : frame.Fail(Failure.WrongType(Source, actual, expected));

    /// <summary>Evaluates to a kind of value, or leaves the failure: the child's own, or that it is of another kind.</summary>
    public bool TryEvaluate(ref Frame frame, out EntityUid uid)
    {
        var value = Evaluate(ref frame);
        if (value.TryGet(out EntityUid? found))
        {
            uid = found;
            return true;
        }

        uid = null!;
        FailType(ref frame, value, "entity");
        return false;
    }

    public bool TryEvaluate(ref Frame frame, out string text)
    {
        var value = Evaluate(ref frame);
        if (value.TryGet(out string? found))
        {
            text = found;
            return true;
        }

        text = null!;
        FailType(ref frame, value, "string");
        return false;
    }

    public bool TryEvaluate(ref Frame frame, out long number)
    {
        var value = Evaluate(ref frame);
        if (value.TryGet(out number))
        {
            return true;
        }

        FailType(ref frame, value, "long");
        return false;
    }

    public bool TryEvaluate(ref Frame frame, out ValueSet set)
    {
        var value = Evaluate(ref frame);
        if (value.TryGet(out ValueSet? found))
        {
            set = found;
            return true;
        }

        set = null!;
        FailType(ref frame, value, "set");
        return false;
    }

    public bool TryEvaluate(ref Frame frame, out Value value)
    {
        value = Evaluate(ref frame);
        return !value.IsNone;
    }
}

/// <summary>A node whose value is a boolean: it answers as a condition, without the detour over a value.</summary>
internal abstract class TruthNode(Expr source) : Node(source)
{
    public abstract override Truth EvaluateTruth(ref Frame frame);

    public sealed override Value Evaluate(ref Frame frame) => EvaluateTruth(ref frame) switch
    {
        Truth.True => Value.True,
        Truth.False => Value.False,
        _ => default,
    };

    protected static Truth Of(bool value) => value ? Truth.True : Truth.False;
}

internal sealed class ConstantNode(Expr source, Value value) : Node(source)
{
    public Value Value => value;

    public override Value Evaluate(ref Frame frame) => value;
}

/// <summary>An expression known to fail, such as <c>ip("x")</c>; it fails when it is reached, and not before.</summary>
internal sealed class FailingNode(Expr source, Failure failure) : Node(source)
{
    public Failure Failure => failure;

    public override Value Evaluate(ref Frame frame) => frame.Fail(failure);
}

internal sealed class PrincipalNode(Expr source) : Node(source)
{
    public override Value Evaluate(ref Frame frame) => Value.Of(frame.Principal);
}

internal sealed class ActionNode(Expr source) : Node(source)
{
    public override Value Evaluate(ref Frame frame) => Value.Of(frame.Action);
}

internal sealed class ResourceNode(Expr source) : Node(source)
{
    public override Value Evaluate(ref Frame frame) => Value.Of(frame.Resource);
}

internal sealed class ContextNode(Expr source) : Node(source)
{
    public override Value Evaluate(ref Frame frame) => Value.Of(frame.Context);
}
