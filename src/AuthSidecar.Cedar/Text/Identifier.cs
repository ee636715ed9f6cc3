namespace AuthSidecar.Cedar;

/// <summary>What may stand as an identifier, and where.</summary>
internal static class Identifier
{
    private static readonly SearchValues<char> WordChars = SearchValues.Create(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz");
    private static readonly string[] Reserved = ["true", "false", "if", "then", "else", "in", "is", "like", "has"];

    public static bool IsReserved(ReadOnlySpan<char> word)
    {
        if (word.Length is < 2 or > 5)
            return false;

        foreach (var reserved in Reserved)
        {
            if (word.SequenceEqual(reserved))
                return true;
        }

        return false;
    }

    /// <summary>Letters, digits and underscores of ASCII, not beginning with a digit.</summary>
    public static bool IsWord(ReadOnlySpan<char> word) => !word.IsEmpty && !char.IsAsciiDigit(word[0])
        && !word.ContainsAnyExcept(WordChars);

    /// <summary>Whether the word may be a part of a type's or function's name.</summary>
    public static bool IsName(ReadOnlySpan<char> word) => IsWord(word) && !IsReserved(word) && !word.SequenceEqual("__cedar");
}
