namespace AuthSidecar.Cedar;

/// <summary>A piece of a source text, in bytes of its UTF-8 form.</summary>
/// <param name="Start">Where it begins.</param>
/// <param name="Length">How long it is; zero marks a place.</param>
public readonly record struct SourceSpan(int Start, int Length)
{
    internal int End => Start + Length;
    internal SourceSpan To(SourceSpan last) => new(Start, last.End - Start);
}
