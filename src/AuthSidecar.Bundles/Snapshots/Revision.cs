namespace AuthSidecar.Bundles;

/// <summary>A state of the data, written <c>HISTORY.NUMBER</c>. The number only grows within its history: one sequence for all data types.
/// One of a later history is later, whatever its number. The default is before any.</summary>
internal readonly record struct Revision(History History, ulong Number) : IComparable<Revision>
{
    public const string Form = "expected `HISTORY.NUMBER`, as writes return it, such as `3k9vq2m1x7wb.26`";

    /// <summary>How long one is as text, at most.</summary>
    public const int MaxLength = History.MaxLength + 1 + 20;

    /// <summary>Another one of the same history.</summary>
    public Revision At(long number) => this with { Number = (ulong)number };

    /// <summary>Whether a state has what this stands for: it is of the same history, and no older.</summary>
    public bool IsIn(Revision state) => History == state.History && Number <= state.Number;

    /// <summary>Whether a state may still become one that has what this stands for: of an earlier history there is no more to come, and a
    /// bundle folder has but one.</summary>
    public bool MayFollow(Revision state) => History == state.History || (History > state.History && !state.History.IsFolder);

    public static bool TryParse(ReadOnlySpan<char> text, out Revision revision)
    {
        revision = default;
        var dot = text.Length <= MaxLength ? text.IndexOf('.') : -1;
        if (dot < 0 || !History.TryParse(text[..dot], out var history))
            return false;

        var digits = text[(dot + 1)..];
        // Each has one form: texts can be compared.
        if (digits is ['0', _, ..] || !ulong.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            || number > long.MaxValue)
        {
            return false;
        }

        revision = new Revision(history, number);
        return true;
    }

    public int CompareTo(Revision other) => History == other.History ? Number.CompareTo(other.Number) : History.CompareTo(other.History);
    public static bool operator <(Revision a, Revision b) => a.CompareTo(b) < 0;
    public static bool operator >(Revision a, Revision b) => a.CompareTo(b) > 0;
    public static bool operator <=(Revision a, Revision b) => a.CompareTo(b) <= 0;
    public static bool operator >=(Revision a, Revision b) => a.CompareTo(b) >= 0;

    /// <summary>Writes it as text, in ASCII.</summary>
    /// <returns>How long that is: <see cref="MaxLength"/> at most.</returns>
    public int Format(Span<byte> to)
    {
        var length = History.Format(to);
        to[length++] = (byte)'.';
        Number.TryFormat(to[length..], out var digits, provider: CultureInfo.InvariantCulture);
        return length + digits;
    }

    public override string ToString()
    {
        Span<byte> text = stackalloc byte[MaxLength];
        return Encoding.ASCII.GetString(text[..Format(text)]);
    }
}
