namespace AuthSidecar.Cedar;

/// <summary>The syntax tree of an expression, as written: <c>!=</c>, <c>&gt;</c> and <c>unless</c> are kept, for they have forms of their
/// own in Cedar's JSON format and in whatever is printed for people.</summary>
internal abstract class Expr(SourceSpan span)
{
    /// <summary>How deep a tree may be. Whoever works on it recurses over it, and a stack overflow would end the process: a level takes a
    /// dozen frames in the parser, up to 3.5 KiB where nothing is optimized, and the smallest stack in use has 1.5 MiB.</summary>
    public const int MaxDepth = 256;

    // In quarters of a level: the links of a chain, such as `a.b.c`, `1 + 2 + 3` and `if … else if …`, are read in a loop, and whoever
    // works on the tree takes a frame or two for each.
    protected const int Level = 4;
    protected const int Link = 1;

    public SourceSpan Span { get; } = span;

    /// <summary>Whether the tree is deeper than it may be.</summary>
    public bool IsTooDeep => Depth > Level * MaxDepth;

    /// <summary>A level more than the deepest part, or a link where it is one.</summary>
    protected int Depth { get; init; } = Level;

    /// <summary>The expressions that this one is made of, in order.</summary>
    public IEnumerable<Expr> Parts() => this switch
    {
        IfExpr e => [e.Condition, e.Then, e.Otherwise],
        LogicExpr e => e.Operands,
        UnaryExpr e => [e.Operand],
        BinaryExpr e => [e.Left, e.Right],
        AttributeExpr e => [e.Target],
        HasExpr e => [e.Target],
        LikeExpr e => [e.Target],
        IsExpr { Group: { } group } e => [e.Target, group],
        IsExpr e => [e.Target],
        SetExpr e => e.Items,
        RecordExpr e => e.Fields.Select(f => f.Value),
        CallExpr e => e.Arguments,
        _ => [],
    };

    /// <summary>The expression and all it is made of, however deep.</summary>
    public IEnumerable<Expr> SelfAndParts()
    {
        var rest = new Stack<Expr>([this]);
        while (rest.TryPop(out var next))
        {
            yield return next;
            foreach (var part in next.Parts().Reverse())
                rest.Push(part);
        }
    }

    protected static int Above(Expr a) => a.Depth + Level;
    protected static int Above(Expr a, Expr b) => Math.Max(a.Depth, b.Depth) + Level;

    /// <summary>Above what a chain goes on from, if it does.</summary>
    protected static int Behind(Expr a, bool isLink) => a.Depth + (isLink ? Link : Level);

    protected static int Above(IReadOnlyList<Expr> parts)
    {
        var deepest = 0;
        for (var i = 0; i < parts.Count; i++)
            deepest = Math.Max(deepest, parts[i].Depth);

        return deepest + Level;
    }
}

internal enum Variable : byte
{
    Principal = 1,
    Action,
    Resource,
    Context,
}

internal enum UnaryOperator : byte
{
    Not = 1,
    Negate,
    IsEmpty,
}

internal enum BinaryOperator : byte
{
    Equal = 1,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Add,
    Subtract,
    Multiply,
    Contains,
    ContainsAll,
    ContainsAny,
    GetTag,
    HasTag,
}

internal sealed class LiteralExpr(Value value, SourceSpan span) : Expr(span)
{
    public Value Value { get; } = value;
}

internal sealed class VariableExpr(Variable variable, SourceSpan span) : Expr(span)
{
    public Variable Variable { get; } = variable;
}

/// <summary><c>?principal</c> or <c>?resource</c>. No condition has one: it stands in the scope, which is written as an expression where
/// the whole of a policy is looked at as one.</summary>
internal sealed class SlotExpr(Variable variable, SourceSpan span) : Expr(span)
{
    public Variable Variable { get; } = variable;
}

/// <summary>An expression that is known to err whenever it is reached; what partial evaluation makes of it.</summary>
internal sealed class ErrorExpr : Expr
{
    public ErrorExpr(Expr erring)
        : base(erring.Span)
    {
        Erring = erring;
        Depth = Above(erring);
    }

    public Expr Erring { get; }
}

/// <summary><c>if … then … else …</c>.</summary>
internal sealed class IfExpr : Expr
{
    public IfExpr(Expr condition, Expr then, Expr otherwise, SourceSpan span)
        : base(span)
    {
        (Condition, Then, Otherwise) = (condition, then, otherwise);
        Depth = Math.Max(Above(condition, then), Behind(otherwise, otherwise is IfExpr));
    }

    public Expr Condition { get; }
    public Expr Then { get; }
    public Expr Otherwise { get; }
}

/// <summary><c>a &amp;&amp; b &amp;&amp; …</c> or <c>a || b || …</c>: two operands or more, kept flat so that long chains are not
/// deep.</summary>
internal sealed class LogicExpr : Expr
{
    public LogicExpr(bool isAnd, IReadOnlyList<Expr> operands, SourceSpan span)
        : base(span)
    {
        (IsAnd, Operands) = (isAnd, operands);
        Depth = Above(operands);
    }

