namespace AuthSidecar.Cedar;

internal enum TokenKind : byte
{
    End = 0,
    Identifier,
    Integer,
    String,
    Slot,
    At,
    Dot,
    Comma,
    Semicolon,
    Colon,
    PathSeparator,
    OpenParen,
    CloseParen,
    OpenBrace,
    CloseBrace,
    OpenBracket,
    CloseBracket,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Plus,
    Minus,
    Star,
    Slash,
    Percent,
    Not,
    Assign,
    Question,

    // What no token begins with; the parser turns each into a fault.
    UnknownCharacter,
    InvalidUtf8,
    UnterminatedString,
}

internal readonly record struct Token(TokenKind Kind, int Start, int Length)
{
    public SourceSpan Span => new(Start, Length);
}
