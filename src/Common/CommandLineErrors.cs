using System.CommandLine.Invocation;
using System.CommandLine.Parsing;

namespace AuthSidecar.Common;

/// <summary>Runs a command line. What is wrong with it is one line on standard error, which names the command whose help has
/// more.</summary>
internal static partial class CommandLineErrors
{
    /// <param name="parsed">The command line.</param>
    /// <param name="failed">The exit code of one that cannot be understood: it got no answer, and must not pass for one.</param>
    public static async Task<int> InvokeAsync(this ParseResult parsed, int failed)
    {
        if (FindUsageError(parsed) is { } error)
        {
            var command = PathOf(parsed.CommandResult);
            await Console.Error.WriteLineAsync($"{command}: {error}; see `{command} --help`");
            return failed;
        }

        RunningCommand.Use(parsed);
        // No limit on the time to end: how long calls may drain is said by `serve` itself.
        var configuration = new InvocationConfiguration { ProcessTerminationTimeout = null, EnableDefaultExceptionHandler = false };
        try
        {
            return await parsed.InvokeAsync(configuration);
        }
        catch (ArgumentException e) when (e.ParamName == "path")
        {
            // What the runtime says of the name of a file or folder: that of a variable which is not set, as a rule.
            await Console.Error.WriteLineAsync("a file or folder name is empty, or contains a null character");
        }
        catch (OperationCanceledException e)
        {
            await Console.Error.WriteLineAsync(e.Message);
        }
        catch (Exception e)
        {
            await Console.Error.WriteLineAsync($"unhandled exception: {e}");
        }

        return failed;
    }

    private static string? FindUsageError(ParseResult parsed)
    {
        var command = parsed.CommandResult;
        if (parsed.Errors.Count == 0)
        {
            return FindOptionWithoutValue(command) is { } option ? $"Required argument missing for option: '{option}'"
                : FindRepeatedFlag(command) is { } flag ? $"Option '{flag}' was provided more than once"
                : OptionRules.FindEmpty(command) is { } empty ? $"`{empty}` is empty"
                : null;
        }

        // Help and version are printed whatever else there is.
        if (parsed.Action is not ParseErrorAction action)
            return null;

        var errors = parsed.Errors
            .Select(e => string.Join(' ', e.Message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).TrimEnd('.'))
            .Select(e => Describe(e, command))
            .Distinct()
            .ToList();
        // What follows from a word that is not known is no news.
        var described = errors.FirstOrDefault(e => e.StartsWith("Unrecognized ", StringComparison.Ordinal)) ?? string.Join("; ", errors);
        return $"{described}{Suggestions(parsed, action)}";
    }

    /// <summary>The parser's words without the names of its types, and with those of what is missing.</summary>
    private static string Describe(string error, CommandResult command) =>
        error.StartsWith("Required argument missing for command", StringComparison.Ordinal)
            ? $"missing {string.Join(" and ", MissingOf(command).Select(a => $"<{a.Name}>"))}"
        : error == "Required command was not provided"
            ? $"missing command: {string.Join(", ", command.Command.Subcommands.Select(c => c.Name))}"
        : WrongType().Match(error) is { Success: true } wrong
            ? Describe(wrong.Groups["option"].Value, wrong.Groups["value"].Value, wrong.Groups["type"].Value, command)
        : error;

    private static string Describe(string option, string value, string type, CommandResult command) =>
        $"`{option}`: `{value}` is not {Kind(type, command, option)}";

    private static IEnumerable<Argument> MissingOf(CommandResult command) =>
        command.Command.Arguments.Where(a => a.Arity.MinimumNumberOfValues > 0 && command.GetResult(a) is not { Tokens.Count: > 0 });

    private static string Kind(string type, CommandResult command, string option) =>
        type.Contains("Int", StringComparison.Ordinal) ? "a whole number"
        : type.Contains("Double", StringComparison.Ordinal) ? "a number"
        : command.Command.Options.FirstOrDefault(o => o.Name == option) is { ValueType.IsEnum: true } values
            ? $"one of {string.Join(", ", Enum.GetNames(values.ValueType).Select(n => n.ToLowerInvariant()))}"
        : "a valid value";

    [GeneratedRegex("^Cannot parse argument '(?<value>.*)' for option '(?<option>.*?)' as expected type '(?<type>.*?)'")]
    private static partial Regex WrongType();

    /// <summary>Names that are like a mistyped one.</summary>
    private static string Suggestions(ParseResult parsed, ParseErrorAction action)
    {
        action.ShowHelp = false;
        using var output = new StringWriter();
        parsed.Invoke(new InvocationConfiguration { Output = output, Error = TextWriter.Null });
        var names = output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
            .Where(l => !l.EndsWith('?')).ToList();
        return names.Count == 0 ? "" : $"; did you mean {string.Join(" or ", names.Select(n => $"`{n}`"))}?";
    }

    /// <summary>An option that may be repeated and is, once without a value: to the parser a value of any of them is enough.</summary>
    private static string? FindOptionWithoutValue(CommandResult command) =>
        command.Children.OfType<OptionResult>().FirstOrDefault(
            o => o.Option.Arity.MinimumNumberOfValues > 0 && o.IdentifierTokenCount > o.Tokens.Count)?.Option.Name;

    private static string? FindRepeatedFlag(CommandResult command) =>
        command.Children.OfType<OptionResult>()
            .FirstOrDefault(o => o.Option.ValueType == typeof(bool) && o.IdentifierTokenCount > 1)?.Option.Name;

    private static string PathOf(CommandResult command) =>
        command.Parent is CommandResult parent ? $"{PathOf(parent)} {command.Command.Name}" : command.Command.Name;
}
