namespace AuthSidecar.Common;

/// <summary>Counts things in messages.</summary>
internal static class Count
{
    /// <summary>Such as <c>1 document</c>, <c>2 documents</c>.</summary>
    /// <param name="count">How many there are.</param>
    /// <param name="one">The name of one.</param>
    /// <param name="several">The name of several; null: that of one, and an <c>s</c>.</param>
    public static string Of(int count, string one, string? several = null) => $"{count} {(count == 1 ? one : several ?? $"{one}s")}";
}
