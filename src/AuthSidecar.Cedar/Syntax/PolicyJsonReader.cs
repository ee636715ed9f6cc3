namespace AuthSidecar.Cedar;

/// <summary>Reads Cedar's JSON policy format into syntax trees, as the parser of texts makes them.</summary>
internal sealed class PolicyJsonReader(CedarRelease release)
{
    /// <summary>How deep the JSON may be nested: a long chain of operands nests as deep as it is long. What is read in levels is bounded by
    /// itself.</summary>
    public const int MaxDepth = 10_000_000;

    public PolicySyntax ReadPolicy(ref JsonCursor json)
    {
        var start = json.Offset;
        Effect? effect = null;
        ScopeConstraint? principal = null, action = null, resource = null;
        List<Condition>? conditions = null;
        List<KeyValuePair<string, string?>>? annotations = null;
        json.EnterObject("a policy: an object with `effect`, `principal`, `action`, `resource` and `conditions`");
        while (json.ReadName() is { } name)
        {
            switch (name)
            {
                case "effect": json.Once(effect, name); effect = ReadEffect(ref json); break;
                case "principal": json.Once(principal, name); principal = ReadScope(ref json, "?principal"); break;
                case "action": json.Once(action, name); action = ReadActionScope(ref json); break;
                case "resource": json.Once(resource, name); resource = ReadScope(ref json, "?resource"); break;
                case "conditions": json.Once(conditions, name); conditions = ReadConditions(ref json); break;
                case "annotations": json.Once(annotations, name); annotations = ReadAnnotations(ref json); break;
                default: throw UnknownMember(json, name);
            }
        }

        return new PolicySyntax(
            effect ?? throw Missing(json, start, "effect"),
            annotations ?? [],
            principal ?? throw Missing(json, start, "principal"),
            action ?? throw Missing(json, start, "action"),
            resource ?? throw Missing(json, start, "resource"),
            conditions ?? throw Missing(json, start, "conditions"),
            json.SpanFrom(start));
    }

    private static Effect ReadEffect(ref JsonCursor json)
    {
        var offset = json.Offset;
        return json.ReadString() switch
        {
            "permit" => Effect.Permit,
            "forbid" => Effect.Forbid,
            var other => throw json.FailAt(offset, $"unknown effect `{other}`", "the effects are `permit` and `forbid`"),
        };
    }

    /// <summary>In the order of their names, which is the order that the format has.</summary>
    private static List<KeyValuePair<string, string?>> ReadAnnotations(ref JsonCursor json)
    {
        var annotations = new SortedDictionary<string, string?>(StringComparer.Ordinal);
        json.EnterObject("an object of annotations");
        while (json.ReadName() is { } key)
        {
            if (!Identifier.IsWord(key))
                throw json.Fail($"`{key}` cannot name an annotation", "use letters, digits and underscores");

            if (!annotations.TryAdd(key, json.ReadStringOrNull()))
                throw json.Fail($"the annotation `{key}` occurs twice");
        }

        return [.. annotations];
    }

    // ------------------------------------------------------------------ scope

    private static ScopeConstraint ReadScope(ref JsonCursor json, string slot)
    {
        var start = json.Offset;
        var parts = ReadScopeParts(ref json, slot, isAction: false);
        switch (parts.Operator)
        {
            case "All" or "all" when parts is { EntityType: null, Entities: null, HasSlot: false, In: null }: return ScopeConstraint.Any;
            case "==" or "in" when parts is { EntityType: null, In: null } && parts.HasSlot != parts.Entities is not null:
                return new ScopeConstraint(parts.Operator == "in" ? ScopeOperator.In : ScopeOperator.Equal, null, parts.Entities,
                    parts.HasSlot, json.SpanFrom(start), EntitySpans: parts.EntitySpans);
            case "is" when parts is { EntityType: { } type, Entities: null, HasSlot: false }:
                return parts.In is { } group
                    ? new ScopeConstraint(ScopeOperator.IsIn, type, group.Entities, group.HasSlot, json.SpanFrom(start), parts.TypeSpan,
                        group.EntitySpans)
                    : new ScopeConstraint(ScopeOperator.Is, type, Span: json.SpanFrom(start), TypeSpan: parts.TypeSpan);
            default:
                throw json.FailAt(start, "expected a scope constraint",
                    "`op` is `All`; `==` or `in` with `entity` or `slot`; or `is` with `entity_type` and perhaps `in`");
        }
    }

