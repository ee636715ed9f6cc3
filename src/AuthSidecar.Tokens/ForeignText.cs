namespace AuthSidecar.Tokens;

/// <summary>Text that others have written, such as the key id of a token, as it may be in a message.</summary>
internal static class ForeignText
{
    private const int DefaultMaxLength = 64;

    /// <summary>The text: short, on its line, and of letters, digits and what is printable in ASCII.</summary>
    public static string Show(string? text, int maxLength = DefaultMaxLength)
    {
        var shown = string.Concat((text ?? "").Take(maxLength).Select(c => char.IsLetterOrDigit(c) || c is >= ' ' and <= '~' ? c : '?'));
        return text?.Length > maxLength ? shown + "..." : shown;
    }
}
