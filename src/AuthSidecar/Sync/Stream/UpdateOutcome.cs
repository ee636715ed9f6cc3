using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.Sync.Stream;

/// <summary>What became of a bundle.</summary>
/// <param name="Type">The type; null: unknown here, or not readable.</param>
/// <param name="Revision">The bundle's; the default: it was not readable.</param>
/// <param name="Reason">Why it was refused; unspecified: it was applied.</param>
/// <param name="Faults">What is wrong with it.</param>
internal sealed record BundleOutcome(DataType? Type, Revision Revision, NackReason Reason, IReadOnlyList<string> Faults)
{
    public bool IsApplied => Reason == NackReason.Unspecified;

    /// <summary>Whether the sidecar wants everything there is of the type: what it keeps of it has grown too long.</summary>
    public bool RequestsFullState { get; init; }
}

/// <summary>What became of a heartbeat.</summary>
/// <param name="IsCurrent">Whether it says of everything the sidecar has that it is current.</param>
/// <param name="Refusal">Why it does not count; null: it does.</param>
/// <param name="ClockAhead">How far the clock here is ahead of that of the control plane; null: it is not known whose heartbeat it
/// is.</param>
internal readonly record struct HeartbeatOutcome(bool IsCurrent, string? Refusal, TimeSpan? ClockAhead);

/// <summary>What became of an update.</summary>
internal sealed record UpdateOutcome(IReadOnlyList<BundleOutcome> Bundles, HeartbeatOutcome Heartbeat);

/// <summary>A bundle whose signature and placement are right, and which comes after what the sidecar has.</summary>
/// <param name="Type">Its type.</param>
/// <param name="Signed">As it came.</param>
/// <param name="Revision">Its revision.</param>
internal sealed record VerifiedBundle(DataType Type, Bundle Message, Signed Signed, Revision Revision)
{
    /// <summary>Whether it is a change of what the sidecar has; else it is everything there is.</summary>
    public bool IsChange => Message.BaseRevision.Length > 0;
}
