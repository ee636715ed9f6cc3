namespace AuthSidecar.Common;

/// <summary>What options and arguments may hold: an empty value is that of a shell variable that is not set, as a rule, and is refused
/// rather than taken for none.</summary>
internal static class OptionRules
{
    public static Option<T> NotEmpty<T>(this Option<T> option)
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens.Any(t => t.Value.Length == 0))
                result.AddError($"`{option.Name}` is empty");
        });
        return option;
    }

    public static Argument<T> NotEmpty<T>(this Argument<T> argument)
    {
        argument.Validators.Add(result =>
        {
            if (result.Tokens.Any(t => t.Value.Length == 0))
                result.AddError($"`{argument.Name}` is empty");
        });
        return argument;
    }

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
