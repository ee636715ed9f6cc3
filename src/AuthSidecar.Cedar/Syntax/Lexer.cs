namespace AuthSidecar.Cedar;

/// <summary>Cuts UTF-8 into tokens. Never fails: what is no token gets a kind of its own.</summary>
internal ref struct Lexer(ReadOnlySpan<byte> text)
{
    private static readonly SearchValues<byte> WordBytes =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"u8);

    private readonly ReadOnlySpan<byte> _text = text;
    private int _position = text.StartsWith(SourceText.ByteOrderMark) ? SourceText.ByteOrderMark.Length : 0;

    /// <summary>The start of the comments and white space that stand before the token returned last.</summary>
    public int TriviaStart { get; private set; }

    public Token Next()
    {
        TriviaStart = _position;
        SkipTrivia();
        var start = _position;
        var kind = Scan();
        return new Token(kind, start, _position - start);
    }

    private TokenKind Scan()
    {
        if (_position == _text.Length)
            return TokenKind.End;

        var first = _text[_position];
        if (char.IsAsciiLetter((char)first) || first == '_')
        {
            SkipWhile(WordBytes);
            return TokenKind.Identifier;
        }

        if (char.IsAsciiDigit((char)first))
        {
            var end = _text[_position..].IndexOfAnyExceptInRange((byte)'0', (byte)'9');
            _position = end < 0 ? _text.Length : _position + end;
            return TokenKind.Integer;
        }

        return first switch
        {
            (byte)'"' => ScanString(),
            (byte)'?' => ScanSlot(),
            (byte)'@' => Take(1, TokenKind.At),
            (byte)'.' => Take(1, TokenKind.Dot),
            (byte)',' => Take(1, TokenKind.Comma),
            (byte)';' => Take(1, TokenKind.Semicolon),
            (byte)':' => Follows(':') ? Take(2, TokenKind.PathSeparator) : Take(1, TokenKind.Colon),
            (byte)'(' => Take(1, TokenKind.OpenParen),
            (byte)')' => Take(1, TokenKind.CloseParen),
            (byte)'{' => Take(1, TokenKind.OpenBrace),
            (byte)'}' => Take(1, TokenKind.CloseBrace),
            (byte)'[' => Take(1, TokenKind.OpenBracket),
            (byte)']' => Take(1, TokenKind.CloseBracket),
            (byte)'=' => Follows('=') ? Take(2, TokenKind.Equal) : Take(1, TokenKind.Assign),
            (byte)'!' => Follows('=') ? Take(2, TokenKind.NotEqual) : Take(1, TokenKind.Not),
            (byte)'<' => Follows('=') ? Take(2, TokenKind.LessOrEqual) : Take(1, TokenKind.Less),
            (byte)'>' => Follows('=') ? Take(2, TokenKind.GreaterOrEqual) : Take(1, TokenKind.Greater),
            (byte)'&' when Follows('&') => Take(2, TokenKind.And),
            (byte)'|' when Follows('|') => Take(2, TokenKind.Or),
            (byte)'+' => Take(1, TokenKind.Plus),
            (byte)'-' => Take(1, TokenKind.Minus),
            (byte)'*' => Take(1, TokenKind.Star),
            (byte)'/' => Take(1, TokenKind.Slash),
            (byte)'%' => Take(1, TokenKind.Percent),
            _ => ScanUnknown(),
        };
    }

    private void SkipTrivia()
    {
        while (_position < _text.Length)
        {
            var b = _text[_position];
            if (b is (byte)' ' or (>= 0x09 and <= 0x0d))
            {
                _position++;
            }
            else if (b == '/' && Follows('/'))
            {
                var end = _text[_position..].IndexOfAny((byte)'\n', (byte)'\r');
                _position = end < 0 ? _text.Length : _position + end;
            }
            else if (b < 0x80
                || Rune.DecodeFromUtf8(_text[_position..], out var rune, out var length) != OperationStatus.Done
                || !Rune.IsWhiteSpace(rune))
            {
                return;
            }
            else
            {
                _position += length;
            }
        }
    }

    private TokenKind ScanString()
    {
        var rest = _text[(_position + 1)..];
        var length = 1;
        while (true)
        {
            var stop = rest.IndexOfAny((byte)'"', (byte)'\\');
            // A backslash takes the next character with it, whatever it is; which escapes exist is the decoder's business.
            // A newline is the one that it cannot take.
            if (stop < 0 || (rest[stop] == '\\' && (stop + 1 == rest.Length || rest[stop + 1] == '\n')))
            {
                _position = _text.Length;
                return TokenKind.UnterminatedString;
            }

            if (rest[stop] == '"')
            {
                _position += length + stop + 1;
                return TokenKind.String;
            }

            length += stop + 2;
            rest = rest[(stop + 2)..];
        }
    }

    private TokenKind ScanSlot()
    {
        _position++;
        if (_position == _text.Length || !(char.IsAsciiLetter((char)_text[_position]) || _text[_position] == '_'))
            return TokenKind.Question;

        SkipWhile(WordBytes);
        return TokenKind.Slot;
    }

    private TokenKind ScanUnknown()
    {
        var status = Rune.DecodeFromUtf8(_text[_position..], out _, out var length);
        return Take(length, status == OperationStatus.Done ? TokenKind.UnknownCharacter : TokenKind.InvalidUtf8);
    }

    private readonly bool Follows(char next) => _position + 1 < _text.Length && _text[_position + 1] == next;

    private TokenKind Take(int length, TokenKind kind)
    {
        _position += length;
        return kind;
    }

    private void SkipWhile(SearchValues<byte> bytes)
    {
        var end = _text[_position..].IndexOfAnyExcept(bytes);
        _position = end < 0 ? _text.Length : _position + end;
    }
}
