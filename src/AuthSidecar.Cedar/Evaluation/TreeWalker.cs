namespace AuthSidecar.Cedar;

/// <summary>Cedar's semantics written down as plainly as they can be: an expression, its syntax tree, its value. Not used for decisions,
/// which run on the compiled form; this is what tests hold the compiled form against, and what explanations are made with.</summary>
internal sealed class TreeWalker(Request request, EntitySource entities)
{
    public bool TryEvaluate(Expr expr, out Value value, out Failure failure)
    {
        try
        {
            value = Evaluate(expr);
            failure = default;
            return true;
        }
        catch (EvaluationException e)
        {
            value = default;
            failure = e.Failure;
            return false;
        }
    }

    private Value Evaluate(Expr expr)
    {
        // Chains are gone along in loops: they may have more links than the stack has room for.
        while (expr is IfExpr test)
            expr = Bool(test.Condition) ? test.Then : test.Otherwise;

        return expr switch
        {
            BinaryExpr { IsArithmetic: true } => Arithmetic(expr),
            AttributeExpr => Attributes(expr),
            _ => EvaluateOne(expr),
        };
    }

    private Value EvaluateOne(Expr expr) => expr switch
    {
        LiteralExpr e => e.Value,
        VariableExpr e => e.Variable switch
        {
            Variable.Principal => Value.Of(request.Principal),
            Variable.Action => Value.Of(request.Action),
            Variable.Resource => Value.Of(request.Resource),
            _ => Value.Of(request.Context),
        },
        LogicExpr { IsAnd: true } e => Value.Of(e.Operands.All(Bool)),
        LogicExpr e => Value.Of(e.Operands.Any(Bool)),
        UnaryExpr { Operator: UnaryOperator.Not } e => Value.Of(!Bool(e.Operand)),
        UnaryExpr { Operator: UnaryOperator.Negate } e => Value.Of(Checked(e, "-", () => checked(-Long(e.Operand)))),
        UnaryExpr e => Value.Of(Set(e.Operand).Count == 0),
        BinaryExpr e => Binary(e),
        HasExpr e => Has(e),
        LikeExpr e => Value.Of(e.Pattern.Matches(String(e.Target))),
        IsExpr e => Is(e),
        SetExpr e => Value.Of(ValueSet.Create([.. e.Items.Select(Evaluate)])),
        RecordExpr e => Value.Of(ValueRecord.Create([.. e.Fields.Select(f => KeyValuePair.Create(f.Key, Evaluate(f.Value)))])),
        CallExpr e => Call(e),
        _ => throw new InvalidOperationException($"no semantics for {expr.GetType().Name}"),
    };

    private Value Binary(BinaryExpr e) => e.Operator switch
    {
        BinaryOperator.Equal => Value.Of(Evaluate(e.Left) == Evaluate(e.Right)),
        BinaryOperator.NotEqual => Value.Of(Evaluate(e.Left) != Evaluate(e.Right)),
        BinaryOperator.Less => Value.Of(Compare(e) < 0),
        BinaryOperator.LessOrEqual => Value.Of(Compare(e) <= 0),
        BinaryOperator.Greater => Value.Of(Compare(e) > 0),
        BinaryOperator.GreaterOrEqual => Value.Of(Compare(e) >= 0),
        BinaryOperator.In => Value.Of(In(Entity(e.Left), e.Right)),
        BinaryOperator.Contains => Value.Of(Set(e.Left).Contains(Evaluate(e.Right))),
        BinaryOperator.ContainsAll => Value.Of(Set(e.Left).ContainsAll(Set(e.Right))),
        BinaryOperator.ContainsAny => Value.Of(Set(e.Left).ContainsAny(Set(e.Right))),
        BinaryOperator.GetTag => GetTag(e),
        BinaryOperator.HasTag => HasTag(e),
        _ => throw new InvalidOperationException($"no semantics for {e.Operator}"),
    };

    private int Compare(BinaryExpr e)
    {
        var left = Evaluate(e.Left);
        var right = Evaluate(e.Right);
        if (left.TryGet(out long number))
            return number.CompareTo(Require(right.TryGet(out long other), e.Right, right, "long", other));

        if (left.TryGet(out Instant instant))
            return instant.CompareTo(Require(right.TryGet(out Instant other), e.Right, right, "datetime", other));

        if (left.TryGet(out Duration duration))
            return duration.CompareTo(Require(right.TryGet(out Duration other), e.Right, right, "duration", other));

        throw new EvaluationException(Failure.WrongType(e.Left, left, "long, datetime or duration"));
    }

    private bool In(EntityUid uid, Expr group)
    {
        var value = Evaluate(group);
        if (value.TryGet(out EntityUid? single))
            return IsMember(uid, single);

        if (!value.TryGet(out ValueSet? set))
            throw new EvaluationException(Failure.WrongType(group, value, "entity or set of entities"));

        // Every element is looked at before any is tested: one that is no entity is an error even behind a match.
        return set.Select(item => Require(item.TryGet(out EntityUid? member), group, item, "entity", member!))
            .ToList()
            .Exists(member => IsMember(uid, member));
    }

    private bool IsMember(EntityUid uid, EntityUid group) => entities.IsIn(uid, group);

