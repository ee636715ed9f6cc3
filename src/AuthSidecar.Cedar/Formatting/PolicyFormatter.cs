namespace AuthSidecar.Cedar;

/// <summary>Formats policies; comments are kept. It works on tokens, so that what is written stays: redundant parentheses, escapes,
/// trailing commas. As of Cedar 4.15, attribute names that are identifiers lose their quotes: <c>a["b"]</c> becomes <c>a.b</c>, <c>has
/// "b"</c> becomes <c>has b</c>.</summary>
public sealed class PolicyFormatter
{
    private readonly List<FormatterToken> _tokens;
    private readonly bool _dropsQuotes;
    private int _at;

    private PolicyFormatter(List<FormatterToken> tokens, CedarRelease release) =>
        (_tokens, _dropsQuotes) = (tokens, release >= CedarRelease.V4_15);

    /// <summary>Formats a text. Formatting twice changes nothing.</summary>
    /// <param name="text">The policies.</param>
    /// <param name="formatted">The formatted text.</param>
    /// <param name="faults">Why the text cannot be parsed.</param>
    /// <param name="lineWidth">The line width in characters, exceeded only where a line cannot be broken; 1 or more.</param>
    /// <param name="indentSize">The indentation width in spaces; 0 or more.</param>
    /// <param name="release">The release of Cedar to behave as.</param>
    /// <returns>False when the text has faults.</returns>
    public static bool TryFormat(
        SourceText text, [NotNullWhen(true)] out string? formatted, out IReadOnlyList<Fault> faults, int lineWidth = 100,
        int indentSize = 2, CedarRelease release = CedarReleases.Latest)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentOutOfRangeException.ThrowIfLessThan(lineWidth, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(indentSize);
        formatted = null;
        var found = new List<Fault>();
        faults = found;
        Parser.ParsePolicies(text, release, found);
        if (found.Count > 0)
            return false;

        formatted = (text.Start > 0 ? "\ufeff" : "") + new PolicyFormatter(FormatterToken.ReadAll(text), release).Policies()
            .Print(lineWidth, indentSize);
        return true;
    }

    private FormatterToken Current => _tokens[_at];
    private bool IsWord(string word) => Current.Kind == TokenKind.Identifier && Current.Text == word;

    /// <summary>The next token, with its comments.</summary>
    private Layout Take()
    {
        var token = _tokens[_at++];
        var parts = new List<Layout>();
        foreach (var comment in token.Before)
            parts.Add(Layout.Comment(comment.Text, isTrailing: false));

        parts.Add(Layout.Text(token.Text));
        if (token.After is { } after)
            parts.Add(Layout.Comment(after, isTrailing: true));

        return parts.Count == 1 ? parts[0] : Layout.Of(parts);
    }

    /// <summary>The comments before the next token, which begins something at the outermost level: there, empty lines between them
    /// stay.</summary>
    private void AddCommentsBefore(List<Layout> parts)
    {
        foreach (var comment in Current.Before)
        {
            if (comment.IsBehindEmptyLine)
                parts.Add(Layout.EmptyLine);

            parts.Add(Layout.Comment(comment.Text, isTrailing: false));
        }

        if (Current.IsBehindEmptyLine && Current.Before.Count > 0 && Current.Kind != TokenKind.End)
            parts.Add(Layout.EmptyLine);

        _tokens[_at] = Current with { Before = [] };
    }

    // ------------------------------------------------------------------ policies

    private Layout Policies()
    {
        var parts = new List<Layout>();
        while (Current.Kind != TokenKind.End)
        {
            // An empty line between two policies, whatever stood there.
            parts.Add(Layout.EmptyLine);
            AddCommentsBefore(parts);
            parts.Add(Policy());
        }

        AddCommentsBefore(parts);
        parts.Add(Layout.HardLine);
        return Layout.Of(parts);
    }

