namespace AuthSidecar.Common;

/// <summary>Options of the command lines, by what their help says.</summary>
internal static class CliOption
{
    /// <param name="name">Its name, with the dashes.</param>
    /// <param name="value">What its value is, in capitals; null where the values are listed.</param>
    /// <param name="description">What it means, with its range and default.</param>
    public static Option<T> Of<T>(string name, string? value, string description) =>
        OnlyNames(new Option<T>(name) { HelpName = value, Description = description });

    /// <summary>Of an enumeration only its names: the parser takes any number for a value of it.</summary>
    private static Option<T> OnlyNames<T>(Option<T> option)
    {
        if (typeof(T).IsEnum)
        {
            option.Validators.Add(result =>
            {
                var names = Enum.GetNames(typeof(T)).Select(n => n.ToLowerInvariant()).ToList();
                if (result.Tokens is [{ Value: var text }] && !names.Contains(text, StringComparer.OrdinalIgnoreCase))
                    result.AddError($"`{option.Name}`: `{text}` is not one of {string.Join(", ", names)}");
            });
        }

        return option;
    }

    /// <inheritdoc cref="Of{T}"/>
    public static Option<bool> Flag(string name, string description) => new(name) { Description = description };

    public static Option<T> WithDefault<T>(this Option<T> option, Func<T> value)
    {
        option.DefaultValueFactory = _ => value();
        return option;
    }

    public static Option<T> Require<T>(this Option<T> option)
    {
        option.Required = true;
        return option;
    }
}
