namespace AuthSidecar.ControlPlane.Store;

/// <summary>A resource that is written by itself: an issuer, a revocation, the second factors of a subject, risk settings, a risk profile.
/// Like an entity it has an application and a tenant, and leaves a tombstone.</summary>
[Table("entries")]
[PrimaryKey(nameof(Type), nameof(Key), nameof(Application), nameof(Tenant))]
[Index(nameof(Type), nameof(Revision))]
[Index(nameof(ExpiresAtMs))]
internal sealed class EntryRow
{
    public required DataType Type { get; set; }

    /// <summary>What it is of its type: the name of an issuer, the uid of a subject.</summary>
    public required string Key { get; set; }

    /// <summary>The application whose sidecars have it; empty: those of all.</summary>
    public required string Application { get; set; }

    /// <summary>The tenant whose sidecars have it; empty: those of all.</summary>
    public required string Tenant { get; set; }

    public required long Revision { get; set; }
    public required bool IsRemoved { get; set; }

    /// <summary>As it is written in the documents of a bundle; empty in a tombstone.</summary>
    public required string Json { get; set; }

    /// <summary>When it means nothing any more and may go without a trace; null: never.</summary>
    public long? ExpiresAtMs { get; set; }
}
