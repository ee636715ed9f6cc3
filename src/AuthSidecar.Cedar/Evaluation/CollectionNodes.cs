namespace AuthSidecar.Cedar;

internal sealed class SetNode(Expr source, Node[] items) : Node(source)
{
    public override Value Evaluate(ref Frame frame)
    {
        var values = new Value[items.Length];
        for (var i = 0; i < items.Length; i++)
        {
            if (!items[i].TryEvaluate(ref frame, out values[i]))
                return default;
        }

        return Value.Of(ValueSet.Create(values));
    }
}

internal sealed class RecordNode(Expr source, KeyValuePair<string, Node>[] fields) : Node(source)
{
    public override Value Evaluate(ref Frame frame)
    {
        var values = new KeyValuePair<string, Value>[fields.Length];
        for (var i = 0; i < fields.Length; i++)
        {
            if (!fields[i].Value.TryEvaluate(ref frame, out Value value))
                return default;

            values[i] = new(fields[i].Key, value);
        }

        return Value.Of(ValueRecord.Create(values));
    }
}

internal sealed class ContainsNode(Expr source, Node set, Node item) : ConditionNode(source)
{
    public override ConditionResult EvaluateCondition(ref Frame frame) =>
        set.TryEvaluate(ref frame, out ValueSet s) && item.TryEvaluate(ref frame, out Value value) ? Of(s.Contains(value))
            : ConditionResult.Error;
}

internal sealed class ContainsManyNode(BinaryExpr source, Node set, Node items) : ConditionNode(source)
{
    private readonly bool _all = source.Operator == BinaryOperator.ContainsAll;

    public override ConditionResult EvaluateCondition(ref Frame frame) =>
        set.TryEvaluate(ref frame, out ValueSet a) && items.TryEvaluate(ref frame, out ValueSet b)
            ? Of(_all ? a.ContainsAll(b) : a.ContainsAny(b))
            : ConditionResult.Error;
}

internal sealed class IsEmptyNode(Expr source, Node set) : ConditionNode(source)
{
    public override ConditionResult EvaluateCondition(ref Frame frame) =>
        set.TryEvaluate(ref frame, out ValueSet s) ? Of(s.Count == 0) : ConditionResult.Error;
}

/// <summary>A call of an extension function with one or two arguments, as many as it takes.</summary>
internal sealed class CallNode(CallExpr source, Node first, Node? second) : Node(source)
{
    private readonly ExtensionFunction _function = source.Function;

    public override Value Evaluate(ref Frame frame)
    {
        if (!first.TryEvaluate(ref frame, out Value a))
            return default;

        Value b = default;
        if (second is not null && !second.TryEvaluate(ref frame, out b))
            return default;

        if (a.Kind != _function.Parameters[0])
            return frame.Fail(Failure.WrongType(source.Arguments[0], a, _function.Parameters[0].Name()));

        if (second is not null && b.Kind != _function.Parameters[1])
            return frame.Fail(Failure.WrongType(source.Arguments[1], b, _function.Parameters[1].Name()));

        var (value, failure) = _function.Apply(a, b);
        return failure is null
            ? value
            : frame.Fail(new Failure(EvaluationErrorKind.ExtensionFunctionFailed, Source.Span, Name: failure));
    }
}

/// <summary>A call of a variadic extension function with three or more arguments.</summary>
internal sealed class VariadicCallNode(CallExpr source, Node[] arguments) : Node(source)
{
    private readonly ExtensionFunction _function = source.Function;

    public override Value Evaluate(ref Frame frame)
    {
        // An argument that errs is reported before one of the wrong type, wherever it stands.
        Value first = default;
        Value wrong = default;
        var wrongAt = -1;
        ExtensionFunction.Result result = default;
        for (var i = 0; i < arguments.Length; i++)
        {
            if (!arguments[i].TryEvaluate(ref frame, out Value value))
                return default;

            if (i == 0)
                first = value;

            if (wrongAt < 0 && value.Kind != _function.KindAt(i))
                (wrong, wrongAt) = (value, i);

            if (i > 0 && wrongAt < 0 && result.Failure is null && !result.Value.IsTrue)
                result = _function.Apply(first, value);
        }

        if (wrongAt >= 0)
            return frame.Fail(Failure.WrongType(source.Arguments[wrongAt], wrong, _function.KindAt(wrongAt).Name()));

        return result.Failure is { } failure
            ? frame.Fail(new Failure(EvaluationErrorKind.ExtensionFunctionFailed, Source.Span, Name: failure))
            : result.Value;
    }
}
