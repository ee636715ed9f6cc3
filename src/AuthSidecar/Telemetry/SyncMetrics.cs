using System.Diagnostics.Metrics;

namespace AuthSidecar.Telemetry;

/// <summary>Metrics of the stream.</summary>
internal static class SyncMetrics
{
    private static readonly Meter Meter = new("AuthSidecar");

    private static readonly Counter<long> Refused = Meter.CreateCounter<long>(
        "authsidecar.sync.refused", "{message}", "Refused heartbeats, bundles and trust anchors, by `kind`.");

    /// <param name="kind">`Heartbeat`, `TrustAnchors`, or the reason why a bundle was refused.</param>
    public static void NoteRefused(string kind) => Refused.Add(1, new KeyValuePair<string, object?>("kind", kind));
}
