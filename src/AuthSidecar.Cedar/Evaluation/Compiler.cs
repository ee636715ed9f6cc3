namespace AuthSidecar.Cedar;

/// <summary>Turns a syntax tree into nodes, once, when a policy is loaded. What needs no request is evaluated here: <c>ip("10.0.0.0/8")</c>
/// becomes a constant, and <c>ip("x")</c> a node that fails when it is reached.</summary>
internal static class Compiler
{
    private static readonly Request NoRequest =
        new(new EntityUid("None", ""), new EntityUid("None", ""), new EntityUid("None", ""), ValueRecord.Empty);

    /// <summary>All conditions of a policy, as one that holds when they are met; null where there is none.</summary>
    public static Node? Compile(IReadOnlyList<Condition> conditions)
    {
        var nodes = new Node[conditions.Count];
        for (var i = 0; i < nodes.Length; i++)
        {
            var (body, isUnless) = (conditions[i].Body, conditions[i].IsUnless);
            nodes[i] = isUnless ? new NotNode(body, Compile(body)) : Compile(body);
        }

        return nodes.Length switch
        {
            0 => null,
            1 => nodes[0],
            _ => new LogicNode(conditions[0].Body, isAnd: true, nodes),
        };
    }

    public static Node Compile(Expr expr) => expr switch
    {
        LiteralExpr e => new ConstantNode(e, e.Value),
        VariableExpr e => e.Variable switch
        {
            Variable.Principal => new PrincipalNode(e),
            Variable.Action => new ActionNode(e),
            Variable.Resource => new ResourceNode(e),
            _ => new ContextNode(e),
        },
        IfExpr e => new IfNode(e, Compile(e.Condition), Compile(e.Then), Compile(e.Otherwise)),
        LogicExpr e => new LogicNode(e, e.IsAnd, Compile(e.Operands)),
        UnaryExpr e => Unary(e, Compile(e.Operand)),
        BinaryExpr e => Binary(e, Compile(e.Left), Compile(e.Right)),
        AttributeExpr { Target: VariableExpr { Variable: Variable.Principal } } e => new PrincipalAttributeNode(e),
        AttributeExpr { Target: VariableExpr { Variable: Variable.Resource } } e => new ResourceAttributeNode(e),
        AttributeExpr e => new AttributeNode(e, Compile(e.Target)),
        HasExpr e => new HasNode(e, Compile(e.Target)),
        LikeExpr e => Like(e, Compile(e.Target)),
        IsExpr e => new IsNode(e, Compile(e.Target), e.Group is null ? null : Compile(e.Group)),
        SetExpr e => Set(e, Compile(e.Items)),
        RecordExpr e => Record(e, [.. e.Fields.Select(f => KeyValuePair.Create(f.Key, Compile(f.Value)))]),
        CallExpr e => Call(e),
        _ => throw new InvalidOperationException($"no node for {expr.GetType().Name}"),
    };

    /// <summary>The value of an expression that needs no request; none, and a fault, for any other.</summary>
    public static Value EvaluateConstant(SourceText source, Expr expr, List<Fault> faults)
    {
        switch (Compile(expr))
        {
            case ConstantNode constant: return constant.Value;
            case FailingNode failing:
                var error = failing.Failure.ToError();
                faults.Add(Fault.At(source, error.Span.Start, error.Message));
                return default;
            default:
                faults.Add(Fault.At(source, expr.Span.Start, "not a constant expression",
                    "variables and entity memberships have values in a request only"));
                return default;
        }
    }

    private static Node[] Compile(IReadOnlyList<Expr> exprs)
    {
        var nodes = new Node[exprs.Count];
        for (var i = 0; i < nodes.Length; i++)
            nodes[i] = Compile(exprs[i]);

        return nodes;
    }

    private static Node Unary(UnaryExpr e, Node operand)
    {
        Node node = e.Operator switch
        {
            UnaryOperator.Not => new NotNode(e, operand),
            UnaryOperator.Negate => new NegateNode(e, operand),
            _ => new IsEmptyNode(e, operand),
        };
        return Folded(node, e, operand);
    }

    private static Node Binary(BinaryExpr e, Node left, Node right) => e.Operator switch
    {
        BinaryOperator.Equal => Folded(new EqualNode(e, left, right, isNegated: false), e, left, right),
        BinaryOperator.NotEqual => Folded(new EqualNode(e, left, right, isNegated: true), e, left, right),
        BinaryOperator.Less or BinaryOperator.LessOrEqual or BinaryOperator.Greater or BinaryOperator.GreaterOrEqual =>
            Folded(new OrderNode(e, left, right), e, left, right),
        // Membership is the entities' business, even between two literals: never folded.
        BinaryOperator.In => new InNode(e, left, right),
        BinaryOperator.Add or BinaryOperator.Subtract or BinaryOperator.Multiply =>
            Folded(new ArithmeticNode(e, left, right), e, left, right),
        BinaryOperator.Contains => Folded(new ContainsNode(e, left, right), e, left, right),
        BinaryOperator.ContainsAll or BinaryOperator.ContainsAny => Folded(new ContainsManyNode(e, left, right), e, left, right),
        BinaryOperator.GetTag => new GetTagNode(e, left, right),
        BinaryOperator.HasTag => new HasTagNode(e, left, right),
        _ => throw new InvalidOperationException($"no node for {e.Operator}"),
    };

    private static Node Call(CallExpr e)
    {
        var arguments = Compile(e.Arguments);
        if (e.Function.TakesCount(arguments.Length))
        {
            Node call = arguments.Length > 2
                ? new VariadicCallNode(e, arguments)
                : new CallNode(e, arguments[0], arguments.Length > 1 ? arguments[1] : null);
            return Folded(call, e, arguments);
        }

        // The arguments come first: one that fails is reported in place of their number.
        var failure = new FailingNode(
            e, new Failure(EvaluationErrorKind.WrongNumberOfArguments, e.Span, Name: e.Function.Name, Count: arguments.Length));
        return arguments.Length == 0 ? failure : new SequenceNode(e, [.. arguments, failure]);
    }

    private static Node Like(LikeExpr e, Node target) => Folded(new LikeNode(e, target), e, target);
    private static Node Set(SetExpr e, Node[] items) => Folded(new SetNode(e, items), e, items);

    private static Node Record(RecordExpr e, KeyValuePair<string, Node>[] fields) =>
        Folded(new RecordNode(e, fields), e, [.. fields.Select(f => f.Value)]);

    /// <summary>The node, or its value where all parts are constants.</summary>
    private static Node Folded(Node node, Expr e, params ReadOnlySpan<Node> parts)
    {
        foreach (var part in parts)
        {
            if (part is not ConstantNode)
                return node;
        }

        Frame.Create(NoRequest, EntityStore.Empty, out var frame);
        var value = node.Evaluate(ref frame);
        return value.IsNone ? new FailingNode(e, frame.Failure) : new ConstantNode(e, value);
    }

    /// <summary>Evaluates each part for its failure; the last one always fails.</summary>
    private sealed class SequenceNode(Expr source, Node[] parts) : Node(source)
    {
        public override Value Evaluate(ref Frame frame)
        {
            Value value = default;
            foreach (var part in parts)
            {
                if (!part.TryEvaluate(ref frame, out value))
                    return default;
            }

            return value;
        }
    }
}
