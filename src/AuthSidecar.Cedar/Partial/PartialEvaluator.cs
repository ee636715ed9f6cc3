namespace AuthSidecar.Cedar;

/// <summary>Evaluates an expression as far as what is known goes: to a literal, to an error, or to what is left of it. That policies are
/// well-typed lets more be folded: <c>true &amp;&amp; e</c> is <c>e</c>, which is known to be a boolean.</summary>
internal sealed class PartialEvaluator(Schema schema, TypeChecker types, EntitySource? entities, PartialRequest request)
{
    // Types of what is left, which the checker knows of the whole expressions only.
    private readonly Dictionary<Expr, CheckedType?> _types = new(ReferenceEqualityComparer.Instance);

    // Asked of the same part at every level around it.
    private readonly Dictionary<Expr, bool> _mayErr = new(ReferenceEqualityComparer.Instance);

    private static readonly EntityUid Unknown = EntityUid.OfCheckedType("Unknown", "");

    public Expr Evaluate(Expr expr) => Remember(expr, Step(expr));

    private Expr Remember(Expr expr, Expr result)
    {
        if (!ReferenceEquals(result, expr) && result is not LiteralExpr)
            _types.TryAdd(result, types.TypeOf(expr));

        return result;
    }

    private Expr Step(Expr expr) => expr switch
    {
        LiteralExpr => expr,
        VariableExpr e => Variable(e),
        IfExpr e => If(e),
        LogicExpr e => Logic(e),
        UnaryExpr e => Apply([e.Operand], o => new UnaryExpr(e.Operator, o[0], e.Span)),
        BinaryExpr { Operator: BinaryOperator.GetTag or BinaryOperator.HasTag or BinaryOperator.In } e =>
            OfEntity(e.Operator, Evaluate(e.Left), Evaluate(e.Right), e.Span),
        BinaryExpr { IsArithmetic: true } e => Arithmetic(e),
        BinaryExpr e => Apply([e.Left, e.Right], o => new BinaryExpr(e.Operator, o[0], o[1], e.Span)),
        AttributeExpr e => Attribute(e),
        HasExpr e => Has(e),
        LikeExpr e => Apply([e.Target], o => new LikeExpr(o[0], e.Pattern, e.Span)),
        IsExpr e => Is(e),
        SetExpr e => Apply(e.Items, o => new SetExpr(o, e.Span)),
        RecordExpr e => Apply([.. e.Fields.Select(f => f.Value)],
            o => new RecordExpr([.. e.Fields.Select((f, i) => KeyValuePair.Create(f.Key, o[i]))], e.Span)),
        CallExpr e => Apply(e.Arguments, o => new CallExpr(e.Function, o, e.Span)),
        _ => throw new InvalidOperationException($"no partial evaluation for {expr.GetType().Name}"),
    };

    private Expr Variable(VariableExpr e)
    {
        Value? known = e.Variable switch
        {
            Cedar.Variable.Principal => request.Principal.Known is { } principal ? Value.Of(principal) : null,
            Cedar.Variable.Action => Value.Of(request.Action),
            Cedar.Variable.Resource => request.Resource.Known is { } resource ? Value.Of(resource) : null,
            _ => request.Context is { } context ? Value.Of(context) : null,
        };
        return known is { } value ? new LiteralExpr(value, e.Span) : e;
    }

    /// <summary>One <c>if</c>, or several with <c>else</c> between them: down to where they end, and back.</summary>
    private Expr If(IfExpr e)
    {
        var open = new Stack<(IfExpr Test, Expr Condition, Expr Then)>();
        Expr result;
        while (true)
        {
            var condition = Evaluate(e.Condition);
            Expr next;
            if (condition is LiteralExpr literal)
            {
                next = literal.Value.IsTrue ? e.Then : e.Otherwise;
            }
            else if (condition is ErrorExpr)
            {
                result = condition;
                break;
            }
            else if (types.TypeOf(e.Condition) == CheckedType.True)
            {
                // A branch that is never taken has no type, and nothing has to stand there.
                result = Remember(e, new IfExpr(condition, Evaluate(e.Then), new LiteralExpr(Value.False, e.Span), e.Span));
                break;
            }
            else
            {
                open.Push((e, condition, types.TypeOf(e.Condition) == CheckedType.False ? new LiteralExpr(Value.False, e.Span)
                    : Evaluate(e.Then)));
                next = e.Otherwise;
            }

            if (next is IfExpr inner)
            {
                e = inner;
                continue;
            }

            result = Evaluate(next);
            break;
        }

        while (open.TryPop(out var outer))
            result = Remember(outer.Test, new IfExpr(outer.Condition, outer.Then, result, outer.Test.Span));

        return result;
    }

