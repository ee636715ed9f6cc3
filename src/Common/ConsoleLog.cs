namespace AuthSidecar.Common;

internal enum LogFormat
{
    /// <summary>For machines: one JSON object a line.</summary>
    Json = 0,

    /// <summary>For people.</summary>
    Text,

    /// <summary>Not at all.</summary>
    None,
}

/// <summary>Log lines on standard output: timestamps in UTC, RFC 3339, milliseconds.</summary>
internal static class ConsoleLog
{
    private const string TimestampFormat = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";

    public static Option<string> FormatOption()
    {
        var option = CliOption.Of<string>("--log", null, "Log format: `json` or `text`.").WithDefault(() => "json");
        option.AcceptOnlyFromAmong("json", "text");
        return option;
    }

    /// <param name="debug">What is logged at that level; null: nothing, and it is not offered.</param>
    public static Option<string> LevelOption(string? debug)
    {
        var option = CliOption.Of<string>(
            "--log-level", null, $"Minimum log level: {(debug is null ? "" : $"`debug` ({debug}), ")}`information`, `warning` or `error`.")
            .WithDefault(() => "information");
        string[] levels = ["information", "warning", "error"];
        option.AcceptOnlyFromAmong(debug is null ? levels : ["debug", .. levels]);
        return option;
    }

    public static LogFormat FormatOf(ParseResult parsed, Option<string> option) =>
        Enum.Parse<LogFormat>(parsed.GetValue(option)!, ignoreCase: true);

    public static LogLevel LevelOf(ParseResult parsed, Option<string> option) =>
        Enum.Parse<LogLevel>(parsed.GetValue(option)!, ignoreCase: true);

    public static ILoggingBuilder AddConsoleLog(this ILoggingBuilder logging, LogFormat format) => format switch
    {
        LogFormat.Json => logging.AddJsonConsole(console => (console.TimestampFormat, console.UseUtcTimestamp) = (TimestampFormat, true)),
        LogFormat.Text => logging.AddSimpleConsole(console =>
            (console.SingleLine, console.TimestampFormat, console.UseUtcTimestamp) = (true, $"{TimestampFormat} ", true)),
        _ => logging,
    };
}