    private Layout Policy()
    {
        var parts = new List<Layout>();
        while (Current.Kind == TokenKind.At)
        {
            parts.AddRange([Take(), Take()]);
            if (Current.Kind == TokenKind.OpenParen)
                parts.AddRange([Take(), Take(), Take()]);

            parts.Add(Layout.HardLine);
        }

        parts.Add(Take());
        parts.Add(Layout.Text(" "));
        parts.Add(Bracketed(Layout.SoftLine, ScopeTest));
        while (Current.Kind != TokenKind.Semicolon)
        {
            parts.Add(Layout.HardLine);
            parts.Add(Take());
            parts.Add(Layout.Text(" "));
            parts.Add(Bracketed(Layout.Line, Expr));
        }

        parts.Add(Take());
        return Layout.Of(parts);
    }

    /// <summary>A variable of the scope with what is asked of it.</summary>
    private Layout ScopeTest()
    {
        var parts = new List<Layout> { Take() };
        while (Current.Kind is not (TokenKind.Comma or TokenKind.CloseParen))
        {
            parts.Add(Layout.Text(" "));
            parts.Add(Current.Kind is TokenKind.Equal || IsWord("in") || IsWord("is") ? Take()
                : Current.Kind == TokenKind.Slot ? Take() : Primary());
        }

        return Layout.Of(parts);
    }

    /// <summary>A bracket, what is in it with commas between, and the bracket that closes it.</summary>
    private Layout Bracketed(Layout edge, Func<Layout> item)
    {
        var open = Take();
        var inside = new List<Layout>();
        while (!IsClosing(Current.Kind))
        {
            inside.Add(inside.Count == 0 ? edge : Layout.Line);
            inside.Add(item());
            if (Current.Kind == TokenKind.Comma)
                inside.Add(Take());
        }

        // Comments at the end belong to what is inside.
        foreach (var comment in Current.Before)
            inside.Add(Layout.Comment(comment.Text, isTrailing: false));

        _tokens[_at] = Current with { Before = [] };
        return inside.Count == 0 ? Layout.Group(open, Take()) : Layout.Group(open, Layout.Indent(inside), edge, Take());
    }

    private static bool IsClosing(TokenKind kind) => kind is TokenKind.CloseParen or TokenKind.CloseBrace or TokenKind.CloseBracket;

    // ------------------------------------------------------------------ expressions, loosest binding first

    private Layout Expr()
    {
        if (!IsWord("if"))
        {
            // What binds tighter stands further in, so that `a && b || c` is not read as it does not bind.
            var isAlternative = IsAlternative();
            return Chain(TokenKind.Or, () => Chain(TokenKind.And, Relation, isAlternative), isInner: false);
        }

        return Layout.Group(
            Take(), Layout.Text(" "), Layout.Indent(Expr()),
            Layout.Line, Take(), Layout.Text(" "), Layout.Indent(Expr()),
            Layout.Line, Take(), Layout.Text(" "), Layout.Indent(Expr()));
    }

    /// <summary>Whether there is an `||` in this expression, brackets apart.</summary>
    private bool IsAlternative()
    {
        var depth = 0;
        for (var i = _at; depth >= 0 && _tokens[i].Kind is not (TokenKind.Semicolon or TokenKind.End); i++)
        {
            var kind = _tokens[i].Kind;
            if (depth == 0
                && (kind is TokenKind.Or or TokenKind.Comma || _tokens[i] is { Kind: TokenKind.Identifier, Text: "then" or "else" }))
            {
                return kind == TokenKind.Or;
            }

            depth += IsClosing(kind) ? -1 : kind is TokenKind.OpenParen or TokenKind.OpenBrace or TokenKind.OpenBracket ? 1 : 0;
        }

        return false;
    }

