namespace AuthSidecar.Snapshots;

/// <summary>The types of resource that a snapshot is made of, as a set: what an answer rests on, what is current.</summary>
[Flags]
internal enum ResourceTypes
{
    None = 0,

    /// <summary>Policies, schema, templates and links.</summary>
    Policies = 1,

    Entities = 1 << 1,

    /// <summary>Issuers and their keys.</summary>
    Keys = 1 << 2,

    Revocations = 1 << 3,

    /// <summary>Enrolled second factors.</summary>
    Factors = 1 << 4,

    /// <summary>Risk settings and profiles.</summary>
    Risk = 1 << 5,

    All = Policies | Entities | Keys | Revocations | Factors | Risk,
}

internal static class ResourceTypesExtensions
{
    public const int Count = 6;

    /// <summary>Each by itself, in the order of their declaration.</summary>
    public static IEnumerable<ResourceTypes> Each(this ResourceTypes types) =>
        Enumerable.Range(0, Count).Select(i => (ResourceTypes)(1 << i)).Where(t => types.HasFlag(t));
}
