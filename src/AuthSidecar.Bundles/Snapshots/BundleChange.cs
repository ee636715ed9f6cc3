namespace AuthSidecar.Bundles;

/// <summary>A bundle that is applied to a snapshot: a folder with documents of every type, or one of a single type from a control
/// plane.</summary>
internal sealed class BundleChange
{
    public required BundleFiles Documents { get; init; }
    public required Revision Revision { get; init; }

    /// <summary>What has expired is left out.</summary>
    public required DateTimeOffset Now { get; init; }

    /// <summary>Whether the documents have only what was added or replaced; otherwise all there is.</summary>
    public bool IsDelta { get; init; }

    /// <summary>In a delta: the entities that were removed, or the subjects of which all was.</summary>
    public IReadOnlyCollection<EntityUid> Removed { get; init; } = [];

    /// <summary>The manifest of a folder; null: from a control plane, which sends none.</summary>
    public BundleManifest? Manifest { get; init; }

    /// <summary>Whether the documents are those of every type.</summary>
    public bool IsFolder => Manifest is not null;

    /// <summary>The schema of a folder.</summary>
    public SchemaDocument? Schema { get; init; }

    /// <summary>The key that the secrets of a folder's second factors are wrapped with; null: not known here, and they are not
    /// unwrapped.</summary>
    public byte[]? FactorKey { get; init; }
}
