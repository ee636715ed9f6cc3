namespace AuthSidecar.Cedar;

/// <summary>Reads tokens one ahead, and what every grammar of the language shares: names, paths, strings, expectations and their
/// faults.</summary>
internal ref struct TokenReader
{
    private readonly SourceText _source;
    private readonly NameTable _names = new();
    private Lexer _lexer;
    private Token _token;
    private int _previousEnd;

    public TokenReader(SourceText source)
    {
        _source = source;
        _lexer = new Lexer(source.Utf8);
        Advance();
    }

    public readonly SourceText Source => _source;

    /// <summary>The token that is to be read next.</summary>
    public readonly Token Current => _token;

    public EntityUid ParseEntityUid()
    {
        if (_token.Kind != TokenKind.Identifier)
        {
            throw Unexpected("an entity such as `User::\"alice\"`", _token.Kind == TokenKind.OpenBracket
                ? "only `action in` takes a list; for others write `||` in a condition" : null);
        }

        ParsePathOrEntity(out var entity);
        return entity ?? throw Unexpected("`::` and the entity's id in quotes");
    }

    public string ParsePath(string expected)
    {
        if (_token.Kind != TokenKind.Identifier)
            throw Unexpected(expected);

        var path = ParsePathOrEntity(out var entity);
        return entity is null ? path : throw FailAt(_previousEnd, $"expected {expected}, found the entity `{entity}`");
    }

    /// <summary>Words joined by <c>::</c>; when a string follows the last <c>::</c>, it was an entity.</summary>
    public string ParsePathOrEntity(out EntityUid? entity)
    {
        entity = null;
        var path = ExpectName("a name");
        StringBuilder? longer = null;
        while (_token.Kind == TokenKind.PathSeparator)
        {
            Advance();
            if (_token.Kind == TokenKind.String)
            {
                path = longer is null ? path : _names.Share(longer.ToString());
                entity = _names.Share(EntityUid.OfCheckedType(path, ParseString("the entity's id")));
                return path;
            }

            longer ??= new StringBuilder(path);
            longer.Append("::").Append(ExpectName("a name, or the entity's id in quotes"));
        }

        return longer is null ? path : _names.Share(longer.ToString());
    }

    /// <summary>An identifier that is not reserved.</summary>
    public string ExpectName(string expected)
    {
        var token = _token;
        var word = ExpectWord(expected);
        if (Identifier.IsReserved(word))
        {
            throw Fail(token, $"the word `{word}` is reserved",
                $"expected {expected}; as a string it may name an attribute: `[\"{word}\"]`, `has \"{word}\"`");
        }

        return word != "__cedar" ? word : throw Fail(token, "the word `__cedar` is reserved");
    }

    public string ExpectWord(string expected)
    {
        if (_token.Kind != TokenKind.Identifier)
            throw Unexpected(expected);

        var word = _names.Share(_source.Utf8.Slice(_token.Start, _token.Length));
        Advance();
        return word;
    }

    public string ParseString(string expected)
    {
        if (_token.Kind != TokenKind.String)
            throw Unexpected(expected);

        var inside = InsideOf(_token);
        if (inside.Contains((byte)'\\'))
            return DecodeString(isPattern: false)[0];

        var text = Decode(inside, _token);
        Advance();
        return text;
    }

    public Pattern ParsePattern() => _token.Kind == TokenKind.String
        ? new Pattern(DecodeString(isPattern: true))
        : throw Unexpected("a pattern in quotes");

    /// <summary>Decodes the string token; in a pattern, <c>*</c> cuts it into pieces and <c>\*</c> is a star. A star that is spelt as
    /// <c>\x2a</c> or <c>\u{2a}</c> cuts as well: in the reference only the backslash in front of it makes it one.</summary>
    private List<string> DecodeString(bool isPattern)
    {
        var token = _token;
        var inside = InsideOf(token);
        var pieces = new List<string>(1);
        var piece = new StringBuilder();
        while (!inside.IsEmpty)
        {
            var stop = isPattern ? inside.IndexOfAny((byte)'\\', (byte)'*') : inside.IndexOf((byte)'\\');
            piece.Append(Decode(stop < 0 ? inside : inside[..stop], token));
            if (stop < 0)
                break;

            var isEscape = inside[stop] == '\\';
            inside = inside[(stop + 1)..];
            if (isPattern && isEscape && inside.StartsWith("*"u8))
            {
                piece.Append('*');
                inside = inside[1..];
                continue;
            }

            var rune = isEscape ? DecodeEscape(ref inside, token) : new Rune('*');
            if (isPattern && rune.Value == '*')
            {
                pieces.Add(piece.ToString());
                piece.Clear();
            }
            else
            {
                piece.Append(rune);
            }
        }

        pieces.Add(piece.ToString());
        Advance();
        return pieces;
    }

    private readonly Rune DecodeEscape(ref ReadOnlySpan<byte> inside, Token token)
    {
        var start = token.Start + token.Length - 2 - inside.Length;
        return StringLiteral.TryDecodeEscape(ref inside, out var rune)
            ? rune
            : throw FailAt(
                start, "invalid escape sequence", "valid escapes: \\n \\r \\t \\0 \\\\ \\\" \\' \\x7f \\u{1f600}, and \\* in patterns");
    }

    private readonly ReadOnlySpan<byte> InsideOf(Token quoted) => _source.Utf8.Slice(quoted.Start + 1, quoted.Length - 2);

    private readonly string Decode(ReadOnlySpan<byte> utf8, Token token) => System.Text.Unicode.Utf8.IsValid(utf8)
        ? Encoding.UTF8.GetString(utf8)
        : throw Fail(token, "the string is not valid UTF-8");

    // ------------------------------------------------------------------ tokens and faults

    public void Advance()
    {
        _previousEnd = _token.Start + _token.Length;
        _token = _lexer.Next();
    }

    public void Expect(TokenKind kind, string expected)
    {
        if (_token.Kind != kind)
            throw Unexpected(expected);

        Advance();
    }

    public void ExpectKeyword(ReadOnlySpan<byte> keyword, string expected)
    {
        if (!IsWord(keyword))
            throw Unexpected(expected);

        Advance();
    }

    public readonly bool IsWord(ReadOnlySpan<byte> word) =>
        _token.Kind == TokenKind.Identifier && _source.Utf8.Slice(_token.Start, _token.Length).SequenceEqual(word);

    public readonly SourceSpan SpanFrom(int start) => new(start, _previousEnd - start);
    public readonly string TextOf(Token token) => _source[token.Span];

    /// <summary>The token's text for a message, which is no place for a long one.</summary>
    public readonly string BriefTextOf(Token token)
    {
        const int Longest = 100;
        return TextOf(token) is { Length: > Longest } text
            ? $"{text[..(char.IsHighSurrogate(text[Longest - 1]) ? Longest - 1 : Longest)]}…" : TextOf(token);
    }

    public readonly SyntaxException Fail(Token token, string message, string? help = null) =>
        new(Fault.At(_source, token.Start, message, help));

    public readonly SyntaxException Unexpected(string expected, string? help = null)
    {
        var found = HelpFor(_token);
        return UnexpectedToken(expected, found ?? help);
    }

    /// <summary>What those want who write as in other languages.</summary>
    private readonly string? HelpFor(Token token)
    {
        if (token.Kind == TokenKind.Assign)
            return "equality is written `==`";

        if (token.Kind is not (TokenKind.Identifier or TokenKind.UnknownCharacter or TokenKind.Slash) || token.Length > 4)
            return null;

        return TextOf(token) switch
        {
            "'" => "a string is written in `\"`",
            "and" or "AND" or "And" or "&" => "`and` is written `&&`",
            "or" or "OR" or "Or" or "|" => "`or` is written `||`",
            "not" or "NOT" or "Not" => "`not` is written `!`",
            "/" => "a comment begins with `//`",
            "#" => "a comment begins with `//`",
            _ => null,
        };
    }

    private readonly SyntaxException UnexpectedToken(string expected, string? help) => Fail(
        _token,
        _token.Kind switch
        {
            TokenKind.End => $"expected {expected}, but the text ends",
            TokenKind.InvalidUtf8 => "invalid UTF-8",
            TokenKind.UnterminatedString => "unterminated string",
            _ => $"expected {expected}, found `{BriefTextOf(_token)}`",
        },
        help);

    public void SkipBehindSemicolon()
    {
        while (_token.Kind is not (TokenKind.Semicolon or TokenKind.End))
            Advance();

        if (_token.Kind == TokenKind.Semicolon)
            Advance();
    }

    /// <summary>A failure at a span that is not a token's.</summary>
    public readonly SyntaxException FailAt(int offset, string message, string? help = null) =>
        new(Fault.At(_source, offset, message, help));
}

/// <summary>Carries a fault from the depth of a descent to the loop over the declarations. It never leaves the parsers: faults are values
/// for everyone else, but threading one through every level of a recursive descent would bury the grammar.</summary>
internal sealed class SyntaxException(Fault fault) : Exception
{
    public Fault Fault { get; } = fault;
}