    private Expr Logic(LogicExpr e)
    {
        // What is left of the operands so far, side by side: a chain of thousands is not to become as deep.
        var left = new List<Expr> { Evaluate(e.Operands[0]) };
        var mayErr = MayErr(left[0]);
        var decides = e.IsAnd ? CheckedType.False : CheckedType.True;
        for (var i = 1; i < e.Operands.Count; i++)
        {
            // What stands behind an operand that decides by its type alone is never reached, and has no type.
            if ((left is [var only] && (only is ErrorExpr || IsLiteral(only, !e.IsAnd))) || types.TypeOf(e.Operands[i - 1]) == decides)
                break;

            var right = Evaluate(e.Operands[i]);
            if (left is [var first] && IsLiteral(first, e.IsAnd))
            {
                left[0] = right;
                mayErr = MayErr(right);
            }
            else if (IsLiteral(right, !e.IsAnd) && !mayErr)
            {
                left = [right];
            }
            else if (!IsLiteral(right, e.IsAnd))
            {
                left.Add(right);
                mayErr |= MayErr(right);
            }
        }

        return left.Count == 1 ? left[0] : new LogicExpr(e.IsAnd, left, e.Span);
    }

    private static bool IsLiteral(Expr expr, bool truth) => expr is LiteralExpr literal
        && (truth ? literal.Value.IsTrue : literal.Value.IsFalse);

    /// <summary>An operation whose operands are all evaluated: done when they are known, an error when one is.</summary>
    private static Expr Fold(Expr built, IReadOnlyList<Expr> operands, EntitySource? entities)
    {
        if (operands.FirstOrDefault(o => o is ErrorExpr) is { } error)
            return error;

        if (!operands.All(o => o is LiteralExpr))
            return built;

        var walker = new TreeWalker(new Request(Unknown, Unknown, Unknown, ValueRecord.Empty), entities ?? EntityStore.Empty);
        return walker.TryEvaluate(built, out var value, out _) ? new LiteralExpr(value, built.Span) : new ErrorExpr(built);
    }

    private Expr Apply(IReadOnlyList<Expr> parts, Func<List<Expr>, Expr> build)
    {
        var operands = parts.Select(Evaluate).ToList();
        return Fold(build(operands), operands, entities: null);
    }

    // ------------------------------------------------------------------ entities

    /// <summary>An operation on evaluated operands that looks into the entity on its left, which may be unknown.</summary>
    private Expr OfEntity(BinaryOperator @operator, Expr left, Expr right, SourceSpan span)
    {
        var built = new BinaryExpr(@operator, left, right, span);
        var isOpen = left is LiteralExpr literal && literal.Value.TryGet(out EntityUid? uid) && right is LiteralExpr group && !IsKnown(uid)
            && !(@operator == BinaryOperator.In && IsItself(uid, group.Value));
        if (isOpen)
            return built;

        // What a store remembers of its entities is forgotten by what lies over it.
        var isAction = left is LiteralExpr of && of.Value.TryGet(out EntityUid? action) && EntityType.IsAction(action.Type);
        return Fold(built, [left, right], isAction ? new Known(this) : Entities);
    }

    /// <summary>Whether an entity is known; actions are, since they are the schema's.</summary>
    private bool IsKnown(EntityUid uid) => EntityType.IsAction(uid.Type) || (entities is not null && entities.TryGetEntity(uid, out _));

    private static bool IsItself(EntityUid uid, Value group) =>
        group.TryGet(out EntityUid? single) ? single.Equals(uid) : group.TryGet(out ValueSet? set) && set.Contains(Value.Of(uid));

    /// <summary>An attribute of an attribute, and so on: in a loop, since there may be more than the stack has room for.</summary>
    private Expr Attribute(AttributeExpr e)
    {
        var chain = new Stack<AttributeExpr>([e]);
        while (e.Target is AttributeExpr link)
        {
            chain.Push(link);
            e = link;
        }

        var result = Evaluate(e.Target);
        while (chain.TryPop(out var link))
            result = Remember(link, AttributeOf(result, link.Name, link.Span));

        return result;
    }