    private static ScopeConstraint ReadActionScope(ref JsonCursor json)
    {
        var start = json.Offset;
        var parts = ReadScopeParts(ref json, slot: null, isAction: true);
        return (parts.Operator, parts.Entities) switch
        {
            ("All" or "all", null) => ScopeConstraint.Any,
            ("==", [_]) when !parts.IsList => Of(ScopeOperator.Equal, json.SpanFrom(start)),
            ("in", [_]) when !parts.IsList => Of(ScopeOperator.In, json.SpanFrom(start)),
            ("in", not null) => Of(ScopeOperator.InAny, json.SpanFrom(start)),
            _ => throw json.FailAt(
                start, "expected an action constraint", "`op` is `All`; `==` with `entity`; or `in` with `entity` or `entities`"),
        };

        ScopeConstraint Of(ScopeOperator op, SourceSpan span) => new(
            op, Entities: parts.Entities, Span: span, EntitySpans: parts.EntitySpans);
    }

    private sealed record ScopeParts(
        string? Operator, string? EntityType, SourceSpan TypeSpan, List<EntityUid>? Entities, List<SourceSpan> EntitySpans, bool IsList,
        bool HasSlot, ScopeParts? In);

    private static ScopeParts ReadScopeParts(ref JsonCursor json, string? slot, bool isAction, bool isInner = false)
    {
        string? op = null, type = null;
        List<EntityUid>? entities = null;
        var spans = new List<SourceSpan>();
        SourceSpan typeSpan = default;
        ScopeParts? group = null;
        bool isList = false, hasSlot = false;
        json.EnterObject("an object with `op`");
        while (json.ReadName() is { } name)
        {
            switch (name)
            {
                case "op" when !isInner: json.Once(op, name); op = json.ReadString(); break;
                case "entity_type" when !isAction && !isInner:
                    json.Once(type, name);
                    typeSpan = new SourceSpan(json.Offset, 1);
                    type = ReadTypeName(ref json);
                    break;
                case "entity":
                    OnlyOne(json, entities, isList, name);
                    spans.Add(new SourceSpan(json.Offset, 1));
                    entities = [ReadScopeEntity(ref json, isAction)];
                    break;
                case "entities" when isAction:
                    OnlyOne(json, entities, !isList, name);
                    (entities, isList) = ([], true);
                    json.EnterArray("an array of actions");
                    while (json.HasElement())
                    {
                        spans.Add(new SourceSpan(json.Offset, 1));
                        entities.Add(ReadScopeEntity(ref json, isAction));
                    }

                    break;
                case "slot" when slot is not null:
                    var offset = json.Offset;
                    hasSlot = !hasSlot && json.ReadString() == slot ? true : throw json.FailAt(offset, $"the slot here is `{slot}`");
                    break;
                case "in" when !isAction && !isInner:
                    json.Once(group, name);
                    group = ReadScopeParts(ref json, slot, isAction, isInner: true);
                    break;
                default: throw UnknownMember(json, name);
            }
        }

        return isInner && hasSlot == entities is not null
            ? throw json.Fail("`in` has an `entity` or a `slot`")
            : new ScopeParts(op, type, typeSpan, entities, spans, isList, hasSlot, group);
    }

    /// <summary>Whoever reads the one and not the other would read another policy: neither wins.</summary>
    private static void OnlyOne(in JsonCursor json, object? seen, bool isOther, string name)
    {
        if (seen is not null && isOther)
            throw json.Fail("`entity` and `entities` are synonyms", "keep one");

        json.Once(seen, name);
    }

