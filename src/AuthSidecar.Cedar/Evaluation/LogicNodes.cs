namespace AuthSidecar.Cedar;

internal sealed class IfNode(IfExpr source, Node condition, Node then, Node otherwise) : Node(source)
{
    public override Value Evaluate(ref Frame frame) => condition.EvaluateTruth(ref frame) switch
    {
        Truth.True => then.Evaluate(ref frame),
        Truth.False => otherwise.Evaluate(ref frame),
        _ => default,
    };

    public override Truth EvaluateTruth(ref Frame frame) => condition.EvaluateTruth(ref frame) switch
    {
        Truth.True => then.EvaluateTruth(ref frame),
        Truth.False => otherwise.EvaluateTruth(ref frame),
        _ => Truth.Error,
    };
}

/// <summary><c>&amp;&amp;</c> and <c>||</c>: stops at the first operand that decides, or fails.</summary>
internal sealed class LogicNode(Expr source, bool isAnd, Node[] operands) : TruthNode(source)
{
    private readonly Truth _neutral = isAnd ? Truth.True : Truth.False;

    public override Truth EvaluateTruth(ref Frame frame)
    {
        foreach (var operand in operands)
        {
            var truth = operand.EvaluateTruth(ref frame);
            if (truth != _neutral)
            {
                return truth;
            }
        }

        return _neutral;
    }
}

internal sealed class NotNode(Expr source, Node operand) : TruthNode(source)
{
    public override Truth EvaluateTruth(ref Frame frame) => operand.EvaluateTruth(ref frame) switch
    {
        Truth.True => Truth.False,
        Truth.False => Truth.True,
        _ => Truth.Error,
    };
}
