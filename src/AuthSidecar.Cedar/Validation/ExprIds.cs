namespace AuthSidecar.Cedar;

/// <summary>Numbers for expressions: the same for two that are written the same. What it takes is in proportion to what is asked
/// about.</summary>
/// <remarks>Not safe to share between threads.</remarks>
internal sealed class ExprIds
{
    private readonly Dictionary<Expr, int> _ofExprs = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<object, int> _ofAtoms = [];
    private readonly Dictionary<(int First, int Second), int> _ofPairs = [];
    private int _last;

    /// <summary>The number of an attribute of what an expression stands for.</summary>
    public int OfAttribute(Expr target, string name) => Pair(Pair(Atom(typeof(AttributeExpr)), Of(target)), Atom(name));

    /// <summary>The number of a tag of what an expression stands for.</summary>
    public int OfTag(Expr target, Expr tag) => Pair(Pair(Atom(BinaryOperator.GetTag), Of(target)), Of(tag));

    private int Of(Expr expr)
    {
        if (_ofExprs.TryGetValue(expr, out var known))
            return known;

        var id = Atom(expr.GetType());
        switch (expr)
        {
            case LiteralExpr e: id = Pair(id, Atom(e.Value)); break;
            case VariableExpr e: id = Pair(id, Atom(e.Variable)); break;
            case SlotExpr e: id = Pair(id, Atom(e.Variable)); break;
            case LogicExpr e: id = Pair(id, Atom(e.IsAnd)); break;
            case UnaryExpr e: id = Pair(id, Atom(e.Operator)); break;
            case BinaryExpr e: id = Pair(id, Atom(e.Operator)); break;
            case AttributeExpr e: id = Pair(id, Atom(e.Name)); break;
            case LikeExpr e: id = Pair(id, Atom(e.Pattern)); break;
            case IsExpr e: id = Pair(id, Atom(e.Type)); break;
            case CallExpr e: id = Pair(id, Atom(e.Function)); break;
            case HasExpr e: id = e.Path.Aggregate(id, (path, name) => Pair(path, Atom(name))); break;
            case RecordExpr e: id = e.Fields.Aggregate(id, (fields, field) => Pair(fields, Atom(field.Key))); break;
        }

        foreach (var part in expr.Parts())
            id = Pair(id, Of(part));

        _ofExprs.Add(expr, id);
        return id;
    }

    private int Atom(object atom)
    {
        if (!_ofAtoms.TryGetValue(atom, out var id))
            _ofAtoms.Add(atom, id = ++_last);

        return id;
    }

    private int Pair(int first, int second)
    {
        if (!_ofPairs.TryGetValue((first, second), out var id))
            _ofPairs.Add((first, second), id = ++_last);

        return id;
    }
}
