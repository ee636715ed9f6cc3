namespace AuthSidecar.Cedar;

/// <summary>String literals: escapes out and in.</summary>
internal static class StringLiteral
{
    /// <summary>The string as a Cedar literal, quotes included.</summary>
    public static string Quote(string text)
    {
        var literal = new StringBuilder(text.Length + 2).Append('"');
        var isFirst = true;
        foreach (var rune in text.EnumerateRunes())
        {
            // A combining mark at the beginning would combine with the quote.
            AppendEscaped(literal, rune, escapesMarks: isFirst);
            isFirst = false;
        }

        return literal.Append('"').ToString();
    }

    /// <summary>Appends one scalar, escaped where it would not survive in a literal or could not be seen.</summary>
    public static void AppendEscaped(StringBuilder literal, Rune rune, bool escapesMarks)
    {
        switch (rune.Value)
        {
            case '"': literal.Append("\\\""); break;
            case '\'': literal.Append("\\'"); break;
            case '\\': literal.Append("\\\\"); break;
            case '\n': literal.Append("\\n"); break;
            case '\r': literal.Append("\\r"); break;
            case '\t': literal.Append("\\t"); break;
            case 0: literal.Append("\\0"); break;
            default:
                if (!IsVisible(rune)
                    || (escapesMarks && Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark))
                {
                    literal.Append(CultureInfo.InvariantCulture, $"\\u{{{rune.Value:x}}}");
                }
                else
                {
                    literal.Append(rune);
                }

                break;
        }
    }

    private static bool IsVisible(Rune rune) => rune.Value == ' ' || Rune.GetUnicodeCategory(rune) is not (
        UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
            or UnicodeCategory.OtherNotAssigned
        or UnicodeCategory.SpaceSeparator or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);

    /// <summary>Decodes one escape. <paramref name="rest"/> begins behind the backslash and is moved behind the escape.</summary>
    /// <returns>False when Cedar has no such escape.</returns>
    public static bool TryDecodeEscape(ref ReadOnlySpan<byte> rest, out Rune rune)
    {
        rune = default;
        if (rest.IsEmpty)
            return false;

        var letter = rest[0];
        rest = rest[1..];
        switch (letter)
        {
            case (byte)'n': rune = new Rune('\n'); return true;
            case (byte)'r': rune = new Rune('\r'); return true;
            case (byte)'t': rune = new Rune('\t'); return true;
            case (byte)'0': rune = new Rune('\0'); return true;
            case (byte)'\\': rune = new Rune('\\'); return true;
            case (byte)'"': rune = new Rune('"'); return true;
            case (byte)'\'': rune = new Rune('\''); return true;
            case (byte)'x': return TryDecodeByte(ref rest, out rune);
            case (byte)'u': return TryDecodeScalar(ref rest, out rune);
            default: return false;
        }
    }

    /// <summary><c>\xHH</c>, at most 7f.</summary>
    private static bool TryDecodeByte(ref ReadOnlySpan<byte> rest, out Rune rune)
    {
        rune = default;
        if (rest.Length < 2 || !TryHex(rest[0], out var high) || !TryHex(rest[1], out var low) || high > 7)
            return false;

        rest = rest[2..];
        rune = new Rune((char)((high << 4) | low));
        return true;
    }

    /// <summary><c>\u{H…}</c>, one to six digits, underscores between them, a Unicode scalar.</summary>
    private static bool TryDecodeScalar(ref ReadOnlySpan<byte> rest, out Rune rune)
    {
        rune = default;
        var close = rest.IndexOf((byte)'}');
        if (close < 2 || rest[0] != '{' || rest[1] == '_')
            return false;

        var scalar = 0;
        var digits = 0;
        foreach (var b in rest[1..close])
        {
            if (b == '_')
                continue;

            if (!TryHex(b, out var digit) || ++digits > 6)
                return false;

            scalar = (scalar << 4) | digit;
        }

        rest = rest[(close + 1)..];
        return Rune.TryCreate(scalar, out rune);
    }

    private static bool TryHex(byte b, out int digit)
    {
        digit = char.IsAsciiHexDigit((char)b) ? Convert.ToInt32(((char)b).ToString(), 16) : -1;
        return digit >= 0;
    }
}
