namespace AuthSidecar.Cedar;

/// <summary>A recursive-descent parser for Cedar policies, after the reference grammar. It reads UTF-8 and reports the first fault of every
/// policy: behind a fault it goes on after the next semicolon.</summary>
internal ref struct Parser
{
    private readonly CedarRelease _release;
    private TokenReader _tokens;
    private int _nesting;

    private Parser(SourceText source, CedarRelease release = CedarReleases.Latest)
    {
        _tokens = new TokenReader(source);
        _release = release;
    }

    private readonly Token Current => _tokens.Current;

    /// <summary>Parses a text of policies and templates. Any fault at all leaves the list incomplete: use it only when there is
    /// none.</summary>
    public static List<PolicySyntax> ParsePolicies(SourceText source, CedarRelease release, List<Fault> faults)
    {
        var policies = new List<PolicySyntax>();
        if (source.FindEncodingFault() is { } fault)
        {
            faults.Add(fault);
            return policies;
        }

        var parser = new Parser(source, release);
        while (parser.Current.Kind != TokenKind.End)
        {
            try
            {
                policies.Add(parser.ParsePolicy());
            }
            catch (SyntaxException e)
            {
                faults.Add(e.Fault);
                parser._nesting = 0;
                parser._tokens.SkipBehindSemicolon();
            }
        }

        return policies;
    }

    /// <summary>Parses a single expression that fills the text.</summary>
    public static Expr? ParseExpression(SourceText source, List<Fault> faults)
    {
        if ((source.FindEncodingFault() ?? FindMark(source)) is { } fault)
        {
            faults.Add(fault);
            return null;
        }

        var parser = new Parser(source);
        try
        {
            var expr = parser.ParseExpr();
            parser._tokens.Expect(TokenKind.End, "the end of the expression");
            return expr;
        }
        catch (SyntaxException e)
        {
            faults.Add(e.Fault);
            return null;
        }
    }

    public static bool TryParseEntityUid(string text, [NotNullWhen(true)] out EntityUid? uid, [NotNullWhen(false)] out Fault? fault)
    {
        var source = SourceText.Of(text);
        uid = null;
        fault = source.FindEncodingFault() ?? FindMark(source);
        if (fault is not null)
            return false;

        var parser = new Parser(source);
        try
        {
            var read = parser._tokens.ParseEntityUid();
            parser._tokens.Expect(TokenKind.End, "the end of the entity uid");
            uid = read;
            return true;
        }
        catch (SyntaxException e)
        {
            fault = e.Fault;
            return false;
        }
    }

    /// <summary>A file may begin with a byte-order mark; a uid or a value that does is not what it looks like.</summary>
    private static Fault? FindMark(SourceText source) => source.Start > 0 ? Fault.At(source, 0, "unexpected byte-order mark", "remove it")
        : null;

    // ------------------------------------------------------------------ policies

    private PolicySyntax ParsePolicy()
    {
        var start = Current.Start;
        var annotations = ParseAnnotations();
        var effect = ParseEffect();
        _tokens.Expect(TokenKind.OpenParen, "`(` and the scope");
        var principal = ParseScopeVariable("principal"u8, slot: "?principal");
        _tokens.Expect(TokenKind.Comma, "`,` and then `action`");
        var action = ParseActionScope();
        _tokens.Expect(TokenKind.Comma, "`,` and then `resource`");
        var resource = ParseScopeVariable("resource"u8, slot: "?resource");
        if (Current.Kind == TokenKind.Comma)
            _tokens.Advance();

        _tokens.Expect(TokenKind.CloseParen, "`)` after the scope");
        var conditions = ParseConditions();
        _tokens.Expect(TokenKind.Semicolon, "`when`, `unless`, or `;` to end the policy");
        return new PolicySyntax(effect, annotations, principal, action, resource, conditions, _tokens.SpanFrom(start));
    }

    private List<KeyValuePair<string, string?>> ParseAnnotations()
    {
        var annotations = new List<KeyValuePair<string, string?>>();
        var keys = Current.Kind == TokenKind.At ? new HashSet<string>(StringComparer.Ordinal) : null;
        while (Current.Kind == TokenKind.At)
        {
            _tokens.Advance();
            var keyToken = Current;
            // Any identifier will do, reserved words included.
            var key = _tokens.ExpectWord("the name of an annotation");
            string? value = null;
            if (Current.Kind == TokenKind.OpenParen)
            {
                _tokens.Advance();
                value = _tokens.ParseString("the text of the annotation");
                _tokens.Expect(TokenKind.CloseParen, "`)` after the annotation");
            }

            if (!keys!.Add(key))
                throw _tokens.Fail(keyToken, $"the annotation `@{key}` occurs twice on this policy", "keep one");

            annotations.Add(new(key, value));
        }

        return annotations;
    }

    private Effect ParseEffect()
    {
        var effect = _tokens.IsWord("permit"u8) ? Effect.Permit
            : _tokens.IsWord("forbid"u8) ? Effect.Forbid
            : throw _tokens.Unexpected("`permit` or `forbid`");
        _tokens.Advance();
        return effect;
    }

    private ScopeConstraint ParseScopeVariable(ReadOnlySpan<byte> variable, string slot)
    {
        var start = Current.Start;
        ExpectScopeVariable(variable);
        var constraint = ScopeConstraint.Any;
        if (Current.Kind == TokenKind.Equal)
        {
            _tokens.Advance();
            constraint = ParseEntityOrSlot(new ScopeConstraint(ScopeOperator.Equal), slot);
        }
        else if (_tokens.IsWord("in"u8))
        {
            _tokens.Advance();
            constraint = ParseEntityOrSlot(new ScopeConstraint(ScopeOperator.In), slot);
        }
        else if (_tokens.IsWord("is"u8))
        {
            _tokens.Advance();
            var typeStart = Current.Start;
            var type = _tokens.ParsePath("an entity type");
            constraint = new ScopeConstraint(ScopeOperator.Is, type, TypeSpan: _tokens.SpanFrom(typeStart));
            if (_tokens.IsWord("in"u8))
            {
                _tokens.Advance();
                constraint = ParseEntityOrSlot(constraint with { Operator = ScopeOperator.IsIn }, slot);
            }
        }

        return ReferenceEquals(constraint, ScopeConstraint.Any) ? constraint : constraint with { Span = _tokens.SpanFrom(start) };
    }

    private ScopeConstraint ParseEntityOrSlot(ScopeConstraint constraint, string slot)
    {
        var parentheses = OpenParentheses();
        if (Current.Kind == TokenKind.Slot)
        {
            if (!string.Equals(_tokens.TextOf(Current), slot, StringComparison.Ordinal))
                throw _tokens.Fail(Current, $"slot `{_tokens.BriefTextOf(Current)}` is not allowed here", $"use `{slot}`");

            _tokens.Advance();
            constraint = constraint with { HasSlot = true };
        }
        else
        {
            var start = Current.Start;
            var uid = _tokens.ParseEntityUid();
            constraint = constraint with { Entities = [uid], EntitySpans = [_tokens.SpanFrom(start)] };
        }

        CloseParentheses(parentheses);
        return constraint;
    }

    /// <summary>The grammar of the documentation has no parentheses in a scope, the reference takes them.</summary>
    private int OpenParentheses()
    {
        var count = 0;
        for (; Current.Kind == TokenKind.OpenParen; count++)
        {
            if (count == Expr.MaxDepth)
                throw _tokens.Fail(Current, $"the parentheses are nested more than {Expr.MaxDepth} deep", "remove them");

            _tokens.Advance();
        }

        return count;
    }

    private void CloseParentheses(int count)
    {
        for (; count > 0; count--)
            _tokens.Expect(TokenKind.CloseParen, "`)`");
    }

    private ScopeConstraint ParseActionScope()
    {
        var start = Current.Start;
        ExpectScopeVariable("action"u8);
        var actions = new List<EntityUid>();
        var spans = new List<SourceSpan>();
        ScopeOperator op;
        if (Current.Kind == TokenKind.Equal)
        {
            _tokens.Advance();
            op = ScopeOperator.Equal;
            ParseActionUid(actions, spans);
        }
        else if (_tokens.IsWord("in"u8))
        {
            _tokens.Advance();
            op = ParseActions(actions, spans);
        }
        else
        {
            return ScopeConstraint.Any;
        }

        return new ScopeConstraint(op, Entities: actions, Span: _tokens.SpanFrom(start), EntitySpans: spans);
    }

    /// <summary>One action, or several in brackets.</summary>
    private ScopeOperator ParseActions(List<EntityUid> actions, List<SourceSpan> spans)
    {
        var op = ScopeOperator.In;
        var parentheses = OpenParentheses();
        if (Current.Kind != TokenKind.OpenBracket)
        {
            ParseActionUid(actions, spans);
        }
        else
        {
            op = ScopeOperator.InAny;
            _tokens.Advance();
            while (Current.Kind != TokenKind.CloseBracket)
            {
                ParseActionUid(actions, spans);
                if (Current.Kind != TokenKind.Comma)
                    break;

                _tokens.Advance();
            }

            _tokens.Expect(TokenKind.CloseBracket, "`,` or `]`");
        }

        CloseParentheses(parentheses);
        return op;
    }

    private void ParseActionUid(List<EntityUid> actions, List<SourceSpan> spans)
    {
        var parentheses = OpenParentheses();
        var start = Current;
        var uid = _tokens.ParseEntityUid();
        actions.Add(EntityType.IsAction(uid.Type)
            ? uid
            : throw _tokens.Fail(start, $"`{uid}` is not an action", "an action's type is `Action`, or ends in `::Action`"));
        spans.Add(_tokens.SpanFrom(start.Start));
        CloseParentheses(parentheses);
    }

    private void ExpectScopeVariable(ReadOnlySpan<byte> variable)
    {
        if (!_tokens.IsWord(variable))
        {
            throw _tokens.Unexpected(
                $"`{Encoding.ASCII.GetString(variable)}`", "the scope names `principal`, `action` and `resource`, in this order");
        }

        _tokens.Advance();
    }

    private List<Condition> ParseConditions()
    {
        var conditions = new List<Condition>();
        while (_tokens.IsWord("when"u8) || _tokens.IsWord("unless"u8))
        {
            var start = Current.Start;
            var isUnless = _tokens.IsWord("unless"u8);
            _tokens.Advance();
            _tokens.Expect(TokenKind.OpenBrace, "`{` and the condition");
            var body = ParseExpr();
            _tokens.Expect(TokenKind.CloseBrace, "an operator, or `}` to end the condition");
            conditions.Add(new Condition(isUnless, body, _tokens.SpanFrom(start)));
        }

        return conditions;
    }

    // ------------------------------------------------------------------ expressions, loosest binding first

    private Expr ParseExpr()
    {
        if (++_nesting > Expr.MaxDepth)
        {
            throw _tokens.Fail(
                Current, $"the expression is nested more than {Expr.MaxDepth} deep", "split it over several `when` clauses or policies");
        }

        var expr = _tokens.IsWord("if"u8) ? ParseIf() : ParseOr();
        _nesting--;
        return expr;
    }

    /// <summary>One <c>if</c>, or several with <c>else</c> between them.</summary>
    private Expr ParseIf()
    {
        var tests = new List<(int Start, Expr Condition, Expr Then)>(1);
        while (_tokens.IsWord("if"u8))
        {
            var start = Current.Start;
            _tokens.Advance();
            var condition = ParseExpr();
            _tokens.ExpectKeyword("then"u8, "an operator, or `then`");
            tests.Add((start, condition, ParseExpr()));
            _tokens.ExpectKeyword("else"u8, "an operator, or `else`");
        }

        var expr = ParseExpr();
        for (var i = tests.Count - 1; i >= 0; i--)
            expr = Checked(new IfExpr(tests[i].Condition, tests[i].Then, expr, _tokens.SpanFrom(tests[i].Start)));

        return expr;
    }

    private Expr ParseOr()
    {
        var start = Current.Start;
        var first = ParseAnd();
        if (Current.Kind != TokenKind.Or)
            return first;

        var operands = new List<Expr> { first };
        while (Current.Kind == TokenKind.Or)
        {
            _tokens.Advance();
            operands.Add(ParseAnd());
        }

        return Checked(new LogicExpr(isAnd: false, operands, _tokens.SpanFrom(start)));
    }

    private Expr ParseAnd()
    {
        var start = Current.Start;
        var first = ParseRelation();
        if (Current.Kind != TokenKind.And)
            return first;

        var operands = new List<Expr> { first };
        while (Current.Kind == TokenKind.And)
        {
            _tokens.Advance();
            operands.Add(ParseRelation());
        }

        return Checked(new LogicExpr(isAnd: true, operands, _tokens.SpanFrom(start)));
    }

    private Expr ParseRelation()
    {
        var start = Current.Start;
        var left = ParseSum();
        if (TryRelation(out var op))
        {
            _tokens.Advance();
            var right = ParseSum();
            if (TryRelation(out _))
            {
                throw _tokens.Fail(
                    Current, $"`{_tokens.TextOf(Current)}` after another comparison is ambiguous", "put parentheses around one of them");
            }

            return Checked(new BinaryExpr(op, left, right, _tokens.SpanFrom(start)));
        }

        if (_tokens.IsWord("has"u8))
        {
            _tokens.Advance();
            return Checked(new HasExpr(left, ParseHasPath(), _tokens.SpanFrom(start)));
        }

        if (_tokens.IsWord("like"u8))
        {
            _tokens.Advance();
            return Checked(new LikeExpr(left, _tokens.ParsePattern(), _tokens.SpanFrom(start)));
        }

        if (_tokens.IsWord("is"u8))
        {
            _tokens.Advance();
            var type = _tokens.ParsePath("an entity type");
            Expr? group = null;
            if (_tokens.IsWord("in"u8))
            {
                _tokens.Advance();
                group = ParseSum();
            }

            return Checked(new IsExpr(left, type, group, _tokens.SpanFrom(start)));
        }

        return left;
    }

    private readonly bool TryRelation(out BinaryOperator op)
    {
        op = Current.Kind switch
        {
            TokenKind.Equal => BinaryOperator.Equal,
            TokenKind.NotEqual => BinaryOperator.NotEqual,
            TokenKind.Less => BinaryOperator.Less,
            TokenKind.LessOrEqual => BinaryOperator.LessOrEqual,
            TokenKind.Greater => BinaryOperator.Greater,
            TokenKind.GreaterOrEqual => BinaryOperator.GreaterOrEqual,
            TokenKind.Identifier when _tokens.IsWord("in"u8) => BinaryOperator.In,
            _ => default,
        };
        return op != default;
    }

    private List<string> ParseHasPath()
    {
        if (Current.Kind == TokenKind.String)
            return [_tokens.ParseString("the name of an attribute")];

        var path = new List<string> { _tokens.ExpectName("the name of an attribute") };
        while (Current.Kind == TokenKind.Dot)
        {
            _tokens.Advance();
            path.Add(_tokens.ExpectName("the name of an attribute"));
        }

        return path;
    }

    private Expr ParseSum()
    {
        var start = Current.Start;
        var left = ParseProduct();
        while (Current.Kind is TokenKind.Plus or TokenKind.Minus)
        {
            var op = Current.Kind == TokenKind.Plus ? BinaryOperator.Add : BinaryOperator.Subtract;
            _tokens.Advance();
            left = Checked(new BinaryExpr(op, left, ParseProduct(), _tokens.SpanFrom(start)));
        }

        return left;
    }

    private Expr ParseProduct()
    {
        var start = Current.Start;
        var left = ParseUnary();
        while (Current.Kind == TokenKind.Star)
        {
            _tokens.Advance();
            left = Checked(new BinaryExpr(BinaryOperator.Multiply, left, ParseUnary(), _tokens.SpanFrom(start)));
        }

        if (Current.Kind is TokenKind.Slash or TokenKind.Percent)
            throw _tokens.Fail(Current, $"Cedar has no operator `{_tokens.TextOf(Current)}`", "multiply instead, or compare multiples");

        return left;
    }

    private Expr ParseUnary()
    {
        const int MostSigns = 4;
        var sign = Current.Kind;
        if (sign is not (TokenKind.Not or TokenKind.Minus))
            return ParseMember();

        var starts = new List<int>(MostSigns);
        while (Current.Kind == sign)
        {
            if (starts.Count == MostSigns)
                throw _tokens.Fail(Current, $"more than four `{_tokens.TextOf(Current)}` in a row", "remove them in pairs");

            starts.Add(Current.Start);
            _tokens.Advance();
        }

        Expr expr;
        if (sign == TokenKind.Minus && Current.Kind == TokenKind.Integer)
        {
            expr = ParseAccesses(ParseInteger(starts[^1], out var isNegative));
            starts.RemoveRange(starts.Count - 1, isNegative ? 1 : 0);
        }
        else
        {
            expr = ParseMember();
        }

        for (var i = starts.Count - 1; i >= 0; i--)
        {
            expr = Checked(
                new UnaryExpr(sign == TokenKind.Not ? UnaryOperator.Not : UnaryOperator.Negate, expr, _tokens.SpanFrom(starts[i])));
        }

        return expr;
    }

    private Expr ParseMember() => ParseAccesses(ParsePrimary());

    private Expr ParseAccesses(Expr target)
    {
        while (true)
        {
            switch (Current.Kind)
            {
                case TokenKind.Dot:
                    _tokens.Advance();
                    var nameToken = Current;
                    if (nameToken.Kind == TokenKind.Integer && target is LiteralExpr { Value.Kind: ValueKind.Long })
                    {
                        throw _tokens.Unexpected("the name of an attribute or method",
                            $"a fraction is written `decimal(\"{_tokens.Source[target.Span.To(nameToken.Span)]}\")`");
                    }

                    var name = _tokens.ExpectName("the name of an attribute or method");
                    target = Checked(Current.Kind == TokenKind.OpenParen
                        ? ParseMethodCall(target, nameToken, name)
                        : new AttributeExpr(target, name, _tokens.SpanFrom(target.Span.Start)));
                    break;
                case TokenKind.OpenBracket:
                    _tokens.Advance();
                    var attribute = _tokens.ParseString("the name of an attribute as a string");
                    _tokens.Expect(TokenKind.CloseBracket, "`]`");
                    target = Checked(new AttributeExpr(target, attribute, _tokens.SpanFrom(target.Span.Start)));
                    break;
                default: return target;
            }
        }
    }

    private Expr ParseMethodCall(Expr target, Token nameToken, string name)
    {
        var arguments = ParseArguments();
        var span = _tokens.SpanFrom(target.Span.Start);
        if (BuiltInMethods.TryGetValue(name, out var op))
        {
            return arguments.Count == 1
                ? new BinaryExpr(op, target, arguments[0], span)
                : throw _tokens.Fail(nameToken, $"`{name}` takes one argument, not {arguments.Count}");
        }

        if (name == "isEmpty")
        {
            return arguments.Count == 0
                ? new UnaryExpr(UnaryOperator.IsEmpty, target, span)
                : throw _tokens.Fail(nameToken, $"`isEmpty` takes no argument, not {arguments.Count}");
        }

        if (!ExtensionFunction.TryFind(name, _release, out var function))
        {
            throw _tokens.Fail(
                nameToken,
                $"`{name}` is not a method",
                new Suggestions().For(name, [.. BuiltInMethods.Keys, "isEmpty", .. ExtensionFunction.Methods])
                    ?? "Cedar's methods are listed in docs.cedarpolicy.com/policies/syntax-operators.html");
        }

        return function.IsMethod
            ? new CallExpr(function, [target, .. arguments], span)
            : throw _tokens.Fail(nameToken, $"`{name}` is a function, not a method", $"write `{name}(…)`");
    }

    private static readonly Dictionary<string, BinaryOperator> BuiltInMethods = new(StringComparer.Ordinal)
    {
        ["contains"] = BinaryOperator.Contains,
        ["containsAll"] = BinaryOperator.ContainsAll,
        ["containsAny"] = BinaryOperator.ContainsAny,
        ["getTag"] = BinaryOperator.GetTag,
        ["hasTag"] = BinaryOperator.HasTag,
    };

    private List<Expr> ParseArguments()
    {
        _tokens.Expect(TokenKind.OpenParen, "`(`");
        var arguments = ParseList(TokenKind.CloseParen, "`,` or `)`");
        _tokens.Expect(TokenKind.CloseParen, "`,` or `)`");
        return arguments;
    }

    /// <summary>Expressions with commas between them, one of which may stand behind the last.</summary>
    private List<Expr> ParseList(TokenKind close, string expected)
    {
        var items = new List<Expr>();
        while (Current.Kind != close)
        {
            items.Add(ParseExpr());
            if (Current.Kind == close)
                break;

            _tokens.Expect(TokenKind.Comma, expected);
        }

        return items;
    }

    private Expr ParsePrimary()
    {
        var start = Current;
        switch (Current.Kind)
        {
            case TokenKind.Integer: return ParseInteger();
            case TokenKind.String: return new LiteralExpr(Value.Of(_tokens.ParseString("a string")), start.Span);
            case TokenKind.OpenParen:
                _tokens.Advance();
                var inner = ParseExpr();
                _tokens.Expect(TokenKind.CloseParen, "an operator, or `)`");
                return inner;
            case TokenKind.OpenBracket:
                _tokens.Advance();
                var items = ParseList(TokenKind.CloseBracket, "an operator, `,` or `]`");
                _tokens.Expect(TokenKind.CloseBracket, "`]`");
                return Checked(new SetExpr(items, _tokens.SpanFrom(start.Start)));
            case TokenKind.OpenBrace: return ParseRecord();
            case TokenKind.Slot:
                throw _tokens.Fail(start, $"the slot `{_tokens.TextOf(start)}` is not allowed in a condition",
                    "use it in the scope: `principal == ?principal`");
            case TokenKind.Identifier: return ParseNamed();
            default: throw _tokens.Unexpected("an expression");
        }
    }

    private LiteralExpr ParseInteger()
    {
        var token = Current;
        var negative = ParseNegated(token);
        _tokens.Advance();
        return negative == long.MinValue ? throw TooLarge(token) : new LiteralExpr(Value.Of(-negative), token.Span);
    }

    /// <summary>An integer behind a minus, which belongs to the number: only so can the smallest Long be written. In <c>-1.f()</c> it does
    /// not, for the access binds tighter.</summary>
    private LiteralExpr ParseInteger(int minusStart, out bool isNegative)
    {
        var token = Current;
        var negative = ParseNegated(token);
        _tokens.Advance();
        isNegative = Current.Kind is not (TokenKind.Dot or TokenKind.OpenBracket);
        if (isNegative)
            return new LiteralExpr(Value.Of(negative), _tokens.SpanFrom(minusStart));

        return negative == long.MinValue ? throw TooLarge(token) : new LiteralExpr(Value.Of(-negative), token.Span);
    }

    private readonly long ParseNegated(Token token)
    {
        long negative = 0;
        foreach (var digit in _tokens.Source.Utf8.Slice(token.Start, token.Length))
        {
            if (!AsciiDigits.TryAppendNegative(ref negative, (char)digit))
                throw TooLarge(token);
        }

        return negative;
    }

    private readonly SyntaxException TooLarge(Token token) =>
        _tokens.Fail(
            token, $"`{_tokens.TextOf(token)}` is too large",
            $"the maximum of a Long is {long.MaxValue.ToString(CultureInfo.InvariantCulture)}");

    private Expr ParseRecord()
    {
        var start = Current.Start;
        _tokens.Advance();
        var fields = new List<KeyValuePair<string, Expr>>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        while (Current.Kind != TokenKind.CloseBrace)
        {
            var keyToken = Current;
            var key = Current.Kind == TokenKind.String ? _tokens.ParseString("the name of an attribute")
                : _tokens.ExpectName("the name of an attribute, or `}`");
            _tokens.Expect(TokenKind.Colon, "`:` and a value");
            fields.Add(new(key, ParseExpr()));
            if (!names.Add(key))
                throw _tokens.Fail(keyToken, $"the attribute `{key}` occurs twice in this record", "keep one");

            if (Current.Kind == TokenKind.CloseBrace)
                break;

            _tokens.Expect(TokenKind.Comma, "an operator, `,` or `}`");
        }

        _tokens.Expect(TokenKind.CloseBrace, "`}`");
        return Checked(new RecordExpr(fields, _tokens.SpanFrom(start)));
    }

    /// <summary>What begins with a word: a truth value, a variable, an entity, or a function call.</summary>
    private Expr ParseNamed()
    {
        var start = Current;
        if (_tokens.IsWord("true"u8) || _tokens.IsWord("false"u8))
        {
            var value = _tokens.IsWord("true"u8);
            _tokens.Advance();
            return new LiteralExpr(Value.Of(value), start.Span);
        }

        var path = _tokens.ParsePathOrEntity(out var entity);
        if (entity is not null)
            return new LiteralExpr(Value.Of(entity), _tokens.SpanFrom(start.Start));

        if (Current.Kind == TokenKind.OpenParen)
            return ParseFunctionCall(start, path);

        var variable = path switch
        {
            "principal" => Variable.Principal,
            "action" => Variable.Action,
            "resource" => Variable.Resource,
            "context" => Variable.Context,
            _ => throw _tokens.Fail(start, $"`{_tokens.BriefTextOf(start)}` is not a variable",
                HelpForWord(path)
                    ?? "the variables are `principal`, `action`, `resource` and `context`; an entity is written `Type::\"id\"`, a string "
                        + "in quotes"),
        };
        return new VariableExpr(variable, start.Span);
    }

    private static string? HelpForWord(string word) => word is "not" or "NOT" or "Not"
        ? "`not` is written `!`"
        : new Suggestions().For(word, ["principal", "action", "resource", "context", "true", "false"]);

    private CallExpr ParseFunctionCall(Token start, string name)
    {
        var arguments = ParseArguments();
        if (!ExtensionFunction.TryFind(name, _release, out var function))
        {
            throw _tokens.Fail(start, $"`{name}` is not a function",
                HelpForWord(name) is { } help && help.EndsWith("`!`", StringComparison.Ordinal) ? help
                    : "the functions are `ip`, `decimal`, `datetime` and `duration`");
        }

        return function.IsMethod
            ? throw _tokens.Fail(start, $"`{name}` is a method, not a function", $"write `x.{name}(…)`")
            : Checked(new CallExpr(function, arguments, _tokens.SpanFrom(start.Start)));
    }

    private readonly T Checked<T>(T expr)
        where T : Expr => !expr.IsTooDeep
            ? expr
            : throw _tokens.FailAt(expr.Span.Start, $"the expression is nested more than {Expr.MaxDepth} deep",
                "split it over several `when` clauses or policies");
}
