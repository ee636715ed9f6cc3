namespace AuthSidecar.Cedar;

/// <summary>Something wrong in a text: what, where, and what would fix it.</summary>
/// <param name="Source">The name of the text.</param>
/// <param name="Line">The line, from 1; 0 where the fault is not at a place.</param>
/// <param name="Column">The column in Unicode scalars, from 1.</param>
/// <param name="Message">What is wrong: lower case, the text's own words in backticks.</param>
/// <param name="Help">How to fix it, if known.</param>
public sealed record Fault(string Source, int Line, int Column, string Message, string? Help = null)
{
    /// <summary>The field of a JSON document that is at fault, such as <c>audiences</c>; null where it is no single one, or the text is not
    /// JSON.</summary>
    public string? Field { get; init; }

    internal static Fault At(SourceText source, int offset, string message, string? help = null)
    {
        var (line, column) = source.PositionOf(offset);
        return new Fault(source.Name, line, column, message, help);
    }

    /// <summary>A fault of a declaration. A text that was put together of several is empty, and its declarations have no place.</summary>
    internal static Fault At(SourceText source, SourceSpan span, string message, string? help = null) =>
        source.Utf8.IsEmpty ? new Fault(source.Name, 0, 0, message, help) : At(source, span.Start, message, help);

    /// <summary><c>name:line:column: message; help</c>, as compilers write it; no position where the line is 0.</summary>
    public override string ToString()
    {
        string?[] place = [Source.Length == 0 ? null : Source,
            Line == 0 ? null : string.Create(CultureInfo.InvariantCulture, $"{Line}:{Column}")];
        return string.Concat(place.Where(p => p is not null).Select(p => $"{p}:").Append(" ")).TrimStart() + Message
            + (Help is null ? "" : $"; {Help}");
    }
}
