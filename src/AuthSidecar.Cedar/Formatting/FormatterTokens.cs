namespace AuthSidecar.Cedar;

/// <summary>A comment, and whether an empty line stands before it.</summary>
internal readonly record struct CommentText(string Text, bool IsBehindEmptyLine);

/// <summary>A token with the comments around it.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Text">Its text.</param>
/// <param name="Before">The comments that stand before it, on lines of their own.</param>
/// <param name="After">The comment behind it on its line.</param>
/// <param name="IsBehindEmptyLine">Whether an empty line stands between it and what is before it.</param>
internal sealed record FormatterToken(TokenKind Kind, string Text, IReadOnlyList<CommentText> Before, string? After, bool IsBehindEmptyLine)
{
    /// <summary>Cuts a text that was parsed without a fault into tokens, the end included, and hands out its comments to them.</summary>
    public static List<FormatterToken> ReadAll(SourceText source)
    {
        var tokens = new List<FormatterToken>();
        var lexer = new Lexer(source.Utf8);
        Token token;
        do
        {
            token = lexer.Next();
            var trivia = Encoding.UTF8.GetString(source.Utf8[lexer.TriviaStart..token.Start]);
            var before = ReadComments(trivia, hasTokenBefore: tokens.Count > 0, out var trailing, out var isBehindEmptyLine);
            if (trailing is not null)
                tokens[^1] = tokens[^1] with { After = trailing };

            tokens.Add(new FormatterToken(token.Kind, source[token.Span], before, After: null, isBehindEmptyLine));
        }
        while (token.Kind != TokenKind.End);

        return tokens;
    }

    private static List<CommentText> ReadComments(string trivia, bool hasTokenBefore, out string? trailing, out bool isBehindEmptyLine)
    {
        var comments = new List<CommentText>();
        trailing = null;
        int newlines = 0, at = 0;
        while (at < trivia.Length)
        {
            if (trivia[at] == '/')
            {
                var end = trivia.AsSpan(at).IndexOfAny('\n', '\r');
                var text = (end < 0 ? trivia[at..] : trivia.Substring(at, end)).TrimEnd();
                if (newlines == 0 && hasTokenBefore && comments.Count == 0 && trailing is null)
                    trailing = text;
                else
                    comments.Add(new CommentText(text, newlines > 1));

                newlines = 0;
                at = end < 0 ? trivia.Length : at + end;
                continue;
            }

            // A carriage return ends a line where no line feed follows, which then does.
            newlines += trivia[at] == '\n' || (trivia[at] == '\r' && (at + 1 == trivia.Length || trivia[at + 1] != '\n')) ? 1 : 0;
            at++;
        }

        isBehindEmptyLine = newlines > 1;
        return comments;
    }
}
