namespace AuthSidecar.Cli.Policies;

/// <summary><c>--compat</c>, and <c>compat</c> of a question: the release of Cedar to behave as.</summary>
internal static class CompatOption
{
    private const string Name = "--compat";

    /// <param name="ofBundle">Whether a bundle may name it as well.</param>
    public static Option<string> Create(bool ofBundle) => new(Name)
    {
        HelpName = "RELEASE",
        Description = $"The release of Cedar to behave as: {string.Join(", ", CedarReleases.Names)}. Default: "
            + $"{(ofBundle ? "`compat` of the bundle, or " : "")}{CedarReleases.Names[^1]}.",
    };

    /// <summary>Reads the option; null: it was not given.</summary>
    /// <exception cref="UsageException">No known release has that name.</exception>
    public static CedarRelease? Read(ParseResult parsed, Option<string> option) => parsed.GetValue(option) is { } name ? Parse(name, Name)
        : null;

    /// <param name="name">The name of a release.</param>
    /// <param name="from">Where it was given.</param>
    /// <exception cref="UsageException">No known release has that name.</exception>
    public static CedarRelease Parse(string name, string from) => CedarReleases.TryParse(name, out var release)
        ? release
        : throw new UsageException(
            $"unknown release of Cedar `{name}` in {from}; known releases: {string.Join(", ", CedarReleases.Names)}");
}
