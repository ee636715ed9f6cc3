using System.CommandLine.Parsing;

namespace AuthSidecar.Common;

/// <summary>What options and arguments may hold: an empty value is that of a shell variable that is not set, as a rule, and is refused
/// rather than taken for none.</summary>
internal static class OptionRules
{
    private static readonly ConditionalWeakTable<Option, object> Emptiable = [];

    /// <summary>Lets an option be empty, where that is a value of its own.</summary>
    public static Option<T> MayBeEmpty<T>(this Option<T> option)
    {
        Emptiable.Add(option, option);
        return option;
    }

    /// <summary>The first option or argument that is empty and must not be; null: none is.</summary>
    public static string? FindEmpty(CommandResult command) =>
        command.Children.Where(c => c.Tokens.Any(t => t.Value.Length == 0)).Select(c => c switch
        {
            OptionResult { Option: var option } => Emptiable.TryGetValue(option, out _) ? null : option.Name,
            ArgumentResult { Argument: var argument } => $"<{argument.Name}>",
            _ => null,
        }).FirstOrDefault(n => n is not null);

    public static Option<int> Range(this Option<int> option, int least, int most)
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && int.TryParse(result.Tokens[0].Value, out var value) && (value < least || value > most))
                result.AddError($"`{option.Name}` must be {least} to {most}");
        });
        return option;
    }
}
