using System.Runtime.CompilerServices;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Sync;

/// <summary>What a sidecar has: the number of the revision of every type of resource, all of the history that the store is in. 0: nothing.</summary>
internal readonly struct HeldRevisions : IEquatable<HeldRevisions>
{
    public static readonly IReadOnlyList<ResourceType> Types = [.. Enum.GetValues<ResourceType>().Where(t => t != ResourceType.Unspecified)];

    /// <summary>Instead of a number: it has something of another history, whatever has to be taken from it; or wants everything, whatever it has.</summary>
    public const long OfAnotherHistory = -1;

    private readonly ByType _revisions;

    private HeldRevisions(in ByType revisions) => _revisions = revisions;

    public long this[ResourceType type] => _revisions[(int)type];

    public HeldRevisions With(ResourceType type, long revision)
    {
        var revisions = _revisions;
        revisions[(int)type] = revision;
        return new HeldRevisions(revisions);
    }

    public bool Equals(HeldRevisions other) => ((ReadOnlySpan<long>)_revisions).SequenceEqual(other._revisions);

    public override bool Equals(object? obj) => obj is HeldRevisions other && Equals(other);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var revision in _revisions)
        {
            hash.Add(revision);
        }

        return hash.ToHashCode();
    }

    [InlineArray((int)ResourceType.Risk + 1)]
    private struct ByType
    {
        private long _first;
    }
}

/// <summary>Whom a sidecar serves, by its certificate. An empty tenant: all.</summary>
internal readonly record struct SyncScope(string Application, string Tenant)
{
    /// <summary>Whether what has a placement is for its sidecars.</summary>
    public bool Concerns(Placement placement) =>
        (placement.Application.Length == 0 || placement.Application == Application) && (Tenant.Length == 0 || placement.Tenant.Length == 0 || placement.Tenant == Tenant);

    /// <summary>Of what concerns the sidecar itself.</summary>
    public Placement Placement => new(Application, Tenant);
}
