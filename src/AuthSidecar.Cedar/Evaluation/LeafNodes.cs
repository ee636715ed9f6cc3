namespace AuthSidecar.Cedar;

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
