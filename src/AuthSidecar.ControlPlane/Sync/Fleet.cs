using System.Collections.Concurrent;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Sync;

/// <summary>The sidecars that are connected to this node.</summary>
internal sealed class Fleet
{
    private readonly ConcurrentDictionary<ConnectedSidecar, byte> _connected = [];

    public IEnumerable<ConnectedSidecar> Connected => _connected.Keys;

    public void Add(ConnectedSidecar sidecar) => _connected.TryAdd(sidecar, 0);

    public void Remove(ConnectedSidecar sidecar) => _connected.TryRemove(sidecar, out _);
}

/// <summary>A sidecar and how it fares. Written by the one that reads its stream.</summary>
internal sealed class ConnectedSidecar(SidecarIdentity identity, string version, HeldRevisions held, DateTimeOffset now)
{
    private const int MaxFaults = 20;

    private readonly Lock _lock = new();
    private readonly Dictionary<ResourceType, (long Revision, IReadOnlyList<string> Faults)> _refused = [];
    private readonly HashSet<(ResourceType Type, ulong Revision)> _sentInFull = [];
    private HeldRevisions _sent = held;
    private HeldRevisions _applied = held;
    private HashSet<ResourceType> _awaited = [];
    private TaskCompletionSource _answered = NewSignal();
    private (ulong Decisions, DateTimeOffset At) _status = (0, now);
    private DateTimeOffset _heardAt = now;
    private DateTimeOffset _sentAt = now;
    private double _decisionsPerSecond;

    public SidecarIdentity Identity { get; } = identity;

    public string Version { get; } = version;

    public DateTimeOffset ConnectedAt { get; } = now;

    /// <summary>What it holds or was sent, and need not be sent again.</summary>
    public HeldRevisions Sent
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

    /// <summary>Takes note of what it has once it has applied what it is sent now; of types that there is nothing of, nothing is sent.</summary>
    public void NoteSent(HeldRevisions sent, DateTimeOffset at)
    {
        lock (_lock)
        {
            _sentAt = _applied.Equals(_sent) ? at : _sentAt;
            _awaited = [.. HeldRevisions.Types.Where(t => sent[t] != _sent[t] && sent[t] > 0)];
            (_sent, _answered) = (sent, NewSignal());
        }
    }

    public void NoteAck(Ack ack, DateTimeOffset at)
    {
        lock (_lock)
        {
            _heardAt = at;
            _applied = _applied.With(ack.Type, (long)ack.Revision);
            _refused.Remove(ack.Type);
            if (ack.WantsFull)
            {
                _sent = _sent.With(ack.Type, 0);
            }

            Answer(ack.Type);
        }
    }

    public void NoteNack(Nack nack, DateTimeOffset at)
    {
        lock (_lock)
        {
            _heardAt = at;
            // Of what it could not even read it does not know what it is: of what it has yet to answer, then, until it acknowledges that.
            foreach (var type in nack.Type == ResourceType.Unspecified ? _awaited.ToList() : [nack.Type])
            {
                _refused[type] = (nack.Type == ResourceType.Unspecified ? _sent[type] : (long)nack.Revision, [.. nack.Faults.Take(MaxFaults)]);
                Answer(type);
            }

            // Everything, then; but once: one who refuses that too has another reason.
            if (nack.Reason == NackReason.Base && _sentInFull.Add((nack.Type, nack.Revision)))
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
            var seconds = (at - _status.At).TotalSeconds;
            // After a restart the count begins again; that interval tells nothing.
            _decisionsPerSecond = seconds > 0 && status.Decisions >= _status.Decisions ? (status.Decisions - _status.Decisions) / seconds : 0;
            _status = (status.Decisions, at);
        }
    }

    /// <summary>How it fares, at one moment. It is stale from the moment on at which it was sent what it has not applied.</summary>
    public (DateTimeOffset HeardAt, DateTimeOffset? StaleSince, double DecisionsPerSecond, IReadOnlyList<ResourceState> Resources) Status
    {
        get
        {
            lock (_lock)
            {
                return (_heardAt, _applied.Equals(_sent) ? null : _sentAt, _decisionsPerSecond, [.. HeldRevisions.Types.Select(StateOf)]);
            }
        }
    }

    private ResourceState StateOf(ResourceType type)
    {
        var state = new ResourceState { Type = type.ToString().ToLowerInvariant(), AppliedRevision = (ulong)_applied[type] };
        if (_refused.TryGetValue(type, out var refused))
        {
            state.RefusedRevision = (ulong)refused.Revision;
            state.Faults.AddRange(refused.Faults);
        }

        return state;
    }

    private void Answer(ResourceType type)
    {
        if (_awaited.Remove(type) && _awaited.Count == 0)
        {
            _answered.SetResult();
        }
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
