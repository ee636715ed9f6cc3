namespace AuthSidecar.Cedar;

/// <summary>Cedar's <c>datetime</c>: an instant, in milliseconds.</summary>
/// <param name="UnixMs">Milliseconds since 1970-01-01T00:00:00Z; negative before it. No leap seconds.</param>
public readonly record struct Instant(long UnixMs) : IComparable<Instant>
{
    internal const long MsPerDay = 86_400_000;
    private const long MsPerMinute = 60_000;

    /// <summary>Reads <c>YYYY-MM-DD</c>, <c>YYYY-MM-DDThh:mm:ssZ</c>, <c>YYYY-MM-DDThh:mm:ss.mmmZ</c>, or the latter two with <c>+hhmm</c>
    /// or <c>-hhmm</c> in place of <c>Z</c>.</summary>
    public static bool TryParse(string text, out Instant value)
    {
        value = default;
        var rest = text.AsSpan();
        if (!TryReadDate(ref rest, out var ms))
            return false;

        if (!rest.IsEmpty)
        {
            if (!TryReadTime(ref rest, out var timeMs) || !TryReadOffset(rest, out var offsetMs))
                return false;

            ms += timeMs - offsetMs;
        }

        value = new Instant(ms);
        return true;
    }

    /// <summary>The instant moved by a duration; false on overflow.</summary>
    public bool TryOffset(Duration by, out Instant moved)
    {
        moved = new Instant(unchecked(UnixMs + by.TotalMs));
        return !Overflow.Add(UnixMs, by.TotalMs);
    }

    /// <summary>The time from another instant to this; false on overflow.</summary>
    public bool TryDurationSince(Instant earlier, out Duration duration)
    {
        duration = new Duration(unchecked(UnixMs - earlier.UnixMs));
        return !Overflow.Subtract(UnixMs, earlier.UnixMs);
    }

    /// <summary>Midnight (UTC) of the same day, also before 1970; false where that day began before the first instant.</summary>
    public bool TryToDate(out Instant midnight)
    {
        var floored = (Int128)UnixMs - (long)ToTime().TotalMs;
        midnight = new Instant(unchecked((long)floored));
        return floored >= long.MinValue;
    }

    /// <summary>The time since midnight (UTC) of the same day: never negative.</summary>
    public Duration ToTime()
    {
        var remainder = UnixMs % MsPerDay;
        return new Duration(remainder < 0 ? remainder + MsPerDay : remainder);
    }

    /// <inheritdoc/>
    public int CompareTo(Instant other) => UnixMs.CompareTo(other.UnixMs);

    /// <summary>ISO 8601 where the year has four digits, else milliseconds since 1970.</summary>
    public override string ToString() => IsWritable
        ? DateTime.UnixEpoch.AddMilliseconds(UnixMs).ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture)
        : $"{UnixMs} ms since 1970";

    internal string ToExpression() => IsWritable
        ? $"datetime(\"{this}\")"
        : $"datetime(\"1970-01-01\").offset(duration(\"{UnixMs}ms\"))";

    private bool IsWritable => UnixMs is >= -62_135_596_800_000 and <= 253_402_300_799_999;

    private static bool TryReadDate(ref ReadOnlySpan<char> rest, out long ms)
    {
        ms = 0;
        if (rest.Length < 10 || rest[4] != '-' || rest[7] != '-'
            || !TryReadNumber(rest[..4], out var year) || !TryReadNumber(rest[5..7], out var month)
            || !TryReadNumber(rest[8..10], out var day)
            || month is < 1 or > 12 || day < 1 || day > DaysInMonth(year, month))
        {
            return false;
        }

        rest = rest[10..];
        ms = DaysFromCivil(year, month, day) * MsPerDay;
        return true;
    }

    private static bool TryReadTime(ref ReadOnlySpan<char> rest, out long ms)
    {
        ms = 0;
        if (rest.Length < 9 || rest[0] != 'T' || rest[3] != ':' || rest[6] != ':'
            || !TryReadNumber(rest[1..3], out var hour) || !TryReadNumber(rest[4..6], out var minute)
            || !TryReadNumber(rest[7..9], out var second)
            || hour > 23 || minute > 59 || second > 59)
        {
            return false;
        }

        rest = rest[9..];
        var fraction = 0;
        if (rest.StartsWith(".", StringComparison.Ordinal))
        {
            if (rest.Length < 4 || !TryReadNumber(rest[1..4], out fraction))
                return false;

            rest = rest[4..];
        }

        ms = (((hour * 60L) + minute) * 60 + second) * 1000 + fraction;
        return true;
    }

    private static bool TryReadOffset(ReadOnlySpan<char> rest, out long ms)
    {
        ms = 0;
        if (rest is "Z")
            return true;

        if (rest.Length != 5 || rest[0] is not ('+' or '-')
            || !TryReadNumber(rest[1..3], out var hours) || !TryReadNumber(rest[3..5], out var minutes)
            || hours > 23 || minutes > 59)
        {
            return false;
        }

        ms = ((hours * 60L) + minutes) * MsPerMinute * (rest[0] == '-' ? -1 : 1);
        return true;
    }

    private static bool TryReadNumber(ReadOnlySpan<char> digits, out int number)
    {
        number = 0;
        return AsciiDigits.IsAll(digits) && int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }

    // Year 0 exists in ISO 8601 (and is a leap year), but not in DateTime: hence our own calendar arithmetic.
    private static int DaysInMonth(int year, int month) => month switch
    {
        2 => year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28,
        4 or 6 or 9 or 11 => 30,
        _ => 31,
    };

    /// <summary>Days since 1970-01-01 in the proleptic Gregorian calendar, counting years from March so that the leap day comes
    /// last.</summary>
    private static long DaysFromCivil(int year, int month, int day)
    {
        var marchYear = month <= 2 ? year - 1 : year;
        var era = (marchYear >= 0 ? marchYear : marchYear - 399) / 400;
        var yearOfEra = marchYear - (era * 400);
        var dayOfYear = (((153 * (month + (month > 2 ? -3 : 9))) + 2) / 5) + day - 1;
        var dayOfEra = (yearOfEra * 365) + (yearOfEra / 4) - (yearOfEra / 100) + dayOfYear;
        return (era * 146_097L) + dayOfEra - 719_468;
    }
}

internal static class Overflow
{
    public static bool Add(long a, long b) => ((a ^ unchecked(a + b)) & (b ^ unchecked(a + b))) < 0;
    public static bool Subtract(long a, long b) => ((a ^ b) & (a ^ unchecked(a - b))) < 0;
}
