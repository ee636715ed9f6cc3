namespace AuthSidecar.ControlPlane.Store;

/// <summary>What a write did, for those who ask who did what and when. Append-only.</summary>
[Table("audit")]
[PrimaryKey(nameof(Revision), nameof(Number))]
[Index(nameof(AtMs))]
[Index(nameof(Application), nameof(Revision))]
internal sealed class AuditRow
{
    public required long Revision { get; set; }

    /// <summary>The place within the revision, from 0.</summary>
    public required int Number { get; set; }

    public required long AtMs { get; set; }
    public required string Actor { get; set; }

    /// <summary>What was done, such as <c>policies.publish</c>.</summary>
    public required string Action { get; set; }

    /// <summary>To what.</summary>
    public required string Target { get; set; }

    /// <summary>The application whose sidecars have it; empty: those of all.</summary>
    public required string Application { get; set; }

    /// <summary>The tenant whose sidecars have it; empty: those of all.</summary>
    public required string Tenant { get; set; }

    /// <summary>As it was; null: it was not there.</summary>
    public string? Before { get; set; }

    /// <summary>As it is; null: it is not there any more.</summary>
    public string? After { get; set; }
}
