namespace AuthSidecar.ControlPlane.Identity.Passwords;

/// <summary>What passwords have to be like.</summary>
internal enum PasswordPolicy
{
    /// <summary>SP 800-63B-4, section 3.1.1: long, and none of the commonest. Nothing about classes of characters.</summary>
    Length,

    /// <summary>Twelve characters of all four classes, as many checklists have it; and none of the commonest either.</summary>
    Classes,
}

/// <summary>Says what is wrong with a password that somebody wants.</summary>
internal sealed class PasswordRules(PasswordPolicy policy, IEnumerable<string> more, BreachedPasswords? breached = null)
{
    private const int Alone = 15;
    private const int WithSecondFactor = 8;
    private const int WithClasses = 12;
    private const int Most = 128;

    private static readonly FrozenSet<string> Common = ReadCommon();
    private static readonly string[] Rows = ["abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm",
        "qwertzuiop", "azertyuiop", "1qaz2wsx3edc4rfv5tgb6yhn"];

    private readonly FrozenSet<string> _more = more.Select(Nfkc.Of).Select(Fold)
        .Where(w => w.Length > 0)
        .ToFrozenSet(StringComparer.Ordinal);

    /// <summary>Whether it is good beside a second factor alone.</summary>
    public bool IsShort(string password) => policy == PasswordPolicy.Length && LengthOf(password) < Alone;

    /// <summary>What is wrong with it; null: nothing.</summary>
    /// <param name="own">The account's own names: whoever guesses begins with them.</param>
    /// <param name="hasSecondFactor">Whether a second factor goes with it.</param>
    public string? FaultOf(string password, IEnumerable<string> own, bool hasSecondFactor)
    {
        var least = policy == PasswordPolicy.Classes ? WithClasses : hasSecondFactor ? WithSecondFactor : Alone;
        if (password.Length > Most || LengthOf(password) < least)
        {
            return $"must have {least} to {Most} characters"
                + $"{(policy == PasswordPolicy.Length && !hasSecondFactor ? $" ({WithSecondFactor} where there is a second factor)" : "")}";
        }

        password = Nfkc.Of(password);
        if (policy == PasswordPolicy.Classes && !(password.Any(char.IsUpper) && password.Any(char.IsLower) && password.Any(char.IsDigit)
            && password.Any(c => !char.IsLetterOrDigit(c))))
        {
            return "must have an upper-case letter, a lower-case one, a digit and another character";
        }

        if (breached?.Contains(password) is true)
            return "must not be in the list of breached passwords";

        var folded = Fold(password);
        return IsGuessable(folded, own.Select(Nfkc.Of).Select(Fold).Where(w => w.Length > 2).ToHashSet(StringComparer.Ordinal))
            ? "must not be a common password or your own name"
            : null;
    }

    /// <summary>As it was typed, or normalized: of one character NFKC may make eighteen, and of two one.</summary>
    private static int LengthOf(string password) => Math.Min(
        new StringInfo(password).LengthInTextElements, new StringInfo(Nfkc.Of(password)).LengthInTextElements);

    /// <summary>Whether nothing is left of it without common words, runs of keys, and repetitions.</summary>
    private bool IsGuessable(string folded, HashSet<string> own)
    {
        // What is worth a guess for itself; the rest of it must be worth some as well.
        const int Spare = 4;
        var rest = 0;
        for (var i = 0; i < folded.Length;)
        {
            var taken = Math.Max(Math.Max(WordAt(folded, i, own), YearAt(folded, i)), Math.Max(RunAt(folded, i), RepetitionAt(folded, i)));
            rest += taken == 0 ? 1 : 0;
            i += Math.Max(taken, 1);
        }

        return rest < Spare && Words(folded, own) < 3;
    }

    /// <summary>How many different common words there are in it: three of them, chosen at random, are a good password.</summary>
    private int Words(string folded, HashSet<string> own)
    {
        var words = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < folded.Length;)
        {
            var taken = WordAt(folded, i, own);
            if (taken > 0)
                words.Add(folded.Substring(i, taken));

            i += Math.Max(taken, 1);
        }

        return words.Count;
    }

    private int WordAt(string folded, int start, HashSet<string> own)
    {
        const int Longest = 16;
        for (var length = Math.Min(Longest, folded.Length - start); length >= 3; length--)
        {
            var word = folded.Substring(start, length);
            if (Common.Contains(word) || _more.Contains(word) || own.Contains(word))
                return length;
        }

        return 0;
    }

    /// <summary>A year that somebody might have been born in, or live in.</summary>
    private static int YearAt(string folded, int start)
    {
        const int Digits = 4;
        return start + Digits <= folded.Length
            && (folded[start], folded[start + 1]) is ('1', '9') or ('2', '0')
            && char.IsAsciiDigit(folded[start + 2])
            && char.IsAsciiDigit(folded[start + 3])
            ? Digits
            : 0;
    }

    /// <summary>Keys that lie side by side, forwards or backwards; letters and digits in their order.</summary>
    private static int RunAt(string folded, int start)
    {
        const int Least = 3;
        foreach (var row in Rows)
        {
            foreach (var keys in new[] { row, new string([.. row.Reverse()]) })
            {
                var at = keys.IndexOf(folded[start], StringComparison.Ordinal);
                var length = 1;
                while (at >= 0 && at + length < keys.Length && start + length < folded.Length
                    && keys[at + length] == folded[start + length])
                {
                    length++;
                }

                if (at >= 0 && length >= Least)
                    return length;
            }
        }

        return 0;
    }

    /// <summary>What stands right before it, once more.</summary>
    private static int RepetitionAt(string folded, int start)
    {
        for (var length = Math.Min(start, folded.Length - start); length >= 1; length--)
        {
            if (folded.AsSpan(start, length).SequenceEqual(folded.AsSpan(start - length, length)))
                return length;
        }

        return 0;
    }

    /// <summary>Without case, without what looks alike, without what people put between words.</summary>
    private static string Fold(string text)
    {
        var folded = new StringBuilder(text.Length);
        foreach (var c in text.ToLowerInvariant())
        {
            var plain = c switch { '@' => 'a', '$' => 's', '!' when folded.Length > 0 => '\0', _ => c };
            if (char.IsLetterOrDigit(plain))
                folded.Append(plain);
        }

        return folded.ToString();
    }

    private static FrozenSet<string> ReadCommon()
    {
        using var stream = typeof(PasswordRules).Assembly.GetManifestResourceStream("accounts/common-passwords.txt")
            ?? throw new InvalidOperationException("the common passwords are not built in");
        using var reader = new StreamReader(stream);
        var words = reader.ReadToEnd().Split([' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries).Where(w => w[0] != '#');
        // As they are, and as they are written with digits that look like letters.
        return words.Concat(words.Select(w => w.Replace('o', '0')))
            .Concat(words.Select(w => w.Replace('e', '3').Replace('o', '0').Replace('i', '1').Replace('a', '4').Replace('s', '5')))
            .Concat(words.Select(w => w.Replace('e', '3')))
            .Concat(words.Select(w => w.Replace('i', '1')))
            .ToFrozenSet(StringComparer.Ordinal);
    }
}
