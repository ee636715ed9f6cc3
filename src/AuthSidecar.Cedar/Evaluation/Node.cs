namespace AuthSidecar.Cedar;

/// <summary>A compiled expression. Nodes are immutable and shared by all threads; evaluating allocates nothing but the sets and records
/// that the expression itself builds. No value (<see cref="Value.IsNone"/>) means that the frame holds the failure.</summary>
internal abstract class Node(Expr source)
{
    /// <summary>The expression this was compiled from; its span is where a failure happened.</summary>
    protected Expr Source { get; } = source;

    public abstract Value Evaluate(ref Frame frame);

    /// <summary>The value as a condition: anything but a boolean is a failure.</summary>
    public virtual ConditionResult EvaluateCondition(ref Frame frame)
    {
        var value = Evaluate(ref frame);
        if (value.IsTrue)
            return ConditionResult.True;

        if (value.IsFalse)
            return ConditionResult.False;

        return value.IsNone ? ConditionResult.Error : frame.FailCondition(Failure.WrongType(Source, value, "bool"));
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
            return true;

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
internal abstract class ConditionNode(Expr source) : Node(source)
{
    public abstract override ConditionResult EvaluateCondition(ref Frame frame);

    public sealed override Value Evaluate(ref Frame frame) => EvaluateCondition(ref frame) switch
    {
        ConditionResult.True => Value.True,
        ConditionResult.False => Value.False,
        _ => default,
    };

    protected static ConditionResult Of(bool value) => value ? ConditionResult.True : ConditionResult.False;
}