    private static EntityUid ReadScopeEntity(ref JsonCursor json, bool isAction)
    {
        var offset = json.Offset;
        var uid = json.ReadUid();
        return !isAction || EntityType.IsAction(uid.Type)
            ? uid
            : throw json.FailAt(offset, $"`{uid}` is not an action", "an action's type is `Action`, or ends in `::Action`");
    }

    private static string ReadTypeName(ref JsonCursor json)
    {
        var offset = json.Offset;
        var type = json.ReadString("the name of an entity type");
        return EntityType.IsValid(type) ? type : throw json.FailAt(offset, $"`{type}` is not an entity type name");
    }

    // ------------------------------------------------------------------ conditions

    private List<Condition> ReadConditions(ref JsonCursor json)
    {
        var conditions = new List<Condition>();
        json.EnterArray("an array of conditions");
        while (json.HasElement())
            conditions.Add(ReadCondition(ref json));

        return conditions;
    }

    private Condition ReadCondition(ref JsonCursor json)
    {
        var start = json.Offset;
        string? kind = null;
        Expr? body = null;
        json.EnterObject("a condition: an object with `kind` and `body`");
        while (json.ReadName() is { } name)
        {
            switch (name)
            {
                case "kind": json.Once(kind, name); kind = json.ReadString(); break;
                case "body": json.Once(body, name); body = ReadExpr(ref json, 1); break;
                default: throw UnknownMember(json, name);
            }
        }

        return kind is "when" or "unless"
            ? new Condition(kind == "unless", body ?? throw Missing(json, start, "body"), json.SpanFrom(start))
            : throw json.FailAt(start, "a condition's `kind` is `when` or `unless`");
    }

    // ------------------------------------------------------------------ expressions

    private Expr ReadExpr(ref JsonCursor json, int depth)
    {
        var start = json.Offset;
        if (depth > Expr.MaxDepth)
            throw TooDeep(json, start);

        json.EnterObject("an expression: an object of one member");
        var name = json.ReadName() ?? throw json.FailAt(start, "empty expression");
        var expr = name is "&&" or "||" ? ReadOperands(ref json, name, depth)
            : ChainOf(name) is not ChainKind.None ? ReadChain(ref json, name, start, depth)
            : ReadNode(ref json, name, start, depth + 1);
        ExpectEnd(ref json, name, start);
        return expr.IsTooDeep ? throw TooDeep(json, start) : expr;
    }

    private static void ExpectEnd(ref JsonCursor json, string name, int start)
    {
        if (json.ReadName() is { } second)
            throw json.FailAt(start, $"an expression must have one member, not `{name}` and `{second}`");
    }

    private static SyntaxException TooDeep(in JsonCursor json, int offset) =>
        json.FailAt(offset, $"the expression is nested more than {Expr.MaxDepth} deep", "split it over several conditions or policies");

    /// <summary>Whether an expression may be written as often as a path has steps, which has no other form in text where one of them is no
    /// identifier.</summary>
    private static bool IsPlain(Expr expr)
    {
        while (expr is AttributeExpr access)
            expr = access.Target;

        return expr is VariableExpr or LiteralExpr;
    }

    /// <summary>The name of the member of the object at the cursor, of which a copy is looked at.</summary>
    private static string? NameOf(JsonCursor json)
    {
        if (json.Token != JsonTokenType.StartObject)
            return null;

        json.EnterObject("an object");
        return json.ReadName();
    }

