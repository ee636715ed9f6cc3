namespace AuthSidecar.Cedar;

/// <summary>The pattern of a <c>like</c>: literal pieces with a wildcard between each two.</summary>
/// <remarks>Matching is over Unicode scalars. Ordinal search over UTF-16 is the same thing, since a piece never begins or ends inside a
/// surrogate pair; and it is linear in practice, because each piece is found greedily once.</remarks>
internal sealed class Pattern : IEquatable<Pattern>
{
    private readonly string[] _pieces;

    /// <param name="pieces">The literal text before, between and after the wildcards: one more than there are wildcards.</param>
    public Pattern(IEnumerable<string> pieces) => _pieces = [.. pieces];

    /// <summary>The literal text before, between and after the wildcards.</summary>
    public IReadOnlyList<string> Pieces => _pieces;

    public bool Matches(string text)
    {
        var rest = text.AsSpan();
        if (!rest.StartsWith(_pieces[0], StringComparison.Ordinal))
            return false;

        if (_pieces.Length == 1)
            return rest.Length == _pieces[0].Length;

        rest = rest[_pieces[0].Length..];
        for (var i = 1; i < _pieces.Length - 1; i++)
        {
            var found = rest.IndexOf(_pieces[i], StringComparison.Ordinal);
            if (found < 0)
                return false;

            rest = rest[(found + _pieces[i].Length)..];
        }

        return rest.EndsWith(_pieces[^1], StringComparison.Ordinal);
    }

    public bool Equals(Pattern? other) => other is not null && _pieces.AsSpan().SequenceEqual(other._pieces);
    public override bool Equals(object? obj) => Equals(obj as Pattern);
    public override int GetHashCode() => _pieces.Aggregate(0, HashCode.Combine);

    /// <summary>The pattern as a Cedar literal, quotes included.</summary>
    public override string ToString()
    {
        var literal = new StringBuilder("\"");
        for (var i = 0; i < _pieces.Length; i++)
        {
            literal.Append(i == 0 ? "" : "*");
            foreach (var rune in _pieces[i].EnumerateRunes())
            {
                if (rune.Value == '*')
                    literal.Append('\\').Append('*');
                else
                    StringLiteral.AppendEscaped(literal, rune, escapesMarks: true);
            }
        }

        return literal.Append('"').ToString();
    }
}
