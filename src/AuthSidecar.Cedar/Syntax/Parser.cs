using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;

namespace AuthSidecar.Cedar;

/// <summary>
/// A recursive-descent parser for Cedar policies, after the reference grammar. It reads UTF-8 and reports the first fault of
/// every policy: behind a fault it goes on after the next semicolon.
/// </summary>
internal ref struct Parser
{
    private readonly SourceText _source;
    private readonly List<Fault> _faults;
    private Lexer _lexer;
    private Token _token;
    private int _previousEnd;
    private int _nesting;

    private Parser(SourceText source, List<Fault> faults)
    {
        _source = source;
        _faults = faults;
        _lexer = new Lexer(source.Utf8);
        Advance();
    }

    /// <summary>Parses a text of policies and templates. Any fault at all leaves the list incomplete: use it only when there is none.</summary>
    public static List<PolicySyntax> ParsePolicies(SourceText source, List<Fault> faults)
    {
        var parser = new Parser(source, faults);
        var policies = new List<PolicySyntax>();
        while (parser._token.Kind != TokenKind.End)
        {
            try
            {
                policies.Add(parser.ParsePolicy());
            }
            catch (SyntaxException e)
            {
                faults.Add(e.Fault);
                parser.SkipBehindSemicolon();
            }
        }

        return policies;
    }

    /// <summary>Parses a single expression that fills the text.</summary>
    public static Expr? ParseExpression(SourceText source, List<Fault> faults)
    {
        var parser = new Parser(source, faults);
        try
        {
            var expr = parser.ParseExpr();
            parser.Expect(TokenKind.End, "the end of the expression");
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
        var parser = new Parser(SourceText.Of(text), []);
        (uid, fault) = (null, null);
        try
        {
            var read = parser.ParseEntityUid();
            parser.Expect(TokenKind.End, "the end of the entity uid");
            uid = read;
            return true;
        }
        catch (SyntaxException e)
        {
            fault = e.Fault;
            return false;
        }
    }

    // ------------------------------------------------------------------ policies

    private PolicySyntax ParsePolicy()
    {
        var start = _token.Start;
        var annotations = ParseAnnotations();
        var effect = ParseEffect();
        Expect(TokenKind.OpenParen, "`(` and the scope");
        var principal = ParseScopeVariable("principal", slot: "?principal");
        Expect(TokenKind.Comma, "`,` and then `action`");
        var action = ParseActionScope();
        Expect(TokenKind.Comma, "`,` and then `resource`");
        var resource = ParseScopeVariable("resource", slot: "?resource");
        if (_token.Kind == TokenKind.Comma)
        {
            Advance();
        }

        Expect(TokenKind.CloseParen, "`)` behind the scope");
        var conditions = ParseConditions();
        Expect(TokenKind.Semicolon, "`when`, `unless`, or `;` to end the policy");
        return new PolicySyntax(effect, annotations, principal, action, resource, conditions, SpanFrom(start));
    }

    private List<KeyValuePair<string, string?>> ParseAnnotations()
    {
        var annotations = new List<KeyValuePair<string, string?>>();
        while (_token.Kind == TokenKind.At)
        {
            Advance();
            var keyToken = _token;
            // Any identifier will do, reserved words included.
            var key = ExpectWord("the name of an annotation");
            string? value = null;
            if (_token.Kind == TokenKind.OpenParen)
            {
                Advance();
                value = ParseString("the text of the annotation");
                Expect(TokenKind.CloseParen, "`)` behind the annotation");
            }

            if (annotations.Exists(a => string.Equals(a.Key, key, StringComparison.Ordinal)))
            {
                throw Fail(keyToken, $"the annotation `@{key}` occurs twice on this policy", "keep one");
            }

            annotations.Add(new(key, value));
        }

        return annotations;
    }

    private Effect ParseEffect()
    {
        var effect = IsWord("permit"u8) ? Effect.Permit
            : IsWord("forbid"u8) ? Effect.Forbid
            : throw Unexpected("`permit` or `forbid`");
        Advance();
        return effect;
    }

    private ScopeConstraint ParseScopeVariable(string variable, string slot)
    {
        ExpectScopeVariable(variable);
        if (_token.Kind == TokenKind.Equal)
        {
            Advance();
            return ParseEntityOrSlot(ScopeOperator.Equal, type: null, slot);
        }

        if (IsWord("in"u8))
        {
            Advance();
            return ParseEntityOrSlot(ScopeOperator.In, type: null, slot);
        }

        if (IsWord("is"u8))
        {
            Advance();
            var type = ParsePath("an entity type");
            if (!IsWord("in"u8))
            {
                return new ScopeConstraint(ScopeOperator.Is, type);
            }

            Advance();
            return ParseEntityOrSlot(ScopeOperator.IsIn, type, slot);
        }

        return ScopeConstraint.Any;
    }

    private ScopeConstraint ParseEntityOrSlot(ScopeOperator op, string? type, string slot)
    {
        if (_token.Kind != TokenKind.Slot)
        {
            return new ScopeConstraint(op, type, [ParseEntityUid()]);
        }

        if (!string.Equals(TextOf(_token), slot, StringComparison.Ordinal))
        {
            throw Fail(_token, $"the slot `{TextOf(_token)}` cannot stand here", $"use `{slot}`");
        }

        Advance();
        return new ScopeConstraint(op, type, HasSlot: true);
    }

    private ScopeConstraint ParseActionScope()
    {
        ExpectScopeVariable("action");
        if (_token.Kind == TokenKind.Equal)
        {
            Advance();
            return new ScopeConstraint(ScopeOperator.Equal, Entities: [ParseActionUid()]);
        }

        if (!IsWord("in"u8))
        {
            return ScopeConstraint.Any;
        }

        Advance();
        if (_token.Kind != TokenKind.OpenBracket)
        {
            return new ScopeConstraint(ScopeOperator.In, Entities: [ParseActionUid()]);
        }

        Advance();
        var actions = new List<EntityUid>();
        while (_token.Kind != TokenKind.CloseBracket)
        {
            actions.Add(ParseActionUid());
            if (_token.Kind != TokenKind.Comma)
            {
                break;
            }

            Advance();
        }

        Expect(TokenKind.CloseBracket, "`,` or `]`");
        return new ScopeConstraint(ScopeOperator.InAny, Entities: actions);
    }

    private EntityUid ParseActionUid()
    {
        var start = _token;
        var uid = ParseEntityUid();
        var lastComponent = uid.Type.AsSpan(uid.Type.LastIndexOf(':') + 1);
        return lastComponent is "Action"
            ? uid
            : throw Fail(start, $"`{uid}` is not an action", "an action's type is `Action`, or ends in `::Action`");
    }

    private void ExpectScopeVariable(string variable)
    {
        if (_token.Kind != TokenKind.Identifier || !string.Equals(TextOf(_token), variable, StringComparison.Ordinal))
        {
            throw Unexpected($"`{variable}`", "the scope names `principal`, `action` and `resource`, in this order");
        }

        Advance();
    }

    private List<Condition> ParseConditions()
    {
        var conditions = new List<Condition>();
        while (IsWord("when"u8) || IsWord("unless"u8))
        {
            var start = _token.Start;
            var isUnless = IsWord("unless"u8);
            Advance();
            Expect(TokenKind.OpenBrace, "`{` and the condition");
            var body = ParseExpr();
            Expect(TokenKind.CloseBrace, "an operator, or `}` to end the condition");
            conditions.Add(new Condition(isUnless, body, SpanFrom(start)));
        }

        return conditions;
    }

    // ------------------------------------------------------------------ expressions, loosest binding first

    private Expr ParseExpr()
    {
        if (++_nesting > Expr.MaxDepth)
        {
            throw Fail(_token, $"the expression is nested more than {Expr.MaxDepth} deep", "split it over several `when` clauses or policies");
        }

        var expr = IsWord("if"u8) ? ParseIf() : ParseOr();
        _nesting--;
        return expr;
    }

    private Expr ParseIf()
    {
        var start = _token.Start;
        Advance();
        var condition = ParseExpr();
        ExpectKeyword("then"u8, "an operator, or `then`");
        var then = ParseExpr();
        ExpectKeyword("else"u8, "an operator, or `else`");
        var otherwise = ParseExpr();
        return Checked(new IfExpr(condition, then, otherwise, SpanFrom(start)));
    }

    private Expr ParseOr()
    {
        var start = _token.Start;
        var first = ParseAnd();
        if (_token.Kind != TokenKind.Or)
        {
            return first;
        }

        var operands = new List<Expr> { first };
        while (_token.Kind == TokenKind.Or)
        {
            Advance();
            operands.Add(ParseAnd());
        }

        return Checked(new LogicExpr(isAnd: false, operands, SpanFrom(start)));
    }

    private Expr ParseAnd()
    {
        var start = _token.Start;
        var first = ParseRelation();
        if (_token.Kind != TokenKind.And)
        {
            return first;
        }

        var operands = new List<Expr> { first };
        while (_token.Kind == TokenKind.And)
        {
            Advance();
            operands.Add(ParseRelation());
        }

        return Checked(new LogicExpr(isAnd: true, operands, SpanFrom(start)));
    }

    private Expr ParseRelation()
    {
        var start = _token.Start;
        var left = ParseSum();
        if (TryRelation(out var op))
        {
            Advance();
            var right = ParseSum();
            if (TryRelation(out _))
            {
                throw Fail(_token, $"`{TextOf(_token)}` behind another comparison is ambiguous", "put parentheses around one of them");
            }

            return Checked(new BinaryExpr(op, left, right, SpanFrom(start)));
        }

        if (IsWord("has"u8))
        {
            Advance();
            return Checked(new HasExpr(left, ParseHasPath(), SpanFrom(start)));
        }

        if (IsWord("like"u8))
        {
            Advance();
            return Checked(new LikeExpr(left, ParsePattern(), SpanFrom(start)));
        }

        if (IsWord("is"u8))
        {
            Advance();
            var type = ParsePath("an entity type");
            Expr? group = null;
            if (IsWord("in"u8))
            {
                Advance();
                group = ParseSum();
            }

            return Checked(new IsExpr(left, type, group, SpanFrom(start)));
        }

        return left;
    }

    private readonly bool TryRelation(out BinaryOperator op)
    {
        op = _token.Kind switch
        {
            TokenKind.Equal => BinaryOperator.Equal,
            TokenKind.NotEqual => BinaryOperator.NotEqual,
            TokenKind.Less => BinaryOperator.Less,
            TokenKind.LessOrEqual => BinaryOperator.LessOrEqual,
            TokenKind.Greater => BinaryOperator.Greater,
            TokenKind.GreaterOrEqual => BinaryOperator.GreaterOrEqual,
            TokenKind.Identifier when IsWord("in"u8) => BinaryOperator.In,
            _ => default,
        };
        return op != default;
    }

    private List<string> ParseHasPath()
    {
        if (_token.Kind == TokenKind.String)
        {
            return [ParseString("the name of an attribute")];
        }

        var path = new List<string> { ExpectName("the name of an attribute") };
        while (_token.Kind == TokenKind.Dot)
        {
            Advance();
            path.Add(ExpectName("the name of an attribute"));
        }

        return path;
    }

    private Expr ParseSum()
    {
        var start = _token.Start;
        var left = ParseProduct();
        while (_token.Kind is TokenKind.Plus or TokenKind.Minus)
        {
            var op = _token.Kind == TokenKind.Plus ? BinaryOperator.Add : BinaryOperator.Subtract;
            Advance();
            left = Checked(new BinaryExpr(op, left, ParseProduct(), SpanFrom(start)));
        }

        return left;
    }

    private Expr ParseProduct()
    {
        var start = _token.Start;
        var left = ParseUnary();
        while (_token.Kind == TokenKind.Star)
        {
            Advance();
            left = Checked(new BinaryExpr(BinaryOperator.Multiply, left, ParseUnary(), SpanFrom(start)));
        }

        if (_token.Kind is TokenKind.Slash or TokenKind.Percent)
        {
            throw Fail(_token, $"Cedar has no operator `{TextOf(_token)}`", "multiply instead, or compare multiples");
        }

        return left;
    }

    private Expr ParseUnary()
    {
        const int MostSigns = 4;
        var sign = _token.Kind;
        if (sign is not (TokenKind.Not or TokenKind.Minus))
        {
            return ParseMember();
        }

        var starts = new List<int>(MostSigns);
        while (_token.Kind == sign)
        {
            if (starts.Count == MostSigns)
            {
                throw Fail(_token, $"more than four `{TextOf(_token)}` in a row", "take them away in pairs");
            }

            starts.Add(_token.Start);
            Advance();
        }

        Expr expr;
        if (sign == TokenKind.Minus && _token.Kind == TokenKind.Integer)
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
            expr = Checked(new UnaryExpr(sign == TokenKind.Not ? UnaryOperator.Not : UnaryOperator.Negate, expr, SpanFrom(starts[i])));
        }

        return expr;
    }

    private Expr ParseMember() => ParseAccesses(ParsePrimary());

    private Expr ParseAccesses(Expr target)
    {
        while (true)
        {
            switch (_token.Kind)
            {
                case TokenKind.Dot:
                    Advance();
                    var nameToken = _token;
                    var name = ExpectName("the name of an attribute or method");
                    target = Checked(_token.Kind == TokenKind.OpenParen
                        ? ParseMethodCall(target, nameToken, name)
                        : new AttributeExpr(target, name, SpanFrom(target.Span.Start)));
                    break;
                case TokenKind.OpenBracket:
                    Advance();
                    var attribute = ParseString("the name of an attribute as a string");
                    Expect(TokenKind.CloseBracket, "`]`");
                    target = Checked(new AttributeExpr(target, attribute, SpanFrom(target.Span.Start)));
                    break;
                default:
                    return target;
            }
        }
    }

    private Expr ParseMethodCall(Expr target, Token nameToken, string name)
    {
        var arguments = ParseArguments();
        var span = SpanFrom(target.Span.Start);
        if (BuiltInMethods.TryGetValue(name, out var op))
        {
            return arguments.Count == 1
                ? new BinaryExpr(op, target, arguments[0], span)
                : throw Fail(nameToken, $"`{name}` takes one argument, not {arguments.Count}");
        }

        if (name == "isEmpty")
        {
            return arguments.Count == 0
                ? new UnaryExpr(UnaryOperator.IsEmpty, target, span)
                : throw Fail(nameToken, $"`isEmpty` takes no argument, not {arguments.Count}");
        }

        if (!ExtensionFunction.TryFind(name, out var function))
        {
            throw Fail(nameToken, $"`{name}` is not a method", "Cedar's methods are listed in docs.cedarpolicy.com/policies/syntax-operators.html");
        }

        return function.IsMethod
            ? new CallExpr(function, [target, .. arguments], span)
            : throw Fail(nameToken, $"`{name}` is a function, not a method", $"write `{name}(…)`");
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
        Expect(TokenKind.OpenParen, "`(`");
        var arguments = ParseList(TokenKind.CloseParen, "`,` or `)`");
        Expect(TokenKind.CloseParen, "`,` or `)`");
        return arguments;
    }

    /// <summary>Expressions with commas between them, one of which may stand behind the last.</summary>
    private List<Expr> ParseList(TokenKind close, string expected)
    {
        var items = new List<Expr>();
        while (_token.Kind != close)
        {
            items.Add(ParseExpr());
            if (_token.Kind == close)
            {
                break;
            }

            Expect(TokenKind.Comma, expected);
        }

        return items;
    }

    private Expr ParsePrimary()
    {
        var start = _token;
        switch (_token.Kind)
        {
            case TokenKind.Integer:
                return ParseInteger();
            case TokenKind.String:
                return new LiteralExpr(Value.Of(ParseString("a string")), start.Span);
            case TokenKind.OpenParen:
                Advance();
                var inner = ParseExpr();
                Expect(TokenKind.CloseParen, "an operator, or `)`");
                return inner;
            case TokenKind.OpenBracket:
                Advance();
                var items = ParseList(TokenKind.CloseBracket, "an operator, `,` or `]`");
                Expect(TokenKind.CloseBracket, "`]`");
                return Checked(new SetExpr(items, SpanFrom(start.Start)));
            case TokenKind.OpenBrace:
                return ParseRecord();
            case TokenKind.Slot:
                throw Fail(start, $"the slot `{TextOf(start)}` cannot stand in a condition", "slots belong into the scope: `principal == ?principal`");
            case TokenKind.Identifier:
                return ParseNamed();
            default:
                throw Unexpected("an expression");
        }
    }

    private LiteralExpr ParseInteger()
    {
        var token = _token;
        var negative = ParseNegated(token);
        Advance();
        return negative == long.MinValue ? throw TooLarge(token) : new LiteralExpr(Value.Of(-negative), token.Span);
    }

    /// <summary>
    /// An integer behind a minus, which belongs to the number: only so can the smallest Long be written. In <c>-1.f()</c> it does not,
    /// for the access binds tighter.
    /// </summary>
    private LiteralExpr ParseInteger(int minusStart, out bool isNegative)
    {
        var token = _token;
        var negative = ParseNegated(token);
        Advance();
        isNegative = _token.Kind is not (TokenKind.Dot or TokenKind.OpenBracket);
        if (isNegative)
        {
            return new LiteralExpr(Value.Of(negative), SpanFrom(minusStart));
        }

        return negative == long.MinValue ? throw TooLarge(token) : new LiteralExpr(Value.Of(-negative), token.Span);
    }

    private readonly long ParseNegated(Token token)
    {
        long negative = 0;
        foreach (var digit in _source.Utf8.Slice(token.Start, token.Length))
        {
            if (!AsciiDigits.TryAppendNegative(ref negative, (char)digit))
            {
                throw TooLarge(token);
            }
        }

        return negative;
    }

    private readonly SyntaxException TooLarge(Token token) =>
        Fail(token, $"`{TextOf(token)}` is too large", $"a Long goes up to {long.MaxValue.ToString(CultureInfo.InvariantCulture)}");

    private Expr ParseRecord()
    {
        var start = _token.Start;
        Advance();
        var fields = new List<KeyValuePair<string, Expr>>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        while (_token.Kind != TokenKind.CloseBrace)
        {
            var keyToken = _token;
            var key = _token.Kind == TokenKind.String ? ParseString("the name of an attribute") : ExpectName("the name of an attribute, or `}`");
            Expect(TokenKind.Colon, "`:` and a value");
            fields.Add(new(key, ParseExpr()));
            if (!names.Add(key))
            {
                throw Fail(keyToken, $"the attribute `{key}` occurs twice in this record", "keep one");
            }

            if (_token.Kind == TokenKind.CloseBrace)
            {
                break;
            }

            Expect(TokenKind.Comma, "an operator, `,` or `}`");
        }

        Expect(TokenKind.CloseBrace, "`}`");
        return Checked(new RecordExpr(fields, SpanFrom(start)));
    }

    /// <summary>What begins with a word: a truth value, a variable, an entity, or a function call.</summary>
    private Expr ParseNamed()
    {
        var start = _token;
        if (IsWord("true"u8) || IsWord("false"u8))
        {
            var value = IsWord("true"u8);
            Advance();
            return new LiteralExpr(Value.Of(value), start.Span);
        }

        var path = ParsePathOrEntity(out var entity);
        if (entity is not null)
        {
            return new LiteralExpr(Value.Of(entity), SpanFrom(start.Start));
        }

        if (_token.Kind == TokenKind.OpenParen)
        {
            return ParseFunctionCall(start, path);
        }

        var variable = path switch
        {
            "principal" => Variable.Principal,
            "action" => Variable.Action,
            "resource" => Variable.Resource,
            "context" => Variable.Context,
            _ => throw Fail(start, $"`{path}` is not a variable", "the variables are `principal`, `action`, `resource` and `context`; an entity is written `Type::\"id\"`, a string in quotes"),
        };
        return new VariableExpr(variable, start.Span);
    }

    private CallExpr ParseFunctionCall(Token start, string name)
    {
        var arguments = ParseArguments();
        if (!ExtensionFunction.TryFind(name, out var function))
        {
            throw Fail(start, $"`{name}` is not a function", "the functions are `ip`, `decimal`, `datetime` and `duration`");
        }

        return function.IsMethod
            ? throw Fail(start, $"`{name}` is a method, not a function", $"write `x.{name}(…)`")
            : Checked(new CallExpr(function, arguments, SpanFrom(start.Start)));
    }

    // ------------------------------------------------------------------ names and strings

    private EntityUid ParseEntityUid()
    {
        if (_token.Kind != TokenKind.Identifier)
        {
            throw Unexpected("an entity such as `User::\"alice\"`");
        }

        ParsePathOrEntity(out var entity);
        return entity ?? throw Unexpected("`::` and the entity's id in quotes");
    }

    private string ParsePath(string expected)
    {
        if (_token.Kind != TokenKind.Identifier)
        {
            throw Unexpected(expected);
        }

        var path = ParsePathOrEntity(out var entity);
        return entity is null ? path : throw new SyntaxException(Fault.At(_source, _previousEnd, $"expected {expected}, found the entity `{entity}`"));
    }

    /// <summary>Words joined by <c>::</c>; when a string follows the last <c>::</c>, it was an entity.</summary>
    private string ParsePathOrEntity(out EntityUid? entity)
    {
        entity = null;
        var path = ExpectName("a name");
        while (_token.Kind == TokenKind.PathSeparator)
        {
            Advance();
            if (_token.Kind == TokenKind.String)
            {
                entity = EntityUid.OfCheckedType(path, ParseString("the entity's id"));
                return path;
            }

            path = $"{path}::{ExpectName("a name, or the entity's id in quotes")}";
        }

        return path;
    }

    /// <summary>An identifier that is not reserved.</summary>
    private string ExpectName(string expected)
    {
        var token = _token;
        var word = ExpectWord(expected);
        if (Identifier.IsReserved(word))
        {
            throw Fail(token, $"the word `{word}` is reserved", $"expected {expected}; as a string it may name an attribute: `[\"{word}\"]`, `has \"{word}\"`");
        }

        return word != "__cedar" ? word : throw Fail(token, "the word `__cedar` is reserved");
    }

    private string ExpectWord(string expected)
    {
        if (_token.Kind != TokenKind.Identifier)
        {
            throw Unexpected(expected);
        }

        var word = TextOf(_token);
        Advance();
        return word;
    }

    private string ParseString(string expected)
    {
        if (_token.Kind != TokenKind.String)
        {
            throw Unexpected(expected);
        }

        var pieces = DecodeString(isPattern: false);
        return pieces[0];
    }

    private Pattern ParsePattern() => _token.Kind == TokenKind.String
        ? new Pattern(DecodeString(isPattern: true))
        : throw Unexpected("a pattern in quotes");

    /// <summary>Decodes the string token; in a pattern, <c>*</c> cuts it into pieces and <c>\*</c> is a star.</summary>
    private List<string> DecodeString(bool isPattern)
    {
        var token = _token;
        var inside = _source.Utf8.Slice(token.Start + 1, token.Length - 2);
        var pieces = new List<string>(1);
        var piece = new StringBuilder();
        while (!inside.IsEmpty)
        {
            var stop = isPattern ? inside.IndexOfAny((byte)'\\', (byte)'*') : inside.IndexOf((byte)'\\');
            AppendPlain(piece, stop < 0 ? inside : inside[..stop], token);
            if (stop < 0)
            {
                break;
            }

            var isWildcard = inside[stop] == '*';
            inside = inside[(stop + 1)..];
            if (isWildcard)
            {
                pieces.Add(piece.ToString());
                piece.Clear();
            }
            else if (isPattern && inside.StartsWith("*"u8))
            {
                piece.Append('*');
                inside = inside[1..];
            }
            else
            {
                var escapeStart = token.Start + token.Length - 2 - inside.Length;
                if (!StringLiteral.TryDecodeEscape(ref inside, out var rune))
                {
                    throw new SyntaxException(Fault.At(_source, escapeStart, "this is no escape", "the escapes are \\n \\r \\t \\0 \\\\ \\\" \\' \\x7f \\u{1f600}, and \\* in patterns"));
                }

                piece.Append(rune);
            }
        }

        pieces.Add(piece.ToString());
        Advance();
        return pieces;
    }

    private readonly void AppendPlain(StringBuilder piece, ReadOnlySpan<byte> utf8, Token token)
    {
        if (!System.Text.Unicode.Utf8.IsValid(utf8))
        {
            throw Fail(token, "this string is not valid UTF-8");
        }

        piece.Append(Encoding.UTF8.GetString(utf8));
    }

    // ------------------------------------------------------------------ tokens and faults

    private void Advance()
    {
        _previousEnd = _token.Start + _token.Length;
        _token = _lexer.Next();
    }

    private void Expect(TokenKind kind, string expected)
    {
        if (_token.Kind != kind)
        {
            throw Unexpected(expected);
        }

        Advance();
    }

    private void ExpectKeyword(ReadOnlySpan<byte> keyword, string expected)
    {
        if (!IsWord(keyword))
        {
            throw Unexpected(expected);
        }

        Advance();
    }

    private readonly bool IsWord(ReadOnlySpan<byte> word) =>
        _token.Kind == TokenKind.Identifier && _source.Utf8.Slice(_token.Start, _token.Length).SequenceEqual(word);

    private readonly SourceSpan SpanFrom(int start) => new(start, _previousEnd - start);

    private readonly string TextOf(Token token) => _source[token.Span];

    private readonly T Checked<T>(T expr)
        where T : Expr => expr.Depth <= Expr.MaxDepth
            ? expr
            : throw new SyntaxException(Fault.At(_source, expr.Span.Start, $"the expression is nested more than {Expr.MaxDepth} deep", "split it over several `when` clauses or policies"));

    private readonly SyntaxException Fail(Token token, string message, string? help = null) => new(Fault.At(_source, token.Start, message, help));

    private readonly SyntaxException Unexpected(string expected, string? help = null) => Fail(
        _token,
        _token.Kind switch
        {
            TokenKind.End => $"expected {expected}, but the text ends",
            TokenKind.InvalidUtf8 => "this is not valid UTF-8",
            TokenKind.UnterminatedString => "this string has no end",
            _ => $"expected {expected}, found `{TextOf(_token)}`",
        },
        help);

    private void SkipBehindSemicolon()
    {
        while (_token.Kind is not (TokenKind.Semicolon or TokenKind.End))
        {
            Advance();
        }

        if (_token.Kind == TokenKind.Semicolon)
        {
            Advance();
        }

        _nesting = 0;
    }

    /// <summary>
    /// Carries a fault from the depth of the descent to the policy's loop. It never leaves this file: faults are values for everyone else,
    /// but threading one through every level of a recursive descent would bury the grammar.
    /// </summary>
    private sealed class SyntaxException(Fault fault) : Exception
    {
        public Fault Fault { get; } = fault;
    }
}
