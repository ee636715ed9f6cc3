namespace AuthSidecar.Common;

/// <summary>Counts things in messages.</summary>
internal static class Count
{
    /// <summary>Such as <c>1 document</c>, <c>2 documents</c>.</summary>
    public static string Of(int count, string what) => $"{count} {what}{(count == 1 ? "" : "s")}";
}