    /// <summary>A chain of sums and products, from left to right.</summary>
    private Expr Arithmetic(BinaryExpr e)
    {
        var chain = new Stack<BinaryExpr>([e]);
        while (e.Left is BinaryExpr { IsArithmetic: true } link)
        {
            chain.Push(link);
            e = link;
        }

        var result = Evaluate(e.Left);
        while (chain.TryPop(out var link))
        {
            var right = Evaluate(link.Right);
            result = Remember(link, Fold(new BinaryExpr(link.Operator, result, right, link.Span), [result, right], entities: null));
        }

        return result;
    }

    private Expr AttributeOf(Expr target, string name, SourceSpan span)
    {
        var built = new AttributeExpr(target, name, span);
        return target is ErrorExpr ? target : CanBeLookedInto(target) ? Fold(built, [target], new Known(this)) : built;
    }

    /// <summary>As many steps of the path as can be gone; the rest is left, with what it starts from but once.</summary>
    private Expr Has(HasExpr e)
    {
        var target = Evaluate(e.Target);
        for (var i = 0; i < e.Path.Count; i++)
        {
            if (target is ErrorExpr)
                return target;

            if (!CanBeLookedInto(target))
                return new HasExpr(target, [.. e.Path.Skip(i)], e.Span);

            var step = Fold(new HasExpr(target, [e.Path[i]], e.Span), [target], new Known(this));
            if (!IsLiteral(step, truth: true))
                return step;

            target = i + 1 < e.Path.Count ? AttributeOf(target, e.Path[i], e.Span) : target;
        }

        return new LiteralExpr(Value.True, e.Span);
    }

    /// <summary>Whether all of a value is known: it is no entity, or one that is known.</summary>
    private bool CanBeLookedInto(Expr target) => target is LiteralExpr literal
        && (!literal.Value.TryGet(out EntityUid? uid) || IsKnown(uid));

    private Expr Is(IsExpr e)
    {
        var target = Evaluate(e.Target);
        if (target is ErrorExpr)
            return target;

        bool? isOfType = TypeOf(target, e.Target) is CheckedType.Entity { Types: [var type] }
            ? string.Equals(type, e.Type, StringComparison.Ordinal) : null;
        if (isOfType == false && !MayErr(target))
            return new LiteralExpr(Value.False, e.Span);

        if (isOfType == true && !MayErr(target))
            return e.Group is null ? new LiteralExpr(Value.True, e.Span) : OfEntity(BinaryOperator.In, target, Evaluate(e.Group), e.Span);

        var group = e.Group is null ? null : Evaluate(e.Group);
        return group is ErrorExpr && isOfType == true ? group : new IsExpr(target, e.Type, group, e.Span);
    }

    private CheckedType? TypeOf(Expr residual, Expr original) => residual is LiteralExpr literal && literal.Value.TryGet(out EntityUid? uid)
        ? CheckedType.OfEntity(uid.Type)
        : types.TypeOf(original) ?? _types.GetValueOrDefault(residual);

    // ------------------------------------------------------------------ errors

    /// <summary>Whether what is left of a well-typed expression can err.</summary>
    private bool MayErr(Expr expr)
    {
        if (!_mayErr.TryGetValue(expr, out var may))
        {
            _mayErr.Add(expr, may = expr switch
            {
                ErrorExpr or CallExpr or AttributeExpr or UnaryExpr { Operator: UnaryOperator.Negate } => true,
                BinaryExpr
                {
                    Operator: BinaryOperator.Add or BinaryOperator.Subtract or BinaryOperator.Multiply
                    or BinaryOperator.GetTag
                } => true,
                _ => expr.Parts().Any(MayErr),
            });
        }

        return may;
    }

    /// <summary>The entities that are known, and the actions.</summary>
    private sealed class Known(PartialEvaluator evaluator) : EntitySource
    {
        public override bool TryGetEntity(EntityUid uid, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out Entity? entity)
        {
            if (evaluator.ActionEntity(uid) is { } action)
            {
                entity = action;
                return true;
            }

            entity = null;
            return evaluator.Entities?.TryGetEntity(uid, out entity) ?? false;
        }
    }

    private EntitySource? Entities => entities;

    private Entity? ActionEntity(EntityUid uid) => schema.Actions.TryGetValue(uid, out var action)
        ? new Entity(uid, ValueRecord.Empty, ValueRecord.Empty, [.. action.MemberOf])
        : null;
}
