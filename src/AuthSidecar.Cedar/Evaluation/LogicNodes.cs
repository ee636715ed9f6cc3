namespace AuthSidecar.Cedar;

internal sealed class IfNode(IfExpr source, Node condition, Node then, Node otherwise) : Node(source)
{
    public override Value Evaluate(ref Frame frame) => condition.EvaluateCondition(ref frame) switch
    {
        ConditionResult.True => then.Evaluate(ref frame),
        ConditionResult.False => otherwise.Evaluate(ref frame),
        _ => default,
    };

    public override ConditionResult EvaluateCondition(ref Frame frame) => condition.EvaluateCondition(ref frame) switch
    {
        ConditionResult.True => then.EvaluateCondition(ref frame),
        ConditionResult.False => otherwise.EvaluateCondition(ref frame),
        _ => ConditionResult.Error,
    };
}

/// <summary><c>&amp;&amp;</c> and <c>||</c>: stops at the first operand that decides, or fails.</summary>
internal sealed class LogicNode(Expr source, bool isAnd, Node[] operands) : ConditionNode(source)
{
    private readonly ConditionResult _neutral = isAnd ? ConditionResult.True : ConditionResult.False;

    public override ConditionResult EvaluateCondition(ref Frame frame)
    {
        foreach (var operand in operands)
        {
            var truth = operand.EvaluateCondition(ref frame);
            if (truth != _neutral)
                return truth;
        }

        return _neutral;
    }
}

internal sealed class NotNode(Expr source, Node operand) : ConditionNode(source)
{
    public override ConditionResult EvaluateCondition(ref Frame frame) => operand.EvaluateCondition(ref frame) switch
    {
        ConditionResult.True => ConditionResult.False,
        ConditionResult.False => ConditionResult.True,
        _ => ConditionResult.Error,
    };
}
