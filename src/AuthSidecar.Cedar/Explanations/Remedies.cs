namespace AuthSidecar.Cedar;

/// <summary>What were otherwise for expressions to come out as they are wanted, in words. What is as it is wanted is passed over.</summary>
internal sealed class Remedies(TreeWalker walker)
{
    private const string Alternative = ", or ";

    /// <summary>What would make all of them come out as wanted; null when nothing would.</summary>
    public string? ForAll(IReadOnlyList<(Expr Expr, bool Wanted)> wishes)
    {
        var clauses = new List<string>();
        foreach (var (expr, wanted) in wishes)
        {
            if (IsAs(expr, wanted))
                continue;

            if (For(expr, wanted) is not { } clause)
                return null;

            if (!clauses.Contains(clause))
                clauses.Add(clause);
        }

        return Join(clauses.Count == 1 ? clauses
            : clauses.ConvertAll(c => c.Contains(Alternative, StringComparison.Ordinal) ? $"({c})" : c), " and ");
    }

    /// <summary>What would make one of them come out as wanted; null when nothing would.</summary>
    public string? ForAny(IReadOnlyList<(Expr Expr, bool Wanted)> wishes) =>
        Join([.. wishes.Select(w => For(w.Expr, w.Wanted)).OfType<string>().Distinct()], Alternative);

    private string? For(Expr expr, bool wanted) => expr switch
    {
        // Nothing that is asked about changes a literal.
        LiteralExpr => null,
        UnaryExpr { Operator: UnaryOperator.Not } e => For(e.Operand, !wanted),
        LogicExpr e when e.IsAnd == wanted => ForAll([.. e.Operands.Select(o => (o, wanted))]),
        LogicExpr e => ForAny([.. e.Operands.Select(o => (o, wanted))]),
        IfExpr e when walker.TryEvaluate(e.Condition, out var condition, out _) && condition.TryGet(out bool isThen) =>
            For(isThen ? e.Then : e.Otherwise, wanted),
        BinaryExpr { Operator: BinaryOperator.Equal } e => Equality(e, wanted),
        BinaryExpr { Operator: BinaryOperator.NotEqual } e => Equality(e, !wanted),
        BinaryExpr { Operator: BinaryOperator.In } e => $"`{Print(e.Left)}` were {(wanted ? "in" : "outside of")} `{Shown(e.Right)}`",
        IsExpr { Group: null } e => $"`{Print(e.Target)}` were {(wanted ? "a" : "no")} `{e.Type}`",
        HasExpr e => $"`{Print(e.Target)}` had {(wanted ? "an" : "no")} attribute `{string.Join('.', e.Path)}`",
        BinaryExpr { Operator: BinaryOperator.HasTag } e => $"`{Print(e.Left)}` had {(wanted ? "a" : "no")} tag `{Shown(e.Right)}`",
        _ => $"`{Print(expr)}` were {(wanted ? "true" : "false")}",
    };

    private string? Equality(BinaryExpr e, bool wanted)
    {
        // What can be told of is what is asked about; the other side is what it is compared with.
        var (asked, other) = e.Left is LiteralExpr ? (e.Right, e.Left) : (e.Left, e.Right);
        return asked is LiteralExpr ? null : $"`{Print(asked)}` were {(wanted ? "" : "other than ")}`{Shown(other)}`";
    }

    private bool IsAs(Expr expr, bool wanted) => walker.TryEvaluate(expr, out var value, out _) && value.TryGet(out bool truth)
        && truth == wanted;

    /// <summary>The value where there is one, since that is what one would have to make do with; else the expression.</summary>
    private string Shown(Expr expr) => walker.TryEvaluate(expr, out var value, out _) ? value.ToString() : Print(expr);

    private static string Print(Expr expr) => PolicyPrinter.Print(expr);
    private static string? Join(List<string> clauses, string separator) => clauses.Count == 0 ? null : string.Join(separator, clauses);
}