    /// <summary>Operands of `&amp;&amp;` or `||`, of which the format makes two at a time with the rest on the left. That is gone into in a
    /// loop, since there may be any number.</summary>
    private LogicExpr ReadOperands(ref JsonCursor json, string name, int depth)
    {
        var open = new Stack<(int Start, List<Expr>? Left, Expr? Right)>();
        (int Start, List<Expr>? Left, Expr? Right) pair = (json.Offset, null, null);
        json.EnterObject("an object with `left` and `right`");
        while (true)
        {
            switch (json.ReadName())
            {
                case "left":
                    json.Once(pair.Left, "left");
                    if (NameOf(json) == name)
                    {
                        open.Push(pair);
                        json.EnterObject("an expression");
                        json.ReadName();
                        pair = (json.Offset, null, null);
                        json.EnterObject("an object with `left` and `right`");
                    }
                    else
                    {
                        pair.Left = [ReadExpr(ref json, depth + 1)];
                    }

                    break;
                case "right":
                    json.Once(pair.Right, "right");
                    pair.Right = ReadExpr(ref json, depth + 1);
                    break;
                case { } other: throw UnknownMember(json, other);
                default:
                    var operands = pair.Left ?? throw Missing(json, pair.Start, "left");
                    operands.Add(pair.Right ?? throw Missing(json, pair.Start, "right"));
                    if (!open.TryPop(out var outer))
                        return new LogicExpr(name == "&&", operands, json.SpanFrom(pair.Start));

                    ExpectEnd(ref json, name, pair.Start);
                    pair = outer with { Left = operands };
                    break;
            }
        }
    }

    /// <summary>The links of a chain, in which it is gone on in a loop.</summary>
    private enum ChainKind
    {
        None = 0,
        Arithmetic,
        Access,
        Else,
    }

    private static ChainKind ChainOf(string name) => name switch
    {
        "+" or "-" or "*" => ChainKind.Arithmetic,
        "." => ChainKind.Access,
        "if-then-else" => ChainKind.Else,
        _ => ChainKind.None,
    };

    /// <summary>A link of which not all is read yet.</summary>
    private sealed class PendingLink(string name, int start)
    {
        private readonly Dictionary<string, Expr> _parts = new(StringComparer.Ordinal);
        private string? _attribute;

        public string Name => name;
        public int Start => start;

        /// <summary>The part in which the chain goes on.</summary>
        public string NextLink => name == "if-then-else" ? "else" : "left";

        private string[] Names => name switch
        {
            "." => ["left"],
            "if-then-else" => ["if", "then", "else"],
            _ => ["left", "right"],
        };

        public void Enter(ref JsonCursor json) =>
            json.EnterObject(
                name == "." ? "an object with `left` and `attr`" : $"an object with {string.Join(" and ", Names.Select(n => $"`{n}`"))}");

        /// <summary>Makes sure that there is such a part, and that it was not there before.</summary>
        public void Check(ref JsonCursor json, string part)
        {
            if (!Names.Contains(part, StringComparer.Ordinal))
                throw UnknownMember(json, part);

            json.Once(_parts.GetValueOrDefault(part), part);
        }

        public void ReadAttribute(ref JsonCursor json)
        {
            json.Once(_attribute, "attr");
            _attribute = json.ReadString("the name of an attribute");
        }

        public void Add(string part, Expr expr) => _parts.Add(part, expr);

        public Expr Build(ref JsonCursor json)
        {
            var span = json.SpanFrom(start);
            if (Array.Find(Names, n => !_parts.ContainsKey(n)) is { } missing)
                throw Missing(json, start, missing);

            return name switch
            {
                "." => new AttributeExpr(_parts["left"], _attribute ?? throw Missing(json, start, "attr"), span),
                "if-then-else" => new IfExpr(_parts["if"], _parts["then"], _parts["else"], span),
                _ => new BinaryExpr(BinaryOf(name)!.Value, _parts["left"], _parts["right"], span),
            };
        }
    }

    /// <summary>A chain such as `a.b.c`, `1 + 2 + 3` or `if … else if …`: whatever goes on with another link is read without a call within
    /// a call.</summary>
    private Expr ReadChain(ref JsonCursor json, string name, int start, int depth)
    {
        var kind = ChainOf(name);
        var open = new Stack<PendingLink>();
        var link = new PendingLink(name, start);
        link.Enter(ref json);
        while (true)
        {
            if (json.ReadName() is not { } part)
            {
                var built = link.Build(ref json);
                if (!open.TryPop(out var outer))
                    return built;

                ExpectEnd(ref json, link.Name, link.Start);
                outer.Add(outer.NextLink, built.IsTooDeep ? throw TooDeep(json, link.Start) : built);
                link = outer;
                continue;
            }

            if (part == "attr" && link.Name == ".")
            {
                link.ReadAttribute(ref json);
                continue;
            }

            link.Check(ref json, part);
            if (part == link.NextLink && NameOf(json) is { } inner && ChainOf(inner) == kind)
            {
                open.Push(link);
                link = new PendingLink(inner, json.Offset);
                json.EnterObject("an expression");
                json.ReadName();
                link.Enter(ref json);
            }
            else
            {
                link.Add(part, ReadExpr(ref json, depth + 1));
            }
        }
    }

