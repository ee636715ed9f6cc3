using System.CommandLine.Parsing;

namespace AuthSidecar.Common;

/// <summary>The command line that is running here, for messages that name its options: who typed them knows neither the fields of a
/// request nor what the runtime makes of a path.</summary>
internal static class RunningCommand
{
    private static readonly AsyncLocal<ParseResult?> Current = new();

    public static void Use(ParseResult parsed) => Current.Value = parsed;

    /// <summary>The option that has a path as its value; null: none has, or an argument.</summary>
    public static string? OptionWithPath(string path) =>
        Current.Value?.CommandResult.Children.FirstOrDefault(c => c.Tokens.Any(t => IsSame(t.Value, path))) is OptionResult option
            ? option.Option.Name : null;

    /// <summary>The option or argument that a field of the request comes from, such as <c>--role</c> of
    /// <c>administrator.roles[0]</c>; null: none of that name.</summary>
    public static string? SymbolOf(string field)
    {
        if (Current.Value?.CommandResult.Command is not { } command)
            return null;

        // What comes after these two are names of the caller's own.
        var segments = field.Split('.');
        var name = segments.Contains("context") ? "context" : segments.Contains("attributes") ? "attribute"
            : segments[^1].Split('[')[0].Replace('_', '-');
        var symbols = command.Options.Select(o => (Name: o.Name.TrimStart('-'), Shown: o.Name))
            .Concat(command.Arguments.Select(a => (a.Name, Shown: $"<{a.Name}>"))).ToList();
        var found = symbols.Find(s => s.Name == name);
        return found.Shown ?? symbols.Find(s => $"{s.Name}s" == name).Shown
            ?? symbols.Find(s => name.EndsWith($"-{s.Name}", StringComparison.Ordinal)).Shown;
    }

    /// <summary>A message about a field, with the option in its place.</summary>
    public static string Rename(string message, string field) =>
        message.StartsWith($"{field}: ", StringComparison.Ordinal) && SymbolOf(field) is { } symbol
            ? string.Concat(symbol, message.AsSpan(field.Length)) : message;

    private static bool IsSame(string text, string path) =>
        text == path || (text.Length > 0 && !text.Contains('\0', StringComparison.Ordinal) && Path.GetFullPath(text) == path);
}