    /// <summary>Operands with the same operator between them: on a line, or one a line.</summary>
    private Layout Chain(TokenKind op, Func<Layout> operand, bool isInner)
    {
        var first = operand();
        if (Current.Kind != op)
            return first;

        var rest = new List<Layout>();
        while (Current.Kind == op)
            rest.AddRange([Layout.Text(" "), Take(), Layout.Line, operand()]);

        return isInner ? Layout.Group(first, Layout.Indent(rest)) : Layout.Group(first, Layout.Of(rest));
    }

    private Layout Relation()
    {
        var parts = new List<Layout> { Sum() };
        while (IsRelation())
        {
            parts.Add(Layout.Text(" "));
            var isHas = IsWord("has");
            parts.Add(Take());
            if (isHas && NameIn(Current) is { } name)
                _tokens[_at] = Current with { Kind = TokenKind.Identifier, Text = name };

            parts.Add(Layout.Indent(Layout.Line, Sum()));
        }

        return parts.Count == 1 ? parts[0] : Layout.Group(parts);
    }

    /// <summary>The name in a quoted token that may stand without quotes; null where it may not, or is to keep them.</summary>
    private string? NameIn(FormatterToken token) =>
        _dropsQuotes && token.Kind == TokenKind.String && token.Text[1..^1] is var name && Identifier.IsName(name) ? name : null;

    private bool IsRelation() =>
        Current.Kind is TokenKind.Equal or TokenKind.NotEqual or TokenKind.Less or TokenKind.LessOrEqual or TokenKind.Greater
            or TokenKind.GreaterOrEqual
        || IsWord("in") || IsWord("has") || IsWord("like") || IsWord("is");

    private Layout Sum()
    {
        var parts = new List<Layout> { Unary() };
        while (Current.Kind is TokenKind.Plus or TokenKind.Minus or TokenKind.Star)
        {
            parts.Add(Layout.Text(" "));
            parts.Add(Take());
            parts.Add(Layout.Indent(Layout.Line, Unary()));
        }

        return parts.Count == 1 ? parts[0] : Layout.Group(parts);
    }

    private Layout Unary()
    {
        var parts = new List<Layout>();
        while (Current.Kind is TokenKind.Not or TokenKind.Minus)
            parts.Add(Take());

        parts.Add(Primary());
        while (true)
        {
            switch (Current.Kind)
            {
                case TokenKind.Dot or TokenKind.PathSeparator: parts.AddRange([Take(), Take()]); break;
                case TokenKind.OpenBracket when TryTakeAccess(parts):
                    break;
                case TokenKind.OpenParen or TokenKind.OpenBracket: parts.Add(Bracketed(Layout.SoftLine, Expr)); break;
                default: return Layout.Of(parts);
            }
        }
    }

    /// <summary><c>["name"]</c> as <c>.name</c>; not where a comment stands inside.</summary>
    private bool TryTakeAccess(List<Layout> parts)
    {
        var (open, inner) = (Current, _tokens[_at + 1]);
        if (NameIn(inner) is not { } name || _tokens[_at + 2] is not { Kind: TokenKind.CloseBracket, Before: [] } close
            || open.After is not null || inner is not { Before: [], After: null })
        {
            return false;
        }

        _tokens[_at] = open with { Kind = TokenKind.Dot, Text = "." };
        _tokens[_at + 1] = inner with { Kind = TokenKind.Identifier, Text = name, After = close.After };
        parts.AddRange([Take(), Take()]);
        _at++;
        return true;
    }

    private Layout Primary()
    {
        switch (Current.Kind)
        {
            case TokenKind.OpenParen or TokenKind.OpenBracket: return Bracketed(Layout.SoftLine, Expr);
            case TokenKind.OpenBrace: return Bracketed(Layout.Line, Field);
            default:
                var parts = new List<Layout> { Take() };
                while (Current.Kind == TokenKind.PathSeparator)
                    parts.AddRange([Take(), Take()]);

                return Layout.Of(parts);
        }
    }

    /// <summary>A field of a record.</summary>
    private Layout Field() => Layout.Of(Take(), Take(), Layout.Text(" "), Layout.Indent(Expr()));
}
