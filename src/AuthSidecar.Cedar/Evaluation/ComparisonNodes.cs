namespace AuthSidecar.Cedar;

internal sealed class EqualNode(Expr source, Node left, Node right, bool isNegated) : ConditionNode(source)
{
    public override ConditionResult EvaluateCondition(ref Frame frame) =>
        left.TryEvaluate(ref frame, out Value a) && right.TryEvaluate(ref frame, out Value b) ? Of((a == b) != isNegated)
            : ConditionResult.Error;
}

/// <summary><c>&lt; &lt;= &gt; &gt;=</c> over Long, datetime or duration, the same on both sides.</summary>
internal sealed class OrderNode(BinaryExpr source, Node left, Node right) : ConditionNode(source)
{
    private readonly BinaryOperator _operator = source.Operator;

    public override ConditionResult EvaluateCondition(ref Frame frame)
    {
        if (!left.TryEvaluate(ref frame, out Value a) || !right.TryEvaluate(ref frame, out Value b))
            return ConditionResult.Error;

        var expected = source.Right;
        if (a.TryGet(out long number))
            return b.TryGet(out long other) ? Compare(number, other) : frame.FailCondition(Failure.WrongType(expected, b, "long"));

        if (a.TryGet(out Instant instant))
        {
            return b.TryGet(out Instant other)
                ? Compare(instant.UnixMs, other.UnixMs)
                : frame.FailCondition(Failure.WrongType(expected, b, "datetime"));
        }

        if (a.TryGet(out Duration duration))
        {
            return b.TryGet(out Duration other)
                ? Compare(duration.TotalMs, other.TotalMs)
                : frame.FailCondition(Failure.WrongType(expected, b, "duration"));
        }

        return frame.FailCondition(Failure.WrongType(source.Left, a, "long, datetime or duration"));
    }

    private ConditionResult Compare(long a, long b) => Of(_operator switch
    {
        BinaryOperator.Less => a < b,
        BinaryOperator.LessOrEqual => a <= b,
        BinaryOperator.Greater => a > b,
        _ => a >= b,
    });
}

internal sealed class LikeNode(LikeExpr source, Node target) : ConditionNode(source)
{
    private readonly Pattern _pattern = source.Pattern;

    public override ConditionResult EvaluateCondition(ref Frame frame) =>
        target.TryEvaluate(ref frame, out string text) ? Of(_pattern.Matches(text)) : ConditionResult.Error;
}

internal sealed class ArithmeticNode(BinaryExpr source, Node left, Node right) : Node(source)
{
    private readonly BinaryOperator _operator = source.Operator;

    public override Value Evaluate(ref Frame frame)
    {
        if (!left.TryEvaluate(ref frame, out long a) || !right.TryEvaluate(ref frame, out long b))
            return default;

        switch (_operator)
        {
            case BinaryOperator.Add: return Overflow.Add(a, b) ? FailOverflow(ref frame, "+") : Value.Of(unchecked(a + b));
            case BinaryOperator.Subtract: return Overflow.Subtract(a, b) ? FailOverflow(ref frame, "-") : Value.Of(unchecked(a - b));
            default:
                var high = Math.BigMul(a, b, out var low);
                return high == low >> 63 ? Value.Of(low) : FailOverflow(ref frame, "*");
        }
    }

    private Value FailOverflow(ref Frame frame, string name) =>
        frame.Fail(new Failure(EvaluationErrorKind.IntegerOverflow, Source.Span, Name: name));
}

internal sealed class NegateNode(Expr source, Node operand) : Node(source)
{
    public override Value Evaluate(ref Frame frame)
    {
        if (!operand.TryEvaluate(ref frame, out long number))
            return default;

        return number == long.MinValue
            ? frame.Fail(new Failure(EvaluationErrorKind.IntegerOverflow, Source.Span, Name: "-"))
            : Value.Of(-number);
    }
}