    private Expr ReadNode(ref JsonCursor json, string name, int start, int depth)
    {
        switch (name)
        {
            case "Value": return ReadLiteral(ref json);
            case "Var":
                var variable = json.ReadString();
                return new VariableExpr(
                    VariableOf(variable) ?? throw json.FailAt(start, $"`{variable}` is not a variable"), json.SpanFrom(start));
            case "!" or "neg" or "isEmpty":
                var operand = ReadParts(ref json, depth, "arg")["arg"];
                return new UnaryExpr(name switch { "!" => UnaryOperator.Not, "neg" => UnaryOperator.Negate, _ => UnaryOperator.IsEmpty },
                    operand, json.SpanFrom(start));
            case "has":
                var (owner, path, _) = ReadAccess(ref json, name, depth);
                return path.Count == 1 || path.TrueForAll(n => Identifier.IsName(n)) || IsPlain(owner)
                    ? new HasExpr(owner, path, json.SpanFrom(start))
                    : throw json.FailAt(start,
                        "a path with a non-identifier step must start from a variable, an entity, or an attribute of one",
                        "test the steps one by one, joined with `&&`");
            case "like":
                var (text, _, pattern) = ReadAccess(ref json, name, depth);
                return new LikeExpr(text, pattern!, json.SpanFrom(start));
            case "is": return ReadIs(ref json, start, depth);
            case "Set": return new SetExpr(ReadList(ref json, depth), json.SpanFrom(start));
            case "Record": return ReadRecord(ref json, start, depth);
            case "Slot" or "Unknown": throw json.FailAt(start, $"`{name}` is not allowed in a condition");
            default: return ReadOperation(ref json, name, start, depth);
        }
    }

    private Expr ReadOperation(ref JsonCursor json, string name, int start, int depth)
    {
        if (BinaryOf(name) is { } op)
        {
            var sides = ReadParts(ref json, depth, "left", "right");
            return new BinaryExpr(op, sides["left"], sides["right"], json.SpanFrom(start));
        }

        if (!ExtensionFunction.TryFind(name, release, out var function))
            throw json.FailAt(start, $"unknown operator or function `{name}`");

        return new CallExpr(function, ReadList(ref json, depth), json.SpanFrom(start));
    }

    /// <summary>An object whose members are expressions: exactly these.</summary>
    private Dictionary<string, Expr> ReadParts(ref JsonCursor json, int depth, params string[] names)
    {
        var start = json.Offset;
        var parts = new Dictionary<string, Expr>(StringComparer.Ordinal);
        json.EnterObject($"an object with {string.Join(" and ", names.Select(n => $"`{n}`"))}");
        while (json.ReadName() is { } name)
        {
            if (!names.Contains(name, StringComparer.Ordinal))
                throw UnknownMember(json, name);

            json.Once(parts.GetValueOrDefault(name), name);
            parts.Add(name, ReadExpr(ref json, depth));
        }

        return parts.Count == names.Length ? parts : throw Missing(json, start, names.First(n => !parts.ContainsKey(n)));
    }

