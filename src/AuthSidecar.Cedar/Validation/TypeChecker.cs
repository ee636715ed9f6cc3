namespace AuthSidecar.Cedar;

/// <summary>What a policy is checked for: an action, and what it applies to.</summary>
/// <param name="Action">The action.</param>
/// <param name="PrincipalType">The type of the principal.</param>
/// <param name="ResourceType">The type of the resource.</param>
/// <param name="PrincipalSlotType">The type of the entity in <c>?principal</c>, if there is one.</param>
/// <param name="ResourceSlotType">The type of the entity in <c>?resource</c>, if there is one.</param>
internal sealed record RequestEnvironment(
    SchemaAction Action, string PrincipalType, string ResourceType, string? PrincipalSlotType, string? ResourceSlotType);

/// <summary>An error at an expression, before it is written out.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Span">Where it is.</param>
/// <param name="Message">What is wrong.</param>
/// <param name="Help">What would help.</param>
/// <param name="Types">Types that tell it from the same error in another environment: there it is another error, as the reference counts
/// them.</param>
internal readonly record struct TypeFault(ValidationKind Kind, SourceSpan Span, string Message, string? Help, string? Types = null);

/// <summary>Gives the expressions of a policy types, in one request environment. Where an expression has an error the check goes on, with
/// what can be guessed of its type, so that all errors are found at once.</summary>
/// <param name="schema">The schema.</param>
/// <param name="environment">The environment.</param>
/// <param name="table">Makes the types; for all that is checked together.</param>
/// <param name="ids">Numbers the expressions; for all environments of a policy.</param>
/// <param name="isStrict">Whether expressions that meet have to be of one type.</param>
/// <param name="faults">Gets what is wrong.</param>
internal sealed class TypeChecker(
    Schema schema, RequestEnvironment environment, TypeTable table, ExprIds ids, bool isStrict, HashSet<TypeFault> faults)
{
    /// <summary>The type of an expression and what is known once it is true. Not well-typed: the type is a guess, or null.</summary>
    private readonly record struct Answer(CheckedType? Type, Capabilities Known, bool IsWell)
    {
        public static Answer Well(CheckedType type, Capabilities known = default) => new(type, known, IsWell: true);
        public static Answer Ill(CheckedType? guess = null) => new(guess, default, IsWell: false);

        /// <summary>What follows from an ill-typed part is ill-typed too.</summary>
        public Answer After(bool partsAreWell) => partsAreWell ? this : Ill(Type);
    }

    // A message is no place for more.
    private const int MostTypesCompared = 16;

    private readonly Dictionary<Expr, CheckedType> _types = new(ReferenceEqualityComparer.Instance);

    /// <summary>Checks a condition.</summary>
    /// <returns>False when it is never true, whatever else is wrong with it.</returns>
    public bool Check(Expr condition) => Expect(condition, default, CheckedType.AnyBool).Type != CheckedType.False;

    /// <summary>The type that an expression was given; null where it was not reached, or not well-typed.</summary>
    public CheckedType? TypeOf(Expr expr) => _types.GetValueOrDefault(expr);

    public bool IsActionOfRequest(EntityUid uid) => environment.Action.Uid.Equals(uid);

    private Answer Check(Expr expr, Capabilities known)
    {
        var answer = expr switch
        {
            LiteralExpr e => CheckLiteral(e),
            VariableExpr e => Answer.Well(TypeOf(e.Variable)),
            SlotExpr e => Answer.Well(TypeOf(e)),
            IfExpr e => CheckIf(e, known),
            LogicExpr { IsAnd: true } e => CheckAnd(e, known),
            LogicExpr e => CheckOr(e, known),
            UnaryExpr e => CheckUnary(e, known),
            BinaryExpr { IsArithmetic: true } e => CheckArithmetic(e, known),
            BinaryExpr e => CheckBinary(e, known),
            AttributeExpr e => CheckAttribute(e, known),
            HasExpr e => CheckHas(e, known),
            LikeExpr e => Answer.Well(CheckedType.AnyBool).After(Expect(e.Target, known, CheckedType.String).IsWell),
            IsExpr e => CheckIs(e, known),
            SetExpr e => CheckSet(e, known),
            RecordExpr e => CheckRecord(e, known),
            CallExpr e => CheckCall(e, known),
            _ => throw new InvalidOperationException($"no type for {expr.GetType().Name}"),
        };
        return Remember(expr, answer);
    }

    private Answer Remember(Expr expr, Answer answer)
    {
        if (answer is { IsWell: true, Type: { } type })
            _types[expr] = type;

        return answer;
    }

    /// <summary>Checks an expression that is to be of one of these types.</summary>
    private Answer Expect(Expr expr, Capabilities known, params ReadOnlySpan<CheckedType> expected) =>
        RequireType(expr, Check(expr, known), expected);

    private Answer RequireType(Expr expr, Answer answer, params ReadOnlySpan<CheckedType> expected)
    {
        if (answer.Type is null)
            return Answer.Ill();

        foreach (var type in expected)
        {
            if (answer.Type.IsSubtypeOf(type))
                return answer;
        }

        Fail(ValidationKind.UnexpectedType, expr, $"expected {string.Join(" or ", expected.ToArray().AsEnumerable())}, got {answer.Type}");
        // Told once, here: around it, it is of no type that could be wrong again.
        return Answer.Ill();
    }

    // ------------------------------------------------------------------ literals and variables

    private Answer CheckLiteral(LiteralExpr e)
    {
        if (e.Value.TryGet(out bool truth))
            return Answer.Well(truth ? CheckedType.True : CheckedType.False);

        if (!e.Value.TryGet(out EntityUid? uid))
            return Answer.Well(CheckedType.OfKind(e.Value.Kind));

        // Of what the schema does not have, the pass over the policy's names tells.
        var exists = EntityType.IsAction(uid.Type) ? schema.Actions.ContainsKey(uid) : schema.EntityTypes.ContainsKey(uid.Type);
        return exists ? Answer.Well(table.OfEntity(uid.Type)) : Answer.Ill();
    }

    private CheckedType TypeOf(Variable variable) => variable switch
    {
        Variable.Principal => table.OfEntity(environment.PrincipalType),
        Variable.Action => table.OfEntity(environment.Action.Uid.Type),
        Variable.Resource => table.OfEntity(environment.ResourceType),
        _ => table.Of(environment.Action.Context),
    };

    private CheckedType TypeOf(SlotExpr slot)
    {
        var type = slot.Variable == Variable.Principal ? environment.PrincipalSlotType : environment.ResourceSlotType;
        return type is null ? CheckedType.AnyEntity : table.OfEntity(type);
    }

    // ------------------------------------------------------------------ logic

    /// <summary>One <c>if</c>, or several with <c>else</c> between them: down to where they end, and back.</summary>
    private Answer CheckIf(IfExpr e, Capabilities known)
    {
        var open = new Stack<(IfExpr Test, Answer Condition, Answer? Then)>();
        Answer answer;
        while (true)
        {
            var condition = Expect(e.Condition, known, CheckedType.AnyBool);
            if (condition.Type == CheckedType.True)
            {
                var only = Check(e.Then, known.Union(condition.Known));
                answer = Remember(e, (only with { Known = only.Known.Union(condition.Known) }).After(condition.IsWell && only.IsWell));
                break;
            }

            open.Push((e, condition, condition.Type == CheckedType.False ? null : Check(e.Then, known.Union(condition.Known))));
            if (e.Otherwise is IfExpr next)
            {
                e = next;
                continue;
            }

            answer = Check(e.Otherwise, known);
            break;
        }

        while (open.TryPop(out var outer))
        {
            answer = Remember(outer.Test, outer.Then is { } then ? JoinBranches(outer.Test, outer.Condition, then, answer)
                : answer.After(outer.Condition.IsWell && answer.IsWell));
        }

        return answer;
    }

    private Answer JoinBranches(IfExpr e, Answer condition, Answer then, Answer otherwise)
    {
        if (then.Type is null || otherwise.Type is null)
            return Answer.Ill();

        return JoinOrFail(e, [then.Type, otherwise.Type], "both branches of an `if` must have the same type") is { } type
            ? Answer.Well(type, then.Known.Union(condition.Known).Intersect(otherwise.Known)).After(
                condition.IsWell && then.IsWell && otherwise.IsWell)
            : Answer.Ill();
    }

    /// <summary>A chain binds to the left: what is behind a part that is never true is never reached.</summary>
    private Answer CheckAnd(LogicExpr e, Capabilities known)
    {
        var left = Expect(e.Operands[0], known, CheckedType.AnyBool);
        // What each operand adds is added to both: to join them anew for every operand would take the square of a long chain.
        var reached = known.Union(left.Known);
        for (var i = 1; i < e.Operands.Count; i++)
        {
            if (left.Type == CheckedType.False)
                return Answer.Well(CheckedType.False).After(left.IsWell);

            var right = Expect(e.Operands[i], reached, CheckedType.AnyBool);
            var both = left.Known.Union(right.Known);
            reached = reached.Union(right.Known);
            var areWell = left.IsWell && right.IsWell;
            left = (left.Type, right.Type) switch
            {
                // What has an error and no type may be anything: what stands behind it is checked as well.
                (null, _) or (_, null) => Answer.Ill(CheckedType.AnyBool),
                (_, CheckedType.Bool { Known: false }) => Answer.Well(CheckedType.False).After(areWell),
                (CheckedType.Bool { Known: true }, { } type) => Answer.Well(type, both).After(areWell),
                ({ } type, CheckedType.Bool { Known: true }) => Answer.Well(type, both).After(areWell),
                _ => Answer.Well(CheckedType.AnyBool, both).After(areWell),
            };
        }

        return left;
    }

    private Answer CheckOr(LogicExpr e, Capabilities known)
    {
        var left = Expect(e.Operands[0], known, CheckedType.AnyBool);
        for (var i = 1; i < e.Operands.Count; i++)
        {
            if (left.Type == CheckedType.True)
                return left;

            var right = Expect(e.Operands[i], known, CheckedType.AnyBool);
            var areWell = left.IsWell && right.IsWell;
            left = (left.Type, right.Type) switch
            {
                (null, _) or (_, null) => Answer.Ill(CheckedType.AnyBool),
                (_, CheckedType.Bool { Known: true }) => Answer.Well(CheckedType.True, right.Known).After(areWell),
                (CheckedType.Bool { Known: false }, { } type) => Answer.Well(type, right.Known).After(areWell),
                ({ } type, CheckedType.Bool { Known: false }) => Answer.Well(type, left.Known).After(areWell),
                _ => Answer.Well(CheckedType.AnyBool, left.Known.Intersect(right.Known)).After(areWell),
            };
        }

        return left;
    }

    private Answer CheckUnary(UnaryExpr e, Capabilities known)
    {
        switch (e.Operator)
        {
            case UnaryOperator.Not:
                var truth = Expect(e.Operand, known, CheckedType.AnyBool);
                return Answer.Well(CheckedType.OfBool(truth.Type is CheckedType.Bool { Known: { } value } ? !value : null))
                    .After(truth.IsWell);
            case UnaryOperator.Negate: return Answer.Well(CheckedType.Long).After(Expect(e.Operand, known, CheckedType.Long).IsWell);
            default: return Answer.Well(CheckedType.AnyBool).After(Expect(e.Operand, known, CheckedType.AnySet).IsWell);
        }
    }

    // ------------------------------------------------------------------ operators

    private Answer CheckBinary(BinaryExpr e, Capabilities known)
    {
        switch (e.Operator)
        {
            case BinaryOperator.Equal or BinaryOperator.NotEqual: return CheckEqual(e, known);
            case BinaryOperator.Less or BinaryOperator.LessOrEqual or BinaryOperator.Greater or BinaryOperator.GreaterOrEqual:
                return CheckOrder(e, known);
            case BinaryOperator.In: return CheckIn(known, e.Left, Expect(e.Left, known, CheckedType.AnyEntity), e.Right);
            case BinaryOperator.Contains: return CheckContains(e, known);
            case BinaryOperator.ContainsAll or BinaryOperator.ContainsAny: return CheckContainsMany(e, known);
            default: return CheckTag(e, known);
        }
    }

    /// <summary>A chain of sums and products, from left to right.</summary>
    private Answer CheckArithmetic(BinaryExpr e, Capabilities known)
    {
        var chain = new Stack<BinaryExpr>([e]);
        while (e.Left is BinaryExpr { IsArithmetic: true } link)
        {
            chain.Push(link);
            e = link;
        }

        var answer = Expect(e.Left, known, CheckedType.Long);
        while (chain.TryPop(out var link))
        {
            var right = Expect(link.Right, known, CheckedType.Long);
            answer = Remember(link, Answer.Well(CheckedType.Long).After(answer.IsWell && right.IsWell));
        }

        return answer;
    }

    private Answer CheckEqual(BinaryExpr e, Capabilities known)
    {
        var left = Check(e.Left, known);
        var right = Check(e.Right, known);
        // What is known beforehand is known of literals without a type as well, and of entities of different types: they are different.
        bool? outcome = (LiteralOf(e.Left), LiteralOf(e.Right)) is ({ } a, { } b) ? a == b
            : AreDisjoint(left.Type, right.Type) ? false : null;
        if (outcome is null)
        {
            if (left.Type is null || right.Type is null)
                return Answer.Ill(CheckedType.AnyBool);

            if (isStrict && (left.Type, right.Type) is not (CheckedType.Entity, CheckedType.Entity)
                && JoinOrFail(e, [left.Type, right.Type], "operands of a comparison must have the same type") is null)
            {
                return Answer.Ill(CheckedType.AnyBool);
            }
        }

        return Answer.Well(
            CheckedType.OfBool(e.Operator == BinaryOperator.NotEqual ? !outcome : outcome)).After(left.IsWell && right.IsWell);
    }

    /// <summary>The value of a literal, and of the action, which an environment knows.</summary>
    private Value? LiteralOf(Expr expr) => expr switch
    {
        LiteralExpr e => e.Value,
        VariableExpr { Variable: Variable.Action } => Value.Of(environment.Action.Uid),
        _ => null,
    };

    private static bool AreDisjoint(CheckedType? a, CheckedType? b) =>
        a is CheckedType.Entity { IsAny: false } x && b is CheckedType.Entity { IsAny: false } y && !x.Types.Overlaps(y.Types);

    private Answer CheckOrder(BinaryExpr e, Capabilities known)
    {
        var left = Check(e.Left, known);
        var right = Check(e.Right, known);
        if (left.Type is not { } a || right.Type is not { } b)
            return Answer.Ill(CheckedType.AnyBool);

        if (IsOrdered(a) && a == b)
            return Answer.Well(CheckedType.AnyBool).After(left.IsWell && right.IsWell);

        // One that has an order says what the other has to be: a Long before others, and the left before the right.
        if (!IsOrdered(a) || (b == CheckedType.Long && a != b))
            RequireType(e.Left, left, IsOrdered(b) ? [b] : Ordered);

        if (!IsOrdered(b) || (b != CheckedType.Long && IsOrdered(a)))
            RequireType(e.Right, right, IsOrdered(a) ? [a] : Ordered);

        return Answer.Ill(CheckedType.AnyBool);
    }

    private static readonly CheckedType[] Ordered = [CheckedType.Long, CheckedType.OfKind(ValueKind.Datetime),
        CheckedType.OfKind(ValueKind.Duration)];

    private static bool IsOrdered(CheckedType type) => Ordered.Contains(type);

    private Answer CheckIn(Capabilities known, Expr member, Answer left, Expr group)
    {
        var right = Expect(group, known, table.SetOf(CheckedType.AnyEntity), CheckedType.AnyEntity);
        return left.Type is CheckedType.Entity type && right.Type is CheckedType.Entity or CheckedType.Set
            ? Answer.Well(TypeOfIn(member, type, group, right.Type is CheckedType.Set set ? set.Element : right.Type)).After(
                left.IsWell && right.IsWell)
            : Answer.Ill(CheckedType.AnyBool);
    }

    private CheckedType TypeOfIn(Expr member, CheckedType.Entity memberType, Expr group, CheckedType? groupType)
    {
        // The hierarchy of actions is the schema's, and so it is known who is in whom.
        if (LiteralOf(member) is { } literal && literal.TryGet(out EntityUid? action) && schema.Actions.ContainsKey(action)
            && LiteralsOf(group) is { } groups)
        {
            return CheckedType.OfBool(groups.Exists(g => schema.IsIn(action, g)));
        }

        return groupType switch
        {
            CheckedType.Never => CheckedType.False,
            CheckedType.Entity { IsAny: false } types when !memberType.IsAny =>
                memberType.Types.Any(t => types.Types.Any(g => schema.MayBeIn(t, g))) ? CheckedType.AnyBool : CheckedType.False,
            _ => CheckedType.AnyBool,
        };
    }

    /// <summary>The entities of a literal or of a set of literals; null for any other expression.</summary>
    private List<EntityUid>? LiteralsOf(Expr expr)
    {
        var uids = new List<EntityUid>();
        foreach (var item in expr is SetExpr set ? set.Items : [expr])
        {
            if (LiteralOf(item) is not { } value || !value.TryGet(out EntityUid? uid))
                return null;

            uids.Add(uid);
        }

        return uids;
    }

    private Answer CheckContains(BinaryExpr e, Capabilities known)
    {
        var set = Expect(e.Left, known, CheckedType.AnySet);
        var item = Check(e.Right, known);
        if (isStrict && set.Type is CheckedType.Set { Element: { } element } && item.Type is not null
            && JoinOrFail(e, [element, item.Type], "the argument of `contains` must have the element type of the set") is null)
        {
            return Answer.Ill(CheckedType.AnyBool);
        }

        return Answer.Well(CheckedType.AnyBool).After(set.IsWell && item.IsWell);
    }

    private Answer CheckContainsMany(BinaryExpr e, Capabilities known)
    {
        var left = Expect(e.Left, known, CheckedType.AnySet);
        var right = Expect(e.Right, known, CheckedType.AnySet);
        if (isStrict && left.Type is CheckedType.Set && right.Type is CheckedType.Set
            && JoinOrFail(e, [left.Type, right.Type], "both sets must have the same element type") is null)
        {
            return Answer.Ill(CheckedType.AnyBool);
        }

        return Answer.Well(CheckedType.AnyBool).After(left.IsWell && right.IsWell);
    }

    private Answer CheckTag(BinaryExpr e, Capabilities known)
    {
        var entity = Expect(e.Left, known, CheckedType.AnyEntity);
        var tag = Expect(e.Right, known, CheckedType.String);
        var areWell = entity.IsWell && tag.IsWell;
        if (entity.Type is not CheckedType.Entity type)
            return Answer.Ill(e.Operator == BinaryOperator.HasTag ? CheckedType.AnyBool : null);

        var key = ids.OfTag(e.Left, e.Right);
        var tagTypes = TagTypesOf(type);
        if (e.Operator == BinaryOperator.HasTag)
        {
            return (tagTypes.Count == 0 && !type.IsAny ? Answer.Well(CheckedType.False)
                : Answer.Well(known.Contains(key) ? CheckedType.True : CheckedType.AnyBool, Capabilities.Of(key))).After(areWell);
        }

        if (!known.Contains(key))
        {
            Fail(
                ValidationKind.UnsafeTagAccess,
                e,
                $"tag `{PolicyPrinter.Brief(e.Right)}` of {type} may be absent",
                $"test `{PolicyPrinter.Brief(new BinaryExpr(BinaryOperator.HasTag, e.Left, e.Right, e.Span))}` first",
                string.Join(';', e.Right.SelfAndParts().Take(MostTypesCompared).Select(TypeOf)));
            return Answer.Ill();
        }

        if (tagTypes.Count == 0 && !type.IsAny)
        {
            Fail(ValidationKind.NoTagsAllowed, e, $"{type} has no tags");
            return Answer.Ill();
        }

        return JoinAll(tagTypes) is { } joined ? Answer.Well(joined).After(areWell) : Answer.Ill();
    }

    private List<CheckedType> TagTypesOf(CheckedType.Entity entity) =>
        [.. entity.Types.Select(t => schema.EntityTypes.GetValueOrDefault(t)?.Tags).Where(t => t is not null).Select(t => table.Of(t!))];

    private CheckedType? JoinAll(List<CheckedType> types) =>
        types.Count == 0 ? null
            : types.Skip(1).Aggregate((CheckedType?)types[0], (joined, t) => joined is null ? null : table.Join(joined, t));

    // ------------------------------------------------------------------ attributes

    /// <summary>An attribute of an attribute, and so on.</summary>
    private Answer CheckAttribute(AttributeExpr e, Capabilities known)
    {
        var chain = new Stack<AttributeExpr>([e]);
        while (e.Target is AttributeExpr link)
        {
            chain.Push(link);
            e = link;
        }

        var answer = Check(e.Target, known);
        while (chain.TryPop(out var link))
        {
            answer = Remember(
                link, CheckAttribute(link, RequireType(link.Target, answer, CheckedType.AnyEntity, CheckedType.AnyRecord), known));
        }

        return answer;
    }

    private Answer CheckAttribute(AttributeExpr e, Answer target, Capabilities known)
    {
        if (target.Type is not (CheckedType.Entity or CheckedType.Record))
            return Answer.Ill();

        if (AttributeOf(target.Type, e.Name) is not { } attribute)
        {
            Fail(ValidationKind.UnsafeAttributeAccess, e, $"{DescribeAccess(e)} is not declared",
                table.Suggestions.For(e.Name, NamesOf(target.Type)));
            return Answer.Ill();
        }

        if (!attribute.IsRequired && !known.Contains(ids.OfAttribute(e.Target, e.Name)))
        {
            Fail(ValidationKind.UnsafeOptionalAttributeAccess, e, $"{DescribeAccess(e)} is optional and may be absent",
                $"test `{PolicyPrinter.Brief(new HasExpr(e.Target, [e.Name], e.Span))}` first");
            return Answer.Ill(attribute.Type);
        }

        return Answer.Well(attribute.Type).After(target.IsWell);
    }

    private Answer CheckHas(HasExpr e, Capabilities known)
    {
        // A path is a chain: each step is tested before the next is taken.
        var target = Expect(e.Target, known, CheckedType.AnyEntity, CheckedType.AnyRecord);
        var all = Answer.Well(CheckedType.True);
        for (var i = 0; i < e.Path.Count; i++)
        {
            var step = CheckHasStep(e.Steps[i], target, e.Path[i], known);
            var areWell = all.IsWell && step.IsWell;
            var type = step.Type == CheckedType.False || all.Type == CheckedType.False ? CheckedType.False
                : step.Type == CheckedType.True && all.Type == CheckedType.True ? CheckedType.True
                : CheckedType.AnyBool;
            all = Answer.Well(type, all.Known.Union(step.Known)).After(areWell);
            if (type == CheckedType.False || !areWell || i + 1 == e.Path.Count)
                break;

            known = known.Union(step.Known);
            var next = (AttributeExpr)e.Steps[i + 1];
            target = RequireType(next, Remember(next, CheckAttribute(next, target, known)), CheckedType.AnyEntity, CheckedType.AnyRecord);
        }

        return all;
    }

    private Answer CheckHasStep(Expr target, Answer answer, string name, Capabilities known)
    {
        if (answer.Type is not (CheckedType.Entity or CheckedType.Record))
            return Answer.Ill(CheckedType.AnyBool);

        var key = ids.OfAttribute(target, name);
        var type = AttributeOf(answer.Type, name) switch
        {
            // An entity may not exist, and then it has no attribute, required or not.
            { IsRequired: true } when answer.Type is CheckedType.Record => CheckedType.True,
            not null => known.Contains(key) ? CheckedType.True : CheckedType.AnyBool,
            null => MayHave(answer.Type, name) ? CheckedType.AnyBool : CheckedType.False,
        };
        return Answer.Well(type, type == CheckedType.False ? default : Capabilities.Of(key)).After(answer.IsWell);
    }

    private CheckedAttribute? AttributeOf(CheckedType type, string name) =>
        (type is CheckedType.Entity entity ? RecordOf(entity) : (CheckedType.Record)type)?.Attributes.GetValueOrDefault(name);

    /// <summary>The attribute that may be meant by one whose presence is tested for, and which there is none of.</summary>
    public string? SuggestAttribute(HasExpr e) => TypeOf(e.Target) is (CheckedType.Entity or CheckedType.Record) and var type
        ? table.Suggestions.For(e.Path[0], NamesOf(type)) : null;

    private IEnumerable<string> NamesOf(CheckedType type) =>
        (type is CheckedType.Entity entity ? RecordOf(entity) : (CheckedType.Record)type)?.Attributes.Keys ?? [];

    /// <summary>What all entities of these types have.</summary>
    private CheckedType.Record? RecordOf(CheckedType.Entity entity)
    {
        CheckedType.Record? joined = null;
        foreach (var name in entity.Types)
        {
            var record = (CheckedType.Record)table.Of(schema.EntityTypes.GetValueOrDefault(name)?.Attributes ?? SchemaType.Record.Empty);
            joined = joined is null ? record : (CheckedType.Record?)table.Join(joined, record, strictly: false);
        }

        return joined;
    }

    private bool MayHave(CheckedType type, string name) => type switch
    {
        CheckedType.Entity { IsAny: true } => true,
        CheckedType.Entity entity => entity.Types.Any(
            t => schema.EntityTypes.GetValueOrDefault(t)?.Attributes.Attributes.ContainsKey(name) == true),
        CheckedType.Record record => record.IsOpen || record.Attributes.ContainsKey(name),
        _ => false,
    };

    /// <summary>Which attribute of what, as far back as its entity or the context.</summary>
    private string DescribeAccess(AttributeExpr e)
    {
        var path = new List<string>();
        Expr at = e;
        while (at is AttributeExpr access)
        {
            path.Add(access.Name);
            if (TypeOf(access.Target) is CheckedType.Entity entity)
                return $"the attribute `{Joined()}` of {entity}";

            at = access.Target;
        }

        return at is VariableExpr { Variable: Variable.Context }
            ? $"the attribute `{Joined()}` of the context of `{environment.Action.Uid}`"
            : $"the attribute `{Joined()}`";

        string Joined() => string.Join('.', path.AsEnumerable().Reverse());
    }

    private Answer CheckIs(IsExpr e, Capabilities known)
    {
        var target = Expect(e.Target, known, CheckedType.AnyEntity);
        var type = target.Type is not CheckedType.Entity { IsAny: false } entity ? CheckedType.AnyBool
            : !entity.Types.Contains(e.Type) ? CheckedType.False
            : entity.Types.Count == 1 ? CheckedType.True
            : CheckedType.AnyBool;
        var isOf = Answer.Well(type).After(target.IsWell);
        if (e.Group is null || type == CheckedType.False)
            return isOf;

        var isIn = CheckIn(known, e.Target, target, e.Group);
        return (isIn.Type == CheckedType.False || type == CheckedType.True ? isIn : Answer.Well(CheckedType.AnyBool)).After(
            isOf.IsWell && isIn.IsWell);
    }

    // ------------------------------------------------------------------ values

    private Answer CheckSet(SetExpr e, Capabilities known)
    {
        var items = e.Items.Select(item => Check(item, known)).ToList();
        if (items.Count == 0)
        {
            if (!isStrict)
                return Answer.Well(table.SetOf(CheckedType.Nothing));

            Fail(ValidationKind.EmptySetForbidden, e, "the empty set has no type", "compare with `isEmpty()`");
            return Answer.Ill();
        }

        if (items.Exists(i => i.Type is null))
            return Answer.Ill();

        return JoinOrFail(e, [.. items.Select(i => i.Type!)], "the elements of a set must have the same type") is { } element
            ? Answer.Well(table.SetOf(element)).After(items.TrueForAll(i => i.IsWell))
            : Answer.Ill();
    }

    private Answer CheckRecord(RecordExpr e, Capabilities known)
    {
        var attributes = ImmutableSortedDictionary.CreateBuilder<string, CheckedAttribute>(StringComparer.Ordinal);
        var areWell = true;
        foreach (var (name, value) in e.Fields)
        {
            var answer = Check(value, known);
            areWell &= answer.IsWell;
            if (answer.Type is not null)
                attributes[name] = new CheckedAttribute(answer.Type, IsRequired: true);
        }

        return attributes.Count == e.Fields.Count
            ? Answer.Well(table.RecordOf(attributes.ToImmutable(), isOpen: false)).After(areWell)
            : Answer.Ill();
    }

    private Answer CheckCall(CallExpr e, Capabilities known)
    {
        var function = e.Function;
        var areWell = function.TakesCount(e.Arguments.Count);
        if (!areWell)
        {
            // What a method is called on is no argument to those who write it.
            var target = function.IsMethod ? 1 : 0;
            var expected = string.Create(
                CultureInfo.InvariantCulture, $"{function.Parameters.Count - target}{(function.IsVariadic ? " or more" : "")}");
            Fail(
                ValidationKind.WrongNumberArguments,
                e,
                string.Create(CultureInfo.InvariantCulture,
                    $"wrong number of arguments to `{function.Name}`: expected {expected}, got {e.Arguments.Count - target}"),
                function.IsVariadicLater && e.Arguments.Count > function.Parameters.Count
                    ? "several ranges are supported as of Cedar 4.15: see `compat`" : null);
        }

        // Of too few or too many, which is which is not known.
        var isCountRight = areWell;
        for (var i = 0; i < e.Arguments.Count; i++)
        {
            areWell &= isCountRight
                ? Expect(e.Arguments[i], known, CheckedType.OfKind(function.KindAt(i))).IsWell
                : Check(e.Arguments[i], known).IsWell;
        }

        if (!function.IsMethod && e.Arguments.Count == function.Parameters.Count)
            areWell &= CheckConstructor(e);

        return Answer.Well(function.ResultKind == ValueKind.Bool ? CheckedType.AnyBool : CheckedType.OfKind(function.ResultKind))
            .After(areWell);
    }

    /// <summary>A constructor is applied to its literal here and now: what would err then is an error already.</summary>
    private bool CheckConstructor(CallExpr e)
    {
        if (e.Arguments[0] is LiteralExpr literal)
        {
            if (literal.Value.Kind != ValueKind.String || e.Function.Apply(literal.Value, default).Failure is not { } failure)
                return true;

            Fail(ValidationKind.FunctionArgumentValidation, e, failure);
            return false;
        }

        if (isStrict)
            Fail(ValidationKind.NonLitExtConstructor, e, $"`{e.Function.Name}` is applied to something other than a string literal");

        return !isStrict;
    }

    // ------------------------------------------------------------------

    private CheckedType? JoinOrFail(Expr e, List<CheckedType> types, string rule)
    {
        var joined = JoinAll(types);
        if (joined is null)
        {
            var names = types.Distinct().Take(MostTypesCompared).Select(t => t.ToString()).Distinct(StringComparer.Ordinal);
            Fail(ValidationKind.IncompatibleTypes, e, $"{rule}, not {string.Join(" and ", names)}");
        }

        return joined;
    }

    private void Fail(ValidationKind kind, Expr at, string message, string? help = null, string? types = null) =>
        faults.Add(new TypeFault(kind, at.Span, message, help, types));
}
