namespace AuthSidecar.Cedar;

/// <summary>Releases of Cedar's reference implementation between which a policy or its validation differs, oldest first.</summary>
public enum CedarRelease
{
    /// <summary>4.12: a policy whose scope fits no action is invalid.</summary>
    V4_12,

    /// <summary>4.13 and 4.14: such a policy is valid, with a warning.</summary>
    V4_13,

    /// <summary>4.15: <c>isInRange</c> takes one or more ranges (RFC 99); the formatter writes attribute names without quotes where it
    /// can.</summary>
    V4_15,
}

/// <summary>Releases by their names, and the newest.</summary>
public static class CedarReleases
{
    /// <summary>The newest release that is known.</summary>
    public const CedarRelease Latest = CedarRelease.V4_15;

    private static readonly Dictionary<string, CedarRelease> ByName = new(StringComparer.Ordinal)
    {
        ["4.12"] = CedarRelease.V4_12,
        ["4.13"] = CedarRelease.V4_13,
        ["4.14"] = CedarRelease.V4_13,
        ["4.15"] = CedarRelease.V4_15,
    };

    /// <summary>The names of all releases, oldest first.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. ByName.Keys];

    /// <summary>Finds a release by its name.</summary>
    /// <param name="name">Major and minor version, such as <c>4.13</c>.</param>
    /// <param name="release">The release.</param>
    /// <returns>False: no known release has that name.</returns>
    public static bool TryParse([NotNullWhen(true)] string? name, out CedarRelease release)
    {
        release = default;
        return name is not null && ByName.TryGetValue(name, out release);
    }
}
