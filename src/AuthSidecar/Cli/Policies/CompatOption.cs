using System.CommandLine;
using AuthSidecar.Cedar;

namespace AuthSidecar.Cli.Policies;

/// <summary><c>--compat</c>, and <c>compat</c> of a question: the release of Cedar to behave as.</summary>
internal static class CompatOption
{
    public static Option<string> Create()
    {
        var option = new Option<string>("--compat") { Description = $"The release of Cedar to behave as. Default: `compat` of the bundle, or {CedarReleases.Names[^1]}." };
        option.AcceptOnlyFromAmong([.. CedarReleases.Names]);
        return option;
    }

    /// <exception cref="UsageException">No known release has that name.</exception>
    public static CedarRelease? Read(string? name) => name is null ? null
        : CedarReleases.TryParse(name, out var release) ? release
        : throw new UsageException($"unknown release of Cedar `{name}` in `compat`; known releases: {string.Join(", ", CedarReleases.Names)}");
}
