using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Sidecars;

/// <summary>A sidecar that has enrolled: only its newest certificate admits it, and the one before, until the newest has been
/// used.</summary>
[Table("sidecars")]
[PrimaryKey(nameof(Application), nameof(Tenant), nameof(Name))]
[Index(nameof(Note))]
[Index(nameof(ConnectedTo))]
internal sealed class SidecarRow
{
    public required string Application { get; set; }
    public required string Tenant { get; set; }
    public required string Name { get; set; }

    /// <summary>That of the newest change to what admits it.</summary>
    public required long Note { get; set; }

    /// <summary>The serial number of its certificate.</summary>
    public required string Serial { get; set; }

    /// <summary>The SHA-256 of the previous certificate, base64url, which is accepted until the current one is used; empty: none.</summary>
    public required string PreviousSha256 { get; set; }

    /// <summary>Its certificate, in PEM: whoever asks again with the same key, since the answer was lost, gets the same.</summary>
    public required string Certificate { get; set; }

    /// <summary>The SHA-256 of its key (SubjectPublicKeyInfo), base64url.</summary>
    public required string KeySha256 { get; set; }

    /// <summary>The uid of the pod that it enrolled as; empty: it enrolled with a join token.</summary>
    public string PodUid { get; set; } = "";

    /// <summary>The issuer of that pod's cluster, and its namespace: a name is another's in another one; empty: it enrolled with a join
    /// token.</summary>
    public string PodNamespace { get; set; } = "";

    /// <summary>From when on its certificate is valid: which of two is the newer one.</summary>
    public required long ValidFromMs { get; set; }

    public required long ExpiresAtMs { get; set; }
    public required long EnrolledAtMs { get; set; }

    /// <summary>When a node last knew it to be there; to half a minute.</summary>
    public long HeardAtMs { get; set; }

    /// <summary>The node that it is connected to; empty: none.</summary>
    public string ConnectedTo { get; set; } = "";

    /// <summary>How it fared when that node last told (a <see cref="Sidecar"/>); null: none has.</summary>
    public byte[]? Report { get; set; }

    public required bool IsRemoved { get; set; }
}

internal static class SidecarTable
{
    extension(StoreContext store)
    {
        public DbSet<SidecarRow> Sidecars => store.Set<SidecarRow>();
    }
}
