namespace AuthSidecar.ControlPlane.Sidecars.Fleet;

/// <summary>What a sidecar has: the number of the revision of every data type, all of the history that the store is in. 0:
/// nothing.</summary>
internal readonly struct RevisionVector : IEquatable<RevisionVector>
{
    public static readonly IReadOnlyList<DataType> Types = [.. DataTypes.All.Select(t => (DataType)t.Number)];

    /// <summary>Instead of a number: it has something of another history, whatever has to be taken from it; or wants everything, whatever
    /// it has.</summary>
    public const long OfAnotherHistory = -1;

    private readonly ByType _revisions;

    private RevisionVector(in ByType revisions) => _revisions = revisions;
    public long this[DataType type] => _revisions[(int)type];

    public RevisionVector With(DataType type, long revision)
    {
        var revisions = _revisions;
        revisions[(int)type] = revision;
        return new RevisionVector(revisions);
    }

    public bool Equals(RevisionVector other) => ((ReadOnlySpan<long>)_revisions).SequenceEqual(other._revisions);
    public override bool Equals(object? obj) => obj is RevisionVector other && Equals(other);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (var revision in _revisions)
            hash.Add(revision);

        return hash.ToHashCode();
    }

    [InlineArray(AuthSidecar.Bundles.DataType.MaxNumber + 1)]
    private struct ByType
    {
        private long _first;
    }
}
