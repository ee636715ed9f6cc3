namespace AuthSidecar.Cedar;

/// <summary>Policies and templates, each with an id of its own.</summary>
/// <remarks>Immutable and safe to share between threads. Made by <see cref="TryParse"/> or by a <see cref="PolicySetBuilder"/>.</remarks>
public sealed class PolicySet
{
    internal PolicySet(ImmutableArray<Policy> policies, ImmutableArray<Template> templates, CedarRelease release)
    {
        (Policies, Templates, Release) = (policies, templates, release);
        Scopes = new ScopeIndex([.. policies.Select(p => p.Scope)]);
    }

    /// <summary>The set without policies, which denies everything.</summary>
    public static readonly PolicySet Empty = new([], [], CedarReleases.Latest);

    /// <summary>The static policies in the order they were added, then the links.</summary>
    public ImmutableArray<Policy> Policies { get; }

    /// <summary>The templates in the order they were added. By themselves they decide nothing.</summary>
    public ImmutableArray<Template> Templates { get; }

    /// <summary>The release that the policies are evaluated and validated as.</summary>
    public CedarRelease Release { get; }

    internal ScopeIndex Scopes { get; }

    /// <summary>Reads a policy set in Cedar's JSON format: <c>staticPolicies</c>, <c>templates</c>, <c>templateLinks</c>. A policy in it
    /// may also be a string in Cedar syntax.</summary>
    /// <param name="json">The policy set.</param>
    /// <param name="policies">The policies; null beside faults.</param>
    /// <param name="faults">The faults, each at its place.</param>
    /// <param name="release">The release of Cedar to behave as.</param>
    /// <returns>False beside faults.</returns>
    public static bool TryParseJson(SourceText json, [NotNullWhen(true)] out PolicySet? policies, out IReadOnlyList<Fault> faults,
        CedarRelease release = CedarReleases.Latest)
    {
        var builder = new PolicySetBuilder(release);
        builder.AddJson(json);
        return builder.TryBuild(out policies, out faults);
    }

    /// <summary>The set in Cedar's JSON format.</summary>
    public string ToJson() => PolicySetJson.Write(this);

    /// <summary>Parses one text. The policies are called <c>policy0</c>, <c>policy1</c>, … by their place in it, templates counted
    /// too.</summary>
    /// <param name="text">The text.</param>
    /// <param name="policies">The policies; null beside faults.</param>
    /// <param name="faults">The first fault of every policy that has one.</param>
    /// <param name="release">The release of Cedar to behave as.</param>
    /// <returns>False beside faults.</returns>
    public static bool TryParse(SourceText text, [NotNullWhen(true)] out PolicySet? policies, out IReadOnlyList<Fault> faults,
        CedarRelease release = CedarReleases.Latest)
    {
        var builder = new PolicySetBuilder(release);
        builder.Add(text, static (index, _) => string.Create(CultureInfo.InvariantCulture, $"policy{index}"));
        return builder.TryBuild(out policies, out faults);
    }
}
