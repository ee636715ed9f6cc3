namespace AuthSidecar.Common;

/// <summary>Options of the command lines, by what their help says.</summary>
internal static class CliOption
{
    /// <param name="name">Its name, with the dashes.</param>
    /// <param name="value">What its value is, in capitals; null where the values are listed.</param>
    /// <param name="description">What it means, with its range and default.</param>
    public static Option<T> Of<T>(string name, string? value, string description) =>
        new(name) { HelpName = value, Description = description };

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