    public bool IsAnd { get; }
    public IReadOnlyList<Expr> Operands { get; }
}

internal sealed class UnaryExpr : Expr
{
    public UnaryExpr(UnaryOperator op, Expr operand, SourceSpan span)
        : base(span)
    {
        (Operator, Operand) = (op, operand);
        Depth = Above(operand);
    }

    public UnaryOperator Operator { get; }
    public Expr Operand { get; }
}

internal sealed class BinaryExpr : Expr
{
    public BinaryExpr(BinaryOperator op, Expr left, Expr right, SourceSpan span)
        : base(span)
    {
        (Operator, Left, Right) = (op, left, right);
        IsLink = IsArithmetic && left is BinaryExpr { IsArithmetic: true } chain
            && (chain.Operator == BinaryOperator.Multiply) == (op == BinaryOperator.Multiply);
        Links = IsLink ? ((BinaryExpr)left).Links + 1 : 0;
        Depth = Math.Max(Behind(left, IsLink), Above(right));
    }

    /// <summary>Whether this goes on with a sum, or with a product, which needs no parentheses to be read so.</summary>
    public bool IsLink { get; }

    /// <summary>How many there are of them, one on the other.</summary>
    public int Links { get; }

    public bool IsArithmetic => Operator is BinaryOperator.Add or BinaryOperator.Subtract or BinaryOperator.Multiply;
    public BinaryOperator Operator { get; }
    public Expr Left { get; }
    public Expr Right { get; }
}

/// <summary><c>e.name</c> or <c>e["name"]</c>.</summary>
internal sealed class AttributeExpr : Expr
{
    public AttributeExpr(Expr target, string name, SourceSpan span)
        : base(span)
    {
        (Target, Name) = (target, name);
        Depth = Behind(target, target is AttributeExpr);
    }

    public Expr Target { get; }
    public string Name { get; }
}

/// <summary><c>e has a.b.c</c>: every step of the path is there; a path of one is the plain <c>has</c>.</summary>
internal sealed class HasExpr : Expr
{
    private Expr[]? _steps;

    public HasExpr(Expr target, IReadOnlyList<string> path, SourceSpan span)
        : base(span)
    {
        (Target, Path) = (target, path);
        // As deep as the attributes that it asks about would be.
        Depth = Above(target) + ((path.Count - 1) * Link);
    }

    public Expr Target { get; }
    public IReadOnlyList<string> Path { get; }

    /// <summary>What <c>a has b.c</c> asks one after the other: <c>a</c> for <c>b</c>, <c>a.b</c> for <c>c</c>.</summary>
    public IReadOnlyList<Expr> Steps => _steps ??= FindSteps();

    private Expr[] FindSteps()
    {
        var steps = new Expr[Path.Count];
        steps[0] = Target;
        for (var i = 1; i < steps.Length; i++)
            steps[i] = new AttributeExpr(steps[i - 1], Path[i - 1], Span);

        return steps;
    }
}

internal sealed class LikeExpr : Expr
{
    public LikeExpr(Expr target, Pattern pattern, SourceSpan span)
        : base(span)
    {
        (Target, Pattern) = (target, pattern);
        Depth = Above(target);
    }

    public Expr Target { get; }
    public Pattern Pattern { get; }
}

/// <summary><c>e is T</c> or <c>e is T in g</c>.</summary>
internal sealed class IsExpr : Expr
{
    public IsExpr(Expr target, string type, Expr? group, SourceSpan span)
        : base(span)
    {
        (Target, Type, Group) = (target, type, group);
        Depth = group is null ? Above(target) : Above(target, group);
    }

    public Expr Target { get; }
    public string Type { get; }
    public Expr? Group { get; }
}

internal sealed class SetExpr : Expr
{
    public SetExpr(IReadOnlyList<Expr> items, SourceSpan span)
        : base(span)
    {
        Items = items;
        Depth = Above(items);
    }

    public IReadOnlyList<Expr> Items { get; }
}

internal sealed class RecordExpr : Expr
{
    public RecordExpr(IReadOnlyList<KeyValuePair<string, Expr>> fields, SourceSpan span)
        : base(span)
    {
        Fields = fields;
        Depth = Above([.. fields.Select(f => f.Value)]);
    }

    public IReadOnlyList<KeyValuePair<string, Expr>> Fields { get; }
}

/// <summary>A call of an extension function, as <c>f(a)</c> or as the method <c>a.f(b)</c>, whose first argument is then
/// <c>a</c>.</summary>
internal sealed class CallExpr : Expr
{
    public CallExpr(ExtensionFunction function, IReadOnlyList<Expr> arguments, SourceSpan span)
        : base(span)
    {
        (Function, Arguments) = (function, arguments);
        Depth = Above(arguments);
    }

    public ExtensionFunction Function { get; }
    public IReadOnlyList<Expr> Arguments { get; }
}
