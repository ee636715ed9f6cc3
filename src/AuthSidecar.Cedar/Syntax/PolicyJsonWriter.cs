namespace AuthSidecar.Cedar;

/// <summary>Writes syntax trees in Cedar's JSON policy format.</summary>
internal readonly struct PolicyJsonWriter(Utf8JsonWriter json)
{
    public void Write(PolicySyntax policy)
    {
        json.WriteStartObject();
        json.WriteString("effect", policy.Effect == Effect.Permit ? "permit" : "forbid");
        Write("principal", policy.Principal, "?principal");
        Write("action", policy.Action, slot: null);
        Write("resource", policy.Resource, "?resource");
        json.WriteStartArray("conditions");
        foreach (var condition in policy.Conditions)
        {
            json.WriteStartObject();
            json.WriteString("kind", condition.IsUnless ? "unless" : "when");
            json.WritePropertyName("body");
            Write(condition.Body);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (policy.Annotations.Count > 0)
        {
            json.WriteStartObject("annotations");
            foreach (var (key, value) in policy.Annotations)
                json.WriteString(key, value);

            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private void Write(string name, ScopeConstraint constraint, string? slot)
    {
        json.WriteStartObject(name);
        json.WriteString("op", constraint.Operator switch
        {
            ScopeOperator.Equal => "==",
            ScopeOperator.In or ScopeOperator.InAny => "in",
            ScopeOperator.Is or ScopeOperator.IsIn => "is",
            _ => "All",
        });
        switch (constraint.Operator)
        {
            case ScopeOperator.Is or ScopeOperator.IsIn:
                json.WriteString("entity_type", constraint.Type);
                if (constraint.Operator == ScopeOperator.IsIn)
                {
                    json.WriteStartObject("in");
                    WriteEntityOrSlot(constraint, slot);
                    json.WriteEndObject();
                }

                break;
            // One action in brackets is written as one without.
            case ScopeOperator.InAny when constraint.Entities!.Count != 1:
                json.WriteStartArray("entities");
                foreach (var entity in constraint.Entities)
                    Write(entity);

                json.WriteEndArray();
                break;
            case not ScopeOperator.Any: WriteEntityOrSlot(constraint, slot); break;
        }

        json.WriteEndObject();
    }

    private void WriteEntityOrSlot(ScopeConstraint constraint, string? slot)
    {
        if (constraint.HasSlot)
        {
            json.WriteString("slot", slot);
        }
        else
        {
            json.WritePropertyName("entity");
            Write(constraint.Entity);
        }
    }

    private void Write(EntityUid uid)
    {
        json.WriteStartObject();
        json.WriteString("type", uid.Type);
        json.WriteString("id", uid.Id);
        json.WriteEndObject();
    }

    public void Write(Expr expr)
    {
        json.WriteStartObject();
        switch (expr)
        {
            case LiteralExpr e:
                json.WritePropertyName("Value");
                Write(e.Value);
                break;
            case VariableExpr e: json.WriteString("Var", PolicyPrinter.NameOf(e.Variable)); break;
            case IfExpr e:
                json.WriteStartObject("if-then-else");
                Write("if", e.Condition);
                Write("then", e.Then);
                Write("else", e.Otherwise);
                json.WriteEndObject();
                break;
            case LogicExpr e: WriteChain(e); break;
            case UnaryExpr e:
                json.WriteStartObject(e.Operator switch { UnaryOperator.Not => "!", UnaryOperator.Negate => "neg", _ => "isEmpty" });
                Write("arg", e.Operand);
                json.WriteEndObject();
                break;
            case BinaryExpr e:
                json.WriteStartObject(PolicyPrinter.SymbolOf(e.Operator) ?? PolicyPrinter.MethodOf(e.Operator));
                Write("left", e.Left);
                Write("right", e.Right);
                json.WriteEndObject();
                break;
            case AttributeExpr e:
                json.WriteStartObject(".");
                Write("left", e.Target);
                json.WriteString("attr", e.Name);
                json.WriteEndObject();
                break;
            case HasExpr e: Write(e); break;
            case LikeExpr e:
                json.WriteStartObject("like");
                Write("left", e.Target);
                Write(e.Pattern);
                json.WriteEndObject();
                break;
            case IsExpr e:
                json.WriteStartObject("is");
                Write("left", e.Target);
                json.WriteString("entity_type", e.Type);
                if (e.Group is not null)
                    Write("in", e.Group);

                json.WriteEndObject();
                break;
            case SetExpr e: Write("Set", e.Items); break;
            case RecordExpr e:
                json.WriteStartObject("Record");
                foreach (var (name, value) in e.Fields)
                    Write(name, value);

                json.WriteEndObject();
                break;
            case CallExpr e: Write(e.Function.Name, e.Arguments); break;
            default: throw new InvalidOperationException($"no JSON for {expr.GetType().Name}");
        }

        json.WriteEndObject();
    }

    private void Write(string name, Expr expr)
    {
        json.WritePropertyName(name);
        Write(expr);
    }

    private void Write(string name, IEnumerable<Expr> items)
    {
        json.WriteStartArray(name);
        foreach (var item in items)
            Write(item);

        json.WriteEndArray();
    }

    /// <summary>A chain of several is two, of which the left is the rest.</summary>
    private void WriteChain(LogicExpr e)
    {
        var op = e.IsAnd ? "&&" : "||";
        for (var i = e.Operands.Count - 1; i > 0; i--)
        {
            json.WriteStartObject(op);
            json.WritePropertyName("left");
            if (i > 1)
                json.WriteStartObject();
        }

        Write(e.Operands[0]);
        for (var i = 1; i < e.Operands.Count; i++)
        {
            Write("right", e.Operands[i]);
            json.WriteEndObject();
            if (i < e.Operands.Count - 1)
                json.WriteEndObject();
        }
    }

    private void Write(HasExpr e)
    {
        json.WriteStartObject("has");
        Write("left", e.Target);
        if (e.Path.Count == 1)
        {
            json.WriteString("attr", e.Path[0]);
        }
        else
        {
            json.WriteStartArray("attr");
            foreach (var name in e.Path)
                json.WriteStringValue(name);

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private void Write(Pattern pattern)
    {
        json.WriteStartArray("pattern");
        for (var i = 0; i < pattern.Pieces.Count; i++)
        {
            if (i > 0)
                json.WriteStringValue("Wildcard");

            foreach (var rune in pattern.Pieces[i].EnumerateRunes())
            {
                json.WriteStartObject();
                json.WriteString("Literal", rune.ToString());
                json.WriteEndObject();
            }
        }

        json.WriteEndArray();
    }

    /// <summary>A literal: what the grammar has literals for.</summary>
    private void Write(Value value)
    {
        if (value.TryGet(out bool truth))
        {
            json.WriteBooleanValue(truth);
        }
        else if (value.TryGet(out long number))
        {
            json.WriteNumberValue(number);
        }
        else if (value.TryGet(out string? text))
        {
            json.WriteStringValue(text);
        }
        else if (value.TryGet(out EntityUid? uid))
        {
            json.WriteStartObject();
            json.WritePropertyName("__entity");
            Write(uid);
            json.WriteEndObject();
        }
        else
        {
            throw new InvalidOperationException($"no literal of kind {value.Kind}");
        }
    }
}