    /// <summary><c>left</c> beside the <c>attr</c> of a <c>has</c> or the <c>pattern</c> of a <c>like</c>.</summary>
    private (Expr Left, List<string> Path, Pattern? Pattern) ReadAccess(ref JsonCursor json, string of, int depth)
    {
        var start = json.Offset;
        var isLike = of == "like";
        Expr? left = null;
        List<string>? path = null;
        Pattern? pattern = null;
        json.EnterObject(isLike ? "an object with `left` and `pattern`" : "an object with `left` and `attr`");
        while (json.ReadName() is { } name)
        {
            switch (name)
            {
                case "left": json.Once(left, name); left = ReadExpr(ref json, depth); break;
                case "attr" when !isLike: json.Once(path, name); path = ReadPath(ref json); break;
                case "pattern" when isLike: json.Once(pattern, name); pattern = ReadPattern(ref json); break;
                default: throw UnknownMember(json, name);
            }
        }

        if (isLike ? pattern is null : path is null)
            throw Missing(json, start, isLike ? "pattern" : "attr");

        return (left ?? throw Missing(json, start, "left"), path ?? [], pattern);
    }

    private static List<string> ReadPath(ref JsonCursor json)
    {
        var start = json.Offset;
        if (json.Token != JsonTokenType.StartArray)
            return [json.ReadString("the name of an attribute")];

        var path = new List<string>();
        json.EnterArray("a path");
        while (json.HasElement())
            path.Add(json.ReadString("the name of an attribute"));

        return path.Count > 0 ? path : throw json.FailAt(start, "the path is empty");
    }

    private static Pattern ReadPattern(ref JsonCursor json)
    {
        var pieces = new List<string>();
        var piece = new StringBuilder();
        json.EnterArray("an array of `\"Wildcard\"` and `{\"Literal\": …}`");
        while (json.HasElement())
        {
            var start = json.Offset;
            string? kind;
            if (json.Token == JsonTokenType.String)
            {
                kind = json.ReadString();
            }
            else
            {
                json.EnterObject("`\"Wildcard\"` or `{\"Literal\": …}`");
                kind = json.ReadName();
                if (kind == "Literal")
                    piece.Append(json.ReadString());
                else if (!json.SkipNull())
                    throw json.FailAt(start, "expected `\"Wildcard\"` or `{\"Literal\": …}`");

                kind = json.ReadName() is null ? kind : null;
            }

            if (kind == "Wildcard")
            {
                pieces.Add(piece.ToString());
                piece.Clear();
            }
            else if (kind != "Literal")
            {
                throw json.FailAt(start, "expected `\"Wildcard\"` or `{\"Literal\": …}`");
            }
        }

        pieces.Add(piece.ToString());
        return new Pattern(pieces);
    }

    private IsExpr ReadIs(ref JsonCursor json, int start, int depth)
    {
        Expr? left = null, group = null;
        string? type = null;
        json.EnterObject("an object with `left` and `entity_type`");
        while (json.ReadName() is { } name)
        {
            switch (name)
            {
                case "left": json.Once(left, name); left = ReadExpr(ref json, depth); break;
                case "entity_type": json.Once(type, name); type = ReadTypeName(ref json); break;
                case "in": json.Once(group, name); group = ReadExpr(ref json, depth); break;
                default: throw UnknownMember(json, name);
            }
        }

        return new IsExpr(left ?? throw Missing(json, start, "left"), type ?? throw Missing(json, start, "entity_type"), group,
            json.SpanFrom(start));
    }

    private List<Expr> ReadList(ref JsonCursor json, int depth)
    {
        var items = new List<Expr>();
        json.EnterArray("an array of expressions");
        while (json.HasElement())
            items.Add(ReadExpr(ref json, depth));

        return items;
    }

    private RecordExpr ReadRecord(ref JsonCursor json, int start, int depth)
    {
        var fields = new SortedDictionary<string, Expr>(StringComparer.Ordinal);
        json.EnterObject("an object of expressions");
        while (json.ReadName() is { } name)
        {
            if (!fields.TryAdd(name, ReadExpr(ref json, depth)))
                throw json.FailAt(start, $"the attribute `{name}` occurs twice in this record");
        }

        return new RecordExpr([.. fields], json.SpanFrom(start));
    }

