namespace AuthSidecar.Cedar;

/// <summary>Writes syntax trees as Cedar text: a policy on a line, with the parentheses that it needs and those that spare a reader the
/// table of precedences.</summary>
internal readonly struct PolicyPrinter(StringBuilder text, int most = int.MaxValue)
{
    // In a message, which is to be read.
    private const int BriefLength = 200;

    private const int MostParentheses = 100;

    public static string Print(PolicySyntax policy)
    {
        var text = new StringBuilder();
        new PolicyPrinter(text).Append(policy);
        return text.ToString();
    }

    public static string Print(Expr expr)
    {
        var text = new StringBuilder();
        new PolicyPrinter(text).Append(expr);
        return text.ToString();
    }

    /// <summary>The beginning of an expression, for a message.</summary>
    public static string Brief(Expr expr)
    {
        var text = new StringBuilder();
        new PolicyPrinter(text, BriefLength).Append(expr);
        return text.Length <= BriefLength ? text.ToString()
            : $"{text.ToString(0, char.IsHighSurrogate(text[BriefLength - 1]) ? BriefLength - 1 : BriefLength)}…";
    }

    public static string Print(Condition condition)
    {
        var text = new StringBuilder();
        new PolicyPrinter(text).Append(condition);
        return text.ToString();
    }

    public void Append(PolicySyntax policy)
    {
        foreach (var (key, value) in policy.Annotations)
            text.Append('@').Append(key).Append(value is null ? "" : $"({StringLiteral.Quote(value)})").Append('\n');

        text.Append(policy.Effect == Effect.Permit ? "permit" : "forbid").Append('(');
        Append("principal", policy.Principal);
        text.Append(", ");
        Append("action", policy.Action);
        text.Append(", ");
        Append("resource", policy.Resource);
        text.Append(')');
        foreach (var condition in policy.Conditions)
        {
            text.Append(' ');
            Append(condition);
        }

        text.Append(';');
    }

    private void Append(Condition condition)
    {
        text.Append(condition.IsUnless ? "unless { " : "when { ");
        Append(condition.Body);
        text.Append(" }");
    }

    private void Append(string variable, ScopeConstraint constraint)
    {
        text.Append(variable);
        text.Append(constraint.Operator switch
        {
            ScopeOperator.Equal => " == ",
            ScopeOperator.In or ScopeOperator.InAny => " in ",
            ScopeOperator.Is => $" is {constraint.Type}",
            ScopeOperator.IsIn => $" is {constraint.Type} in ",
            _ => "",
        });
        if (constraint.HasSlot)
            text.Append('?').Append(variable);
        else if (constraint.Operator == ScopeOperator.InAny && constraint.Entities!.Count != 1)
            text.Append('[').AppendJoin(", ", constraint.Entities).Append(']');
        else if (constraint.Entities is [var entity])
            text.Append(entity);
    }

    public void Append(Expr expr)
    {
        if (text.Length > most)
            return;

        switch (expr)
        {
            case LiteralExpr e:
                // A minus in front of a number would bind to whatever stands in front of it.
                text.Append(e.Value.TryGet(out long number) && number < 0 ? $"({e.Value})" : e.Value.ToString());
                break;
            case VariableExpr e: text.Append(NameOf(e.Variable)); break;
            case SlotExpr e: text.Append('?').Append(NameOf(e.Variable)); break;
            case ErrorExpr e: Append(e.Erring); break;
            case IfExpr e:
                Append("if ", e.Condition);
                Append(" then ", e.Then);
                Append(" else ", e.Otherwise);
                break;
            case LogicExpr e: AppendOperands(e); break;
            case UnaryExpr { Operator: UnaryOperator.IsEmpty } e:
                AppendOperand(e.Operand);
                text.Append(".isEmpty()");
                break;
            case UnaryExpr { Operator: UnaryOperator.Negate } e:
                // Without the parentheses the minus of a number would be part of it.
                Append("-(", e.Operand);
                text.Append(')');
                break;
            case UnaryExpr e:
                text.Append('!');
                AppendOperand(e.Operand);
                break;
            case BinaryExpr e: Append(e); break;
            case AttributeExpr e:
                AppendOperand(e.Target);
                text.Append(Identifier.IsName(e.Name) ? $".{e.Name}" : $"[{StringLiteral.Quote(e.Name)}]");
                break;
            case HasExpr e: Append(e); break;
            case LikeExpr e:
                AppendOperand(e.Target);
                text.Append(" like ").Append(e.Pattern);
                break;
            case IsExpr e:
                AppendOperand(e.Target);
                text.Append(" is ").Append(e.Type);
                if (e.Group is not null)
                {
                    text.Append(" in ");
                    AppendOperand(e.Group);
                }

                break;
            case SetExpr e:
                text.Append('[');
                AppendList(e.Items);
                text.Append(']');
                break;
            case RecordExpr e: AppendRecord(e); break;
            case CallExpr e: AppendCall(e); break;
            default: throw new InvalidOperationException($"no text for {expr.GetType().Name}");
        }
    }

    public static string NameOf(Variable variable) => variable switch
    {
        Variable.Principal => "principal",
        Variable.Action => "action",
        Variable.Resource => "resource",
        _ => "context",
    };

    /// <summary>The operator as it is written; null for those that are methods.</summary>
    public static string? SymbolOf(BinaryOperator op) => op switch
    {
        BinaryOperator.Equal => "==",
        BinaryOperator.NotEqual => "!=",
        BinaryOperator.Less => "<",
        BinaryOperator.LessOrEqual => "<=",
        BinaryOperator.Greater => ">",
        BinaryOperator.GreaterOrEqual => ">=",
        BinaryOperator.In => "in",
        BinaryOperator.Add => "+",
        BinaryOperator.Subtract => "-",
        BinaryOperator.Multiply => "*",
        _ => null,
    };

    public static string MethodOf(BinaryOperator op) => op switch
    {
        BinaryOperator.Contains => "contains",
        BinaryOperator.ContainsAll => "containsAll",
        BinaryOperator.ContainsAny => "containsAny",
        BinaryOperator.GetTag => "getTag",
        BinaryOperator.HasTag => "hasTag",
        _ => throw new InvalidOperationException($"{op} is not a method"),
    };

    private void Append(string before, Expr expr)
    {
        text.Append(before);
        Append(expr);
    }

    private void Append(BinaryExpr e)
    {
        if (SymbolOf(e.Operator) is not { } symbol)
        {
            AppendOperand(e.Left);
            text.Append('.').Append(MethodOf(e.Operator)).Append('(');
            Append(e.Right);
            text.Append(')');
            return;
        }

        // Sums and products read from left to right, as they bind. Where plus and minus alternate the reference has parentheses; too many
        // of them could not be read again.
        if (e.IsLink && (((BinaryExpr)e.Left).Operator == e.Operator || e.Links > MostParentheses))
            Append(e.Left);
        else
            AppendOperand(e.Left);

        text.Append(' ').Append(symbol).Append(' ');
        AppendOperand(e.Right);
    }

    private void Append(HasExpr e)
    {
        if (e.Path.Count == 1 || e.Path.All(n => Identifier.IsName(n)))
        {
            AppendOperand(e.Target);
            text.Append(" has ").Append(e.Path.All(n => Identifier.IsName(n)) ? string.Join('.', e.Path) : StringLiteral.Quote(e.Path[0]));
            return;
        }

        // A path with a step that is no identifier can only be written out step by step.
        Expr target = e.Target;
        for (var i = 0; i < e.Path.Count; i++)
        {
            text.Append(i == 0 ? "" : " && ");
            AppendOperand(new HasExpr(target, [e.Path[i]], e.Span));
            target = new AttributeExpr(target, e.Path[i], e.Span);
        }
    }

    private void AppendOperands(LogicExpr e)
    {
        for (var i = 0; i < e.Operands.Count; i++)
        {
            text.Append(i == 0 ? "" : e.IsAnd ? " && " : " || ");
            if (i == 0 && e.Operands[0] is LogicExpr first && first.IsAnd == e.IsAnd)
                Append(first);
            else
                AppendOperand(e.Operands[i]);
        }
    }

    private void AppendOperand(Expr expr)
    {
        var isOne = expr is LiteralExpr or VariableExpr or SlotExpr or AttributeExpr or SetExpr or RecordExpr or CallExpr
            or UnaryExpr { Operator: UnaryOperator.IsEmpty } || (expr is BinaryExpr binary && SymbolOf(binary.Operator) is null);
        text.Append(isOne ? "" : "(");
        Append(expr);
        text.Append(isOne ? "" : ")");
    }

    private void AppendCall(CallExpr e)
    {
        // A method that was called without anything to be called on can be written in no other way than as a function.
        if (e.Function.IsMethod && e.Arguments.Count > 0)
        {
            AppendOperand(e.Arguments[0]);
            text.Append(CultureInfo.InvariantCulture, $".{e.Function.Name}(");
            AppendList(e.Arguments.Skip(1));
        }
        else
        {
            text.Append(CultureInfo.InvariantCulture, $"{e.Function.Name}(");
            AppendList(e.Arguments);
        }

        text.Append(')');
    }

    private void AppendRecord(RecordExpr e)
    {
        text.Append('{');
        for (var i = 0; i < e.Fields.Count; i++)
        {
            var (name, value) = e.Fields[i];
            text.Append(i == 0 ? "" : ", ").Append(Identifier.IsName(name) ? name : StringLiteral.Quote(name));
            Append(": ", value);
        }

        text.Append('}');
    }

    private void AppendList(IEnumerable<Expr> items)
    {
        var isFirst = true;
        foreach (var item in items)
        {
            Append(isFirst ? "" : ", ", item);
            isFirst = false;
        }
    }
}
