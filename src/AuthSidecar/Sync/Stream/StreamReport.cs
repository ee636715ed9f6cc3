using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Snapshots;
using AuthSidecar.Telemetry;

namespace AuthSidecar.Sync.Stream;

/// <summary>What the operator sees of the stream: log lines, health, counters, and the status that the control plane shows of its
/// fleet.</summary>
/// <remarks>Not safe to share between threads: one stream after the other uses it.</remarks>
internal sealed partial class StreamReport(
    PinnedKeys keys, SnapshotCache cache, SourceHealth health, DecisionCounter decisions, TimeProvider time, ILogger<StreamReport> logger)
{
    /// <summary>As many as the control plane takes.</summary>
    public const int MaxPinnedKeys = 16;

    private const int MaxProblems = 8;
    private const int MaxProblemLength = 512;

    private readonly Outage _outage = new(time);
    private readonly Dictionary<string, Outage> _refusals = [];
    private ulong _refusedHeartbeats;
    private ulong _refusedBundles;
    private TimeSpan? _clockAhead;

    /// <summary>Notes what became of a bundle.</summary>
    public void Received(BundleOutcome outcome)
    {
        health.Set(
            SubjectOf(outcome.Type),
            outcome.IsApplied ? null : $"{outcome.Type} of revision {outcome.Revision} refused: {outcome.Faults[0]}");
        if (outcome.IsApplied)
        {
            RefusalsOf(outcome.Type).End(out _);
            // What was not even readable was of some type or other; what is read now is signed by whom it should.
            health.Set(SubjectOf(null), null);
            Log.Applied(logger, outcome.Type!, outcome.Revision);
            return;
        }

        _refusedBundles++;
        SyncMetrics.NoteRefused(outcome.Reason.ToString());
        // Invalid content is new each time; other reasons repeat with every revision.
        if (outcome.Reason != NackReason.Content && !RefusalsOf(outcome.Type).Fail(outcome.Reason.ToString()))
            return;

        foreach (var fault in outcome.Faults)
            Log.Fault(logger, fault);

        Log.Refused(logger, outcome.Type, outcome.Revision, outcome.Reason);
    }

    private Outage RefusalsOf(DataType? type) => _refusals.TryGetValue(SubjectOf(type), out var refusals) ? refusals
        : _refusals[SubjectOf(type)] = new Outage(time);

    private static string SubjectOf(DataType? type) => $"bundle {type}";

    /// <summary>Whatever a heartbeat is refused for, nothing is current from then on: it is told once, and once more when it is
    /// over.</summary>
    public void Received(HeartbeatOutcome outcome)
    {
        const string Subject = "heartbeat";
        _clockAhead = outcome.ClockAhead;
        if (outcome.Refusal is null)
        {
            if (health.Set(Subject, null))
                Log.HeartbeatsAccepted(logger);

            return;
        }

        _refusedHeartbeats++;
        SyncMetrics.NoteRefused("Heartbeat");
        if (health.Set(Subject, $"heartbeats rejected: {outcome.Refusal}"))
            Log.HeartbeatsRefused(logger, outcome.Refusal);
    }

    /// <summary>Notes that there is no connection. Logged at once, and then at most once a minute for one cause.</summary>
    public void Disconnected(Uri address, Exception cause)
    {
        var why = ConnectionFailure.Describe(cause);
        health.Connection = $"not connected to the control plane at {address}: {why}";
        var (lasted, isFirst) = (_outage.Lasted, _outage.Failures == 0);
        if (!_outage.Fail(ConnectionFailure.KindOf(cause)))
            return;

        if (isFirst)
            Log.Lost(logger, address, why);
        else
            Log.StillLost(logger, lasted.TotalSeconds, _outage.Failures, address, why);
    }

    public void Connected(Uri address)
    {
        if (_outage.End(out var lasted))
        {
            health.Connection = null;
            Log.Found(logger, address, lasted.TotalSeconds);
        }
    }

    /// <summary>What the control plane is told of this sidecar after each message.</summary>
    public SidecarStatus ToStatus()
    {
        var status = new SidecarStatus
        {
            Decisions = (ulong)decisions.Count,
            RefusedHeartbeats = _refusedHeartbeats,
            RefusedBundles = _refusedBundles,
            PinnedKeys = { keys.Ids.Take(MaxPinnedKeys) },
            Problems = { health.Problems.Take(MaxProblems).Select(p => p.Length > MaxProblemLength ? p[..MaxProblemLength] : p) },
        };
        if (_clockAhead is { } ahead)
            status.ClockAheadMs = (long)ahead.TotalMilliseconds;

        if (cache.Current is { } snapshot)
        {
            status.Revision = snapshot.Revision.ToString();
            var ages = cache.AgesAt(time.GetUtcNow());
            foreach (var type in DataTypes.All)
            {
                var revision = type.RevisionIn(snapshot);
                var each = new TypeStatus { Type = BundleApplier.ToWire(type), Revision = revision == default ? "" : revision.ToString() };
                if (ages.IsKnown(type))
                    each.AgeMs = (ulong)ages.Of(type).TotalMilliseconds;

                status.Types_.Add(each);
            }
        }

        return status;
    }

    private static partial class Log
    {
        [LoggerMessage(30, LogLevel.Information, "applied {Type} of revision {Revision}", EventName = "BundleApplied")]
        public static partial void Applied(ILogger logger, DataType type, Revision revision);

        [LoggerMessage(31, LogLevel.Error, "bundle: {Fault}", EventName = "StreamBundleFault")]
        public static partial void Fault(ILogger logger, string fault);

        [LoggerMessage(32, LogLevel.Error, "failed to apply {Type} revision {Revision}, using the previous one: {Reason}",
            EventName = "StreamBundleRefused")]
        public static partial void Refused(ILogger logger, DataType? type, Revision revision, NackReason reason);

        [LoggerMessage(33, LogLevel.Warning, "not connected to the control plane at {Address}: {Error}",
            EventName = "ControlPlaneDisconnected")]
        public static partial void Lost(ILogger logger, Uri address, string error);

        [LoggerMessage(37, LogLevel.Warning,
            "not connected to a control plane for {Seconds:F0} s, {Failures} failures, last at {Address}: {Error}",
            EventName = "ControlPlaneStillDisconnected")]
        public static partial void StillLost(ILogger logger, double seconds, int failures, Uri address, string error);

        [LoggerMessage(38, LogLevel.Information, "connected to the control plane at {Address} again, after {Seconds:F0} s",
            EventName = "ControlPlaneReconnected")]
        public static partial void Found(ILogger logger, Uri address, double seconds);

        [LoggerMessage(39, LogLevel.Error, "heartbeats rejected, served data is becoming stale: {Error}", EventName = "HeartbeatsRefused")]
        public static partial void HeartbeatsRefused(ILogger logger, string error);

        [LoggerMessage(41, LogLevel.Information, "heartbeats accepted again", EventName = "HeartbeatsAccepted")]
        public static partial void HeartbeatsAccepted(ILogger logger);
    }
}
