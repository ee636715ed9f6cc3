using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;

namespace AuthSidecar.ControlPlane.Sidecars.Fleet;

/// <summary>A sidecar and how it fares. Written by the one that reads its stream.</summary>
/// <param name="instance">Which process it is, of those that have its identity.</param>
/// <param name="version">That of its software.</param>
/// <param name="history">The history that its stream is about.</param>
/// <param name="held">What it has.</param>
internal sealed class ConnectedSidecar(
    SidecarIdentity identity, string instance, string version, History history, RevisionVector held, TimeProvider time)
{
    private const int MaxFaults = 20;

    /// <summary>On one stream: one who asks for everything again and again begins another stream.</summary>
    private const int MostSentInFull = 64;

    private readonly Lock _lock = new();
    private readonly Dictionary<DataType, (long Revision, IReadOnlyList<string> Faults)> _refused = [];
    private readonly HashSet<(DataType Type, long Revision)> _sentInFull = [];
    private readonly HashSet<DataType> _changedSinceFull = [];
    private RevisionVector _sent = held;
    private HashSet<DataType> _awaited = [];
    private TaskCompletionSource _answered = NewSignal();
    private SidecarStatus _status = new();
    private IReadOnlySet<string> _pinnedKeys = new HashSet<string>();
    private DateTimeOffset _statusAt = time.GetUtcNow();
    private RevisionVector _served;
    private DateTimeOffset _heardAt = time.GetUtcNow();
    private DateTimeOffset _sentAt = time.GetUtcNow();
    private DateTimeOffset? _clonedAt;
    private readonly Outage _clones = new(time);
    private double _decisionsPerSecond;
    private ulong _counted;

    public SidecarIdentity Identity { get; } = identity;
    public string Instance { get; } = instance;
    public string Version { get; } = version;

    /// <summary>The ids of its pinned keys, by its last status.</summary>
    public IReadOnlySet<string> PinnedKeys
    {
        get
        {
            lock (_lock)
            {
                return _pinnedKeys;
            }
        }

        init => _pinnedKeys = value;
    }

    /// <summary>Why its stream is ended from here; null: it is not.</summary>
    public string? Ended { get; private set; }

    /// <summary>Ends its stream.</summary>
    public event Action? Ending;

    public DateTimeOffset HeardAt
    {
        get
        {
            lock (_lock)
            {
                return _heardAt;
            }
        }
    }

    public void End(string why)
    {
        Ended = why;
        Ending?.Invoke();
    }

    /// <summary>Another process has come with its identity.</summary>
    /// <returns>Whether that is to be told: it comes again and again.</returns>
    public bool NoteClone(DateTimeOffset at)
    {
        lock (_lock)
        {
            _clonedAt = at;
            return _clones.Fail();
        }
    }

    /// <summary>When another process last came with its identity; null: none did.</summary>
    public DateTimeOffset? ClonedAt
    {
        get
        {
            lock (_lock)
            {
                return _clonedAt;
            }
        }
    }

    /// <summary>The history that its stream is about.</summary>
    public History History { get; } = history;

    public DateTimeOffset ConnectedAt { get; } = time.GetUtcNow();

    /// <summary>What it holds or was sent, and need not be sent again.</summary>
    public RevisionVector Sent
    {
        get
        {
            lock (_lock)
            {
                return _sent;
            }
        }
    }

    /// <summary>Completes when everything that was sent has been answered.</summary>
    public Task WhenAnswered
    {
        get
        {
            lock (_lock)
            {
                return _awaited.Count == 0 ? Task.CompletedTask : _answered.Task;
            }
        }
    }

    /// <summary>Takes note of what it has once it has applied what it is sent now; of types that there is nothing of, nothing is
    /// sent.</summary>
    public void NoteSent(RevisionVector sent, DateTimeOffset at)
    {
        lock (_lock)
        {
            _sentAt = IsCurrent ? at : _sentAt;
            foreach (var type in RevisionVector.Types.Where(t => sent[t] != _sent[t]))
            {
                // From a revision of this history it is a change, else everything.
                _ = _sent[type] > 0 ? _changedSinceFull.Add(type) : _changedSinceFull.Remove(type);
            }

            _awaited = [.. RevisionVector.Types.Where(t => sent[t] != _sent[t] && sent[t] > 0)];
            (_sent, _answered) = (sent, NewSignal());
        }
    }

    public void NoteAck(Ack ack, DateTimeOffset at)
    {
        lock (_lock)
        {
            _heardAt = at;
            _refused.Remove(ack.Type);
            // What it keeps can have outgrown a full bundle only by changes since the last one.
            if (ack.RequestsFullState && _changedSinceFull.Contains(ack.Type))
                _sent = _sent.With(ack.Type, 0);

            Answer(ack.Type);
        }
    }

    public void NoteNack(Nack nack, DateTimeOffset at)
    {
        lock (_lock)
        {
            _heardAt = at;
            // Of what it could not even read it does not know what it is: of what it has yet to answer, then, until it acknowledges that.
            foreach (var type in nack.Type == DataType.Unspecified ? _awaited.ToList() : [nack.Type])
            {
                _refused[type] = (nack.Type == DataType.Unspecified ? _sent[type] : NumberOf(nack.Revision),
                    [.. nack.Faults.Take(MaxFaults)]);
                Answer(type);
            }

            // Everything, then; but once: one who refuses that too has another reason.
            if (nack.Reason == NackReason.Base && NumberOf(nack.Revision) == _sent[nack.Type] && _sentInFull.Count < MostSentInFull
                && _sentInFull.Add((nack.Type, NumberOf(nack.Revision))))
            {
                _sent = _sent.With(nack.Type, 0);
            }
        }
    }

    public void NoteStatus(SidecarStatus status, DateTimeOffset at)
    {
        lock (_lock)
        {
            _heardAt = at;
            var wasCurrent = IsCurrent;
            var seconds = (at - _statusAt).TotalSeconds;
            // After a restart the count begins again; that interval tells nothing. Nor does one that is very short.
            if (seconds >= 1)
            {
                _decisionsPerSecond = status.Decisions >= _counted ? (status.Decisions - _counted) / seconds : 0;
                (_counted, _statusAt) = (status.Decisions, at);
            }

            (_status, _pinnedKeys) = (status, status.PinnedKeys.ToHashSet(StringComparer.Ordinal));
            _served = status.Types_.Where(t => RevisionVector.Types.Contains(t.Type)).Aggregate(
                default(RevisionVector), (all, t) => all.With(t.Type, NumberOf(t.Revision)));
            // What it had was current until it said otherwise.
            _sentAt = wasCurrent && !IsCurrent ? at : _sentAt;
        }
    }

    /// <summary>How it fares, at one moment. It is stale from the moment on at which it was sent what it does not answer from, or has had a
    /// problem.</summary>
    public (DateTimeOffset HeardAt, DateTimeOffset? StaleSince, double DecisionsPerSecond, SidecarStatus Reported,
        IReadOnlyList<DataTypeState> DataTypes) Status
    {
        get
        {
            lock (_lock)
            {
                return (_heardAt, IsCurrent ? null : _sentAt, _decisionsPerSecond, _status, [.. RevisionVector.Types.Select(StateOf)]);
            }
        }
    }

    /// <summary>As administrators see it.</summary>
    public Sidecar ToMessage(DateTimeOffset now)
    {
        var (heardAt, staleSince, decisionsPerSecond, reported, resources) = Status;
        var message = new Sidecar
        {
            Name = Identity.Name,
            Application = Identity.Placement.Application,
            Tenant = Identity.Placement.Tenant,
            Version = Version,
            ConnectedAt = Timestamp.FromDateTimeOffset(ConnectedAt),
            HeardAt = Timestamp.FromDateTimeOffset(heardAt),
            DataTypes = { resources },
            DecisionsPerSecond = decisionsPerSecond,
            IsCurrent = staleSince is null,
            State = staleSince is null ? SidecarState.Current : SidecarState.Stale,
            StaleSeconds = staleSince is { } since ? (ulong)Math.Max(0, (now - since).TotalSeconds) : 0,
            Revision = reported.Revision,
            Problems = { reported.Problems },
            RefusedHeartbeats = reported.RefusedHeartbeats,
            RefusedBundles = reported.RefusedBundles,
            PinnedKeys = { PinnedKeys },
        };
        if (ClonedAt is { } cloned)
            message.Problems.Add($"duplicate identity: a second process has connected with it, last at {cloned:u}");

        if (reported.HasClockAheadMs)
            message.ClockAheadMs = reported.ClockAheadMs;

        return message;
    }

    private bool IsCurrent => _served.Equals(_sent) && _status.Problems.Count == 0;

    private DataTypeState StateOf(DataType type)
    {
        var state = new DataTypeState { Type = type.ToString().ToLowerInvariant(), AppliedRevision = ToText(_served[type]) };
        if (_status.Types_.FirstOrDefault(t => t.Type == type) is { HasAgeMs: true } reported)
            state.AgeMs = reported.AgeMs;

        if (_refused.TryGetValue(type, out var refused))
        {
            state.RefusedRevision = ToText(refused.Revision);
            state.Faults.AddRange(refused.Faults);
        }

        return state;
    }

    /// <summary>Of a revision that the sidecar names: those it is sent are of one history.</summary>
    private long NumberOf(string revision) =>
        Revision.TryParse(revision, out var given) && given.History == History ? (long)given.Number : 0;

    private string ToText(long number) => number > 0 ? new Revision(History, (ulong)number).ToString() : "";

    private void Answer(DataType type)
    {
        if (_awaited.Remove(type) && _awaited.Count == 0)
            _answered.SetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
