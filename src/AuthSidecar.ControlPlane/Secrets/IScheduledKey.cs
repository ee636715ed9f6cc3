namespace AuthSidecar.ControlPlane.Secrets;

/// <summary>A key that replaces its predecessor at a scheduled time.</summary>
internal interface IScheduledKey
{
    /// <summary>When it becomes active.</summary>
    long SignsFromMs { get; }
}
