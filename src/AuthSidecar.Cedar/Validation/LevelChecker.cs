namespace AuthSidecar.Cedar;

/// <summary>Counts how many entities in a row an expression looks into (Cedar's RFC 76): <c>principal</c> by itself is 0,
/// <c>principal.boss</c> 1, <c>principal.boss.name</c> 2. Whoever fetches entities for a request has to fetch that deep and no
/// deeper.</summary>
/// <param name="types">The checker that has given the expression types.</param>
internal sealed class LevelChecker(TypeChecker types)
{
    /// <summary>The level of what can never be allowed: an entity that is named in the policy is looked into, which no request leads
    /// to.</summary>
    public const int Unbounded = int.MaxValue / 2;

    // An expression may be asked about more than once: the steps of a path all start from the same one.
    private readonly Dictionary<Expr, int> _levels = new(ReferenceEqualityComparer.Instance);

    /// <summary>The level that an expression needs.</summary>
    public int LevelOf(Expr expr)
    {
        // What has no type is never reached.
        if (types.TypeOf(expr) is null)
            return 0;

        if (!_levels.TryGetValue(expr, out var level))
            _levels.Add(expr, level = FindLevelOf(expr));

        return level;
    }

    private int FindLevelOf(Expr expr)
    {
        return expr switch
        {
            BinaryExpr { Operator: BinaryOperator.In or BinaryOperator.GetTag or BinaryOperator.HasTag } e => Math.Max(LevelInto(e.Left),
                LevelOf(e.Right)),
            AttributeExpr e => types.TypeOf(e.Target) is CheckedType.Entity ? LevelInto(e.Target) : LevelOf(e.Target),
            HasExpr e => LevelOfLast(e.Steps),
            BinaryExpr { IsArithmetic: true } e => LevelOfChain(e),
            IfExpr e => LevelOfChain(e),
            IsExpr { Group: { } group } e when types.TypeOf(group) is not null => Math.Max(LevelInto(e.Target), LevelOf(group)),
            _ => expr.Parts().Select(LevelOf).DefaultIfEmpty(0).Max(),
        };
    }

    private int LevelOfChain(BinaryExpr e)
    {
        var level = LevelOf(e.Right);
        while (e.Left is BinaryExpr { IsArithmetic: true } link)
        {
            level = Math.Max(level, LevelOf(link.Right));
            e = link;
        }

        return Math.Max(level, LevelOf(e.Left));
    }

    private int LevelOfChain(IfExpr e)
    {
        var level = Math.Max(LevelOf(e.Condition), LevelOf(e.Then));
        while (e.Otherwise is IfExpr next && types.TypeOf(next) is not null)
        {
            level = Math.Max(level, Math.Max(LevelOf(next.Condition), LevelOf(next.Then)));
            e = next;
        }

        return Math.Max(level, LevelOf(e.Otherwise));
    }

    /// <summary>The last step that is reached takes all of those before it.</summary>
    private int LevelOfLast(IReadOnlyList<Expr> steps)
    {
        var last = steps.Count - 1;
        while (last > 0 && types.TypeOf(steps[last]) is null)
            last--;

        return types.TypeOf(steps[last]) is CheckedType.Entity ? LevelInto(steps[last]) : LevelOf(steps[last]);
    }

    /// <summary>The level needed to look into the entity that an expression stands for.</summary>
    private int LevelInto(Expr target)
    {
        var beside = 0;
        return Math.Max(1 + Depth(target, [], ref beside), beside);
    }

    /// <summary>How many entities have to be looked into to come to this one.</summary>
    /// <param name="expr">What stands for it.</param>
    /// <param name="path">The attributes that are taken of it, the nearest first.</param>
    /// <param name="beside">Rises to the level of what is evaluated on the way, such as the condition of an <c>if</c>.</param>
    private int Depth(Expr expr, IEnumerable<string> path, ref int beside)
    {
        switch (expr)
        {
            case VariableExpr or SlotExpr: return 0;
            case LiteralExpr literal when literal.Value.TryGet(out EntityUid? uid) && types.IsActionOfRequest(uid): return 0;
            case IfExpr e:
                beside = Math.Max(beside, LevelOf(e.Condition));
                var depth = 0;
                foreach (var branch in new[] { e.Then, e.Otherwise })
                {
                    if (types.TypeOf(branch) is not null)
                        depth = Math.Max(depth, Depth(branch, path, ref beside));
                }

                return depth;
            case AttributeExpr e:
                return types.TypeOf(e.Target) is CheckedType.Entity ? 1 + Depth(e.Target, [], ref beside)
                    : Depth(e.Target, path.Prepend(e.Name), ref beside);
            case BinaryExpr { Operator: BinaryOperator.GetTag } e:
                beside = Math.Max(beside, LevelOf(e.Right));
                return 1 + Depth(e.Left, [], ref beside);
            case RecordExpr e when path.FirstOrDefault() is { } name:
                var found = Unbounded;
                foreach (var (field, value) in e.Fields)
                {
                    if (string.Equals(field, name, StringComparison.Ordinal))
                        found = Depth(value, path.Skip(1), ref beside);
                    else
                        beside = Math.Max(beside, LevelOf(value));
                }

                return found;
            default: return Unbounded;
        }
    }
}