    private Value Attribute(Expr target, Value value, string name, SourceSpan span)
    {
        if (value.TryGet(out ValueRecord? record))
        {
            return record.TryGet(name, out var field)
                ? field
                : throw new EvaluationException(new Failure(EvaluationErrorKind.RecordAttributeDoesNotExist, span, value, name));
        }

        var uid = Require(value.TryGet(out EntityUid? entityUid), target, value, "entity or record", entityUid!);
        if (!entities.TryGetEntity(uid, out var entity))
            throw new EvaluationException(new Failure(EvaluationErrorKind.EntityDoesNotExist, span, value));

        return entity.Attributes.TryGet(name, out var attribute)
            ? attribute
            : throw new EvaluationException(new Failure(EvaluationErrorKind.EntityAttributeDoesNotExist, span, value, name));
    }

    private Value Has(HasExpr e)
    {
        var value = Evaluate(e.Target);
        for (var i = 0; i < e.Path.Count; i++)
        {
            if (value.TryGet(out ValueRecord? record))
            {
                if (!record.TryGet(e.Path[i], out value))
                    return Value.False;
            }
            else
            {
                var uid = Require(value.TryGet(out EntityUid? entityUid), e.Target, value, "entity or record", entityUid!);
                if (!entities.TryGetEntity(uid, out var entity) || !entity.Attributes.TryGet(e.Path[i], out value))
                    return Value.False;
            }
        }

        return Value.True;
    }

    private Value Is(IsExpr e)
    {
        var uid = Entity(e.Target);
        return Value.Of(string.Equals(uid.Type, e.Type, StringComparison.Ordinal) && (e.Group is null || In(uid, e.Group)));
    }

    private Value GetTag(BinaryExpr e)
    {
        var uid = Entity(e.Left);
        var tag = String(e.Right);
        if (!entities.TryGetEntity(uid, out var entity))
            throw new EvaluationException(new Failure(EvaluationErrorKind.EntityDoesNotExist, e.Span, Value.Of(uid)));

        return entity.Tags.TryGet(tag, out var value)
            ? value
            : throw new EvaluationException(
                new Failure(EvaluationErrorKind.EntityAttributeDoesNotExist, e.Span, Value.Of(uid), tag, Count: 1));
    }

    private Value HasTag(BinaryExpr e)
    {
        var uid = Entity(e.Left);
        var tag = String(e.Right);
        return Value.Of(entities.TryGetEntity(uid, out var entity) && entity.Tags.TryGet(tag, out _));
    }

    private Value Call(CallExpr e)
    {
        var arguments = e.Arguments.Select(Evaluate).ToArray();
        if (!e.Function.TakesCount(arguments.Length))
        {
            throw new EvaluationException(
                new Failure(EvaluationErrorKind.WrongNumberOfArguments, e.Span, Name: e.Function.Name, Count: arguments.Length));
        }

        for (var i = 0; i < arguments.Length; i++)
            Require(arguments[i].Kind == e.Function.KindAt(i), e.Arguments[i], arguments[i], e.Function.KindAt(i).Name(), 0);

        var (value, failure) = e.Function.Apply(arguments);
        return failure is null
            ? value
            : throw new EvaluationException(new Failure(EvaluationErrorKind.ExtensionFunctionFailed, e.Span, Name: failure));
    }

    /// <summary>A chain of sums and products, from left to right.</summary>
    private Value Arithmetic(Expr expr)
    {
        var chain = new Stack<BinaryExpr>();
        while (expr is BinaryExpr { IsArithmetic: true } link)
        {
            chain.Push(link);
            expr = link.Left;
        }

        var result = Long(expr);
        while (chain.TryPop(out var e))
        {
            var (left, right) = (result, Long(e.Right));
            result = e.Operator switch
            {
                BinaryOperator.Add => Checked(e, "+", () => checked(left + right)),
                BinaryOperator.Subtract => Checked(e, "-", () => checked(left - right)),
                _ => Checked(e, "*", () => checked(left * right)),
            };
        }

        return Value.Of(result);
    }

    /// <summary>An attribute of an attribute, and so on.</summary>
    private Value Attributes(Expr expr)
    {
        var chain = new Stack<AttributeExpr>();
        while (expr is AttributeExpr link)
        {
            chain.Push(link);
            expr = link.Target;
        }

        var value = Evaluate(expr);
        while (chain.TryPop(out var e))
            value = Attribute(e.Target, value, e.Name, e.Span);

        return value;
    }

    private static long Checked(Expr e, string name, Func<long> compute)
    {
        try
        {
            return compute();
        }
        catch (OverflowException)
        {
            throw new EvaluationException(new Failure(EvaluationErrorKind.IntegerOverflow, e.Span, Name: name));
        }
    }

    private bool Bool(Expr e)
    {
        var value = Evaluate(e);
        return Require(value.TryGet(out bool result), e, value, "bool", result);
    }

    private long Long(Expr e)
    {
        var value = Evaluate(e);
        return Require(value.TryGet(out long result), e, value, "long", result);
    }

    private string String(Expr e)
    {
        var value = Evaluate(e);
        return Require(value.TryGet(out string? result), e, value, "string", result!);
    }

    private EntityUid Entity(Expr e)
    {
        var value = Evaluate(e);
        return Require(value.TryGet(out EntityUid? result), e, value, "entity", result!);
    }

    private ValueSet Set(Expr e)
    {
        var value = Evaluate(e);
        return Require(value.TryGet(out ValueSet? result), e, value, "set", result!);
    }

    private static T Require<T>(bool holds, Expr operand, Value actual, string expected, T result) =>
        holds ? result : throw new EvaluationException(Failure.WrongType(operand, actual, expected));

    private sealed class EvaluationException(Failure failure) : Exception
    {
        public Failure Failure { get; } = failure;
    }
}
