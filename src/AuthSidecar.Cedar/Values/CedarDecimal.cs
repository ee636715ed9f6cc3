namespace AuthSidecar.Cedar;

/// <summary>Cedar's <c>decimal</c>: a fixed-point number with four digits after the point.</summary>
/// <param name="Scaled">The number times 10,000, from <see cref="long.MinValue"/> to <see cref="long.MaxValue"/>.</param>
public readonly record struct CedarDecimal(long Scaled) : IComparable<CedarDecimal>
{
    private const int Digits = 4;

    /// <summary>Reads <c>-?digits.digits</c> with one to four digits after the point.</summary>
    /// <returns>False when the text has another form or the number is out of range.</returns>
    public static bool TryParse(string text, out CedarDecimal value)
    {
        value = default;
        var digits = text.AsSpan();
        var negative = digits.StartsWith("-", StringComparison.Ordinal);
        digits = negative ? digits[1..] : digits;

        var point = digits.IndexOf('.');
        if (point < 1)
            return false;

        var whole = digits[..point];
        var fraction = digits[(point + 1)..];
        if (fraction.Length is 0 or > Digits || !AsciiDigits.IsAll(whole) || !AsciiDigits.IsAll(fraction))
            return false;

        // Accumulated as a negative number, whose range is one wider.
        long scaled = 0;
        foreach (var digit in whole)
        {
            if (!AsciiDigits.TryAppendNegative(ref scaled, digit))
                return false;
        }

        for (var i = 0; i < Digits; i++)
        {
            if (!AsciiDigits.TryAppendNegative(ref scaled, i < fraction.Length ? fraction[i] : '0'))
                return false;
        }

        if (!negative && scaled == long.MinValue)
            return false;

        value = new CedarDecimal(negative ? scaled : -scaled);
        return true;
    }

    /// <inheritdoc/>
    public int CompareTo(CedarDecimal other) => Scaled.CompareTo(other.Scaled);

    /// <summary>The number with at least one digit after the point, such as <c>1.5</c>.</summary>
    public override string ToString()
    {
        var magnitude = UInt128.CreateChecked(Int128.Abs(Scaled));
        var fraction = ((int)(magnitude % 10_000)).ToString("D4", CultureInfo.InvariantCulture).TrimEnd('0');
        return $"{(Scaled < 0 ? "-" : "")}{magnitude / 10_000}.{(fraction.Length == 0 ? "0" : fraction)}";
    }
}

internal static class AsciiDigits
{
    public static bool IsAll(ReadOnlySpan<char> text) => !text.IsEmpty && !text.ContainsAnyExceptInRange('0', '9');

    /// <summary>Multiplies by ten and subtracts the digit; false on overflow.</summary>
    public static bool TryAppendNegative(ref long negative, char digit)
    {
        var next = (Int128)negative * 10 - (digit - '0');
        negative = unchecked((long)next);
        return next >= long.MinValue;
    }
}
