namespace AuthSidecar.Bundles;

/// <summary>Which line of changes a revision belongs to. A store begins a new one when it was restored from a backup: the numbers that
/// follow mean other changes than they did before. The default is the history of a bundle folder, whose revisions are moments and need
/// none.</summary>
/// <remarks>The second in which it began (32 bits), and 28 random ones: of two histories the later one is the greater, so that nothing of
/// an earlier one, sent again, passes for news.</remarks>
internal readonly record struct History : IComparable<History>
{
    /// <summary>How long one is as text, at most.</summary>
    public const int MaxLength = 12;

    private const int RandomBits = 28;
    private const int BitsPerDigit = 5;
    private const string FolderName = "folder";

    // Crockford's base 32: no digit is mistaken for another.
    private const string Digits = "0123456789abcdefghjkmnpqrstvwxyz";

    public History(ulong value) => Value = value < 1UL << (MaxLength * BitsPerDigit) ? value
        : throw new ArgumentOutOfRangeException(nameof(value));

    public ulong Value { get; }
    public bool IsFolder => Value == 0;

    /// <summary>A new one.</summary>
    /// <param name="now">When it begins.</param>
    /// <param name="after">One that it is later than, whatever the clock says.</param>
    public static History Begin(DateTimeOffset now, History after)
    {
        var second = Math.Max((ulong)now.ToUnixTimeSeconds(), (after.Value >> RandomBits) + 1);
        return new History((second << RandomBits) | (uint)RandomNumberGenerator.GetInt32(1 << RandomBits));
    }

    /// <summary>When it began; to the second.</summary>
    public DateTimeOffset BeganAt => DateTimeOffset.FromUnixTimeSeconds((long)(Value >> RandomBits));

    public static bool TryParse(ReadOnlySpan<char> text, out History history)
    {
        history = default;
        if (text.SequenceEqual(FolderName))
            return true;

        var value = 0UL;
        foreach (var c in text)
        {
            var digit = Digits.IndexOf(c, StringComparison.Ordinal);
            if (digit < 0)
                return false;

            value = (value << BitsPerDigit) | (uint)digit;
        }

        if (text.Length != MaxLength || value == 0)
            return false;

        history = new History(value);
        return true;
    }

    public int CompareTo(History other) => Value.CompareTo(other.Value);
    public static bool operator <(History a, History b) => a.Value < b.Value;
    public static bool operator >(History a, History b) => a.Value > b.Value;
    public static bool operator <=(History a, History b) => a.Value <= b.Value;
    public static bool operator >=(History a, History b) => a.Value >= b.Value;

    /// <summary>Writes it as text, in ASCII.</summary>
    /// <returns>How long that is: <see cref="MaxLength"/> at most.</returns>
    public int Format(Span<byte> to)
    {
        if (IsFolder)
            return Encoding.ASCII.GetBytes(FolderName, to);

        var value = Value;
        for (var i = MaxLength - 1; i >= 0; i--, value >>= BitsPerDigit)
            to[i] = (byte)Digits[(int)(value & ((1 << BitsPerDigit) - 1))];

        return MaxLength;
    }

    public override string ToString()
    {
        Span<byte> text = stackalloc byte[MaxLength];
        return Encoding.ASCII.GetString(text[..Format(text)]);
    }
}
