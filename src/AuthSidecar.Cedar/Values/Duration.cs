namespace AuthSidecar.Cedar;

/// <summary>Cedar's <c>duration</c>: a length of time in milliseconds, which may be negative.</summary>
/// <param name="TotalMs">Milliseconds, from <see cref="long.MinValue"/> to <see cref="long.MaxValue"/>.</param>
public readonly record struct Duration(long TotalMs) : IComparable<Duration>
{
    private static readonly (string Unit, long Ms)[] Units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

    /// <summary>Reads <c>-?</c> and then one or more of <c>Nd Nh Nm Ns Nms</c>, in that order.</summary>
    public static bool TryParse(string text, out Duration value)
    {
        value = default;
        var rest = text.AsSpan();
        var negative = rest.StartsWith("-", StringComparison.Ordinal);
        rest = negative ? rest[1..] : rest;

        // Summed as a negative number, so that the smallest duration can be written.
        Int128 total = 0;
        var nextUnit = 0;
        do
        {
            if (!TryReadQuantity(ref rest, ref nextUnit, out var negativeMs))
                return false;

            total += negativeMs;
            if (total < long.MinValue)
                return false;
        }
        while (!rest.IsEmpty);

        if (!negative && total == long.MinValue)
            return false;

        value = new Duration((long)(negative ? total : -total));
        return true;
    }

    private static bool TryReadQuantity(ref ReadOnlySpan<char> rest, ref int nextUnit, out Int128 negativeMs)
    {
        negativeMs = 0;
        var digits = rest.IndexOfAnyExceptInRange('0', '9');
        if (digits < 1)
            return false;

        long quantity = 0;
        foreach (var digit in rest[..digits])
        {
            if (!AsciiDigits.TryAppendNegative(ref quantity, digit))
                return false;
        }

        rest = rest[digits..];
        var letters = rest.IndexOfAnyInRange('0', '9');
        var unit = letters < 0 ? rest : rest[..letters];
        for (; nextUnit < Units.Length; nextUnit++)
        {
            if (unit.SequenceEqual(Units[nextUnit].Unit))
            {
                negativeMs = (Int128)quantity * Units[nextUnit++].Ms;
                rest = rest[unit.Length..];
                return true;
            }
        }

        return false;
    }

    /// <inheritdoc/>
    public int CompareTo(Duration other) => TotalMs.CompareTo(other.TotalMs);

    /// <summary>The duration in the units it can be read from, such as <c>1d2h30m</c>.</summary>
    public override string ToString()
    {
        if (TotalMs == 0)
            return "0ms";

        var text = new StringBuilder(TotalMs < 0 ? "-" : "");
        var rest = UInt128.CreateChecked(Int128.Abs(TotalMs));
        foreach (var (unit, ms) in Units)
        {
            var quantity = rest / (ulong)ms;
            rest %= (ulong)ms;
            if (quantity != 0)
                text.Append(quantity).Append(unit);
        }

        return text.ToString();
    }
}