    /// <summary>A constant as entities have them; what the grammar has no literal for becomes the expression that makes it.</summary>
    private Expr ReadLiteral(ref JsonCursor json, int depth = 1)
    {
        var start = json.Offset;
        switch (json.Token)
        {
            case JsonTokenType.True or JsonTokenType.False: return new LiteralExpr(Value.Of(json.ReadBool()), json.SpanFrom(start));
            case JsonTokenType.String: return new LiteralExpr(Value.Of(json.ReadString()), json.SpanFrom(start));
            case JsonTokenType.Number: return new LiteralExpr(Value.Of(json.ReadLong()), json.SpanFrom(start));
            case JsonTokenType.StartArray:
                var items = new List<Expr>();
                json.EnterArray("an array");
                while (json.HasElement())
                    items.Add(ReadLiteral(ref json, Deeper(json, depth)));

                return new SetExpr(items, json.SpanFrom(start));
            case JsonTokenType.StartObject: return ReadLiteralObject(ref json, start, Deeper(json, depth));
            default: throw json.Fail("a value cannot be null");
        }
    }

    private static int Deeper(in JsonCursor json, int depth) => depth < Expr.MaxDepth ? depth + 1
        : throw json.Fail("the value is nested too deep");

    private Expr ReadLiteralObject(ref JsonCursor json, int start, int depth)
    {
        json.EnterObject("an object");
        var fields = new SortedDictionary<string, Expr>(StringComparer.Ordinal);
        while (json.ReadName() is { } name)
        {
            if (name is "__entity" or "__extn" or "__expr")
            {
                Expr value = name switch
                {
                    "__entity" => new LiteralExpr(Value.Of(json.ReadUid()), json.SpanFrom(start)),
                    "__extn" => ReadExtension(ref json, start, depth),
                    _ => throw json.FailAt(start, "unsupported escape `__expr`", "use `__entity` or `__extn`"),
                };
                return fields.Count == 0 && json.ReadName() is null ? value
                    : throw json.FailAt(start, $"`{name}` must be the only member of its object");
            }

            if (!fields.TryAdd(name, ReadLiteral(ref json, depth)))
                throw json.FailAt(start, $"the attribute `{name}` occurs twice in this record");
        }

        return new RecordExpr([.. fields], json.SpanFrom(start));
    }

    private CallExpr ReadExtension(ref JsonCursor json, int start, int depth)
    {
        string? function = null;
        List<Expr>? arguments = null;
        json.EnterObject("`{\"fn\": …, \"arg\": …}`");
        while (json.ReadName() is { } name)
        {
            switch (name)
            {
                case "fn": json.Once(function, name); function = json.ReadString(); break;
                case "arg": json.OnceOf(arguments, "arg", "args"); arguments = [ReadLiteral(ref json, depth)]; break;
                case "args":
                    json.OnceOf(arguments, "arg", "args");
                    arguments = [];
                    json.EnterArray("an array of arguments");
                    while (json.HasElement())
                        arguments.Add(ReadLiteral(ref json, depth));

                    break;
                default: json.SkipValue(); break;
            }
        }

        return function is not null && arguments is not null && ExtensionFunction.TryFind(function, release, out var found)
            ? new CallExpr(found, arguments, json.SpanFrom(start))
            : throw json.FailAt(start, "an extension value has a known `fn` and an `arg` or `args`");
    }

    private static Variable? VariableOf(string name) => name switch
    {
        "principal" => Variable.Principal,
        "action" => Variable.Action,
        "resource" => Variable.Resource,
        "context" => Variable.Context,
        _ => null,
    };

    private static BinaryOperator? BinaryOf(string name)
    {
        foreach (var op in Enum.GetValues<BinaryOperator>())
        {
            if (string.Equals(PolicyPrinter.SymbolOf(op) ?? PolicyPrinter.MethodOf(op), name, StringComparison.Ordinal))
                return op;
        }

        return null;
    }

    private static SyntaxException UnknownMember(in JsonCursor json, string name) => json.Fail($"unknown member `{name}`");
    private static SyntaxException Missing(in JsonCursor json, int start, string name) => json.FailAt(start, $"`{name}` is missing");
}
