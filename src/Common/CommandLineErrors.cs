using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;

namespace AuthSidecar.Common;

/// <summary>Runs a command line; what is wrong with it is said in a line, and where its help is, in place of the help itself.</summary>
internal static class CommandLineErrors
{
    /// <param name="parsed">The command line.</param>
    /// <param name="failed">The exit code of one that cannot be understood: it got no answer, and must not pass for one.</param>
    public static async Task<int> InvokeAsync(this ParseResult parsed, int failed)
    {
        if (parsed.Action is ParseErrorAction action)
        {
            action.ShowHelp = false;
        }

        if (parsed.Errors.Count == 0 && FindOptionWithoutValue(parsed.CommandResult) is { } option)
        {
            await Console.Error.WriteLineAsync($"Required argument missing for option: '{option}'.\n\nsee `{PathOf(parsed.CommandResult)} --help`");
            return failed;
        }

        // No limit on the time to end: how long calls may drain is said by `serve` itself.
        var configuration = new InvocationConfiguration { ProcessTerminationTimeout = null, EnableDefaultExceptionHandler = false };
        try
        {
            var exitCode = await parsed.InvokeAsync(configuration);
            if (parsed.Errors.Count == 0)
            {
                return exitCode;
            }

            await Console.Error.WriteLineAsync($"see `{PathOf(parsed.CommandResult)} --help`");
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

    /// <summary>An option that may be repeated and is, once without a value: to the parser a value of any of them is enough.</summary>
    private static string? FindOptionWithoutValue(CommandResult command) =>
        command.Children.OfType<OptionResult>().FirstOrDefault(o => o.Option.Arity.MinimumNumberOfValues > 0 && o.IdentifierTokenCount > o.Tokens.Count)?.Option.Name;

    private static string PathOf(CommandResult command) =>
        command.Parent is CommandResult parent ? $"{PathOf(parent)} {command.Command.Name}" : command.Command.Name;
}
