namespace AuthSidecar.Common;

/// <summary>The timestamps of log lines: UTC, RFC 3339, milliseconds.</summary>
internal static class LogTimestamps
{
    public const string Format = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";
}
