namespace AuthSidecar.Snapshots;

/// <summary>Whether what the source has is what is served, or was refused.</summary>
internal sealed class SourceHealth
{
    private volatile bool _isCurrent;

    /// <summary>Whether what the source has is what is served. False before the first snapshot.</summary>
    public bool IsCurrent => _isCurrent;

    public void Set(bool isCurrent) => _isCurrent = isCurrent;
}
