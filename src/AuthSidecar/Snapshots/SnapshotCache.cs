using AuthSidecar.Issuers;

namespace AuthSidecar.Snapshots;

/// <summary>Holds the current snapshot. Readers take the reference once per request and never wait; a publisher exchanges it.</summary>
internal sealed class SnapshotCache
{
    private readonly TimeProvider _time;
    private readonly RemoteKeySets? _keySets;
    private readonly Lock _publishing = new();
    private Snapshot? _published;
    private Snapshot? _current;
    private Confirmations _confirmations = Confirmations.None;
    private bool _isHistoryLost;
    private TaskCompletionSource _publication = NewSignal();

    /// <param name="keySets">What issuers publish themselves, of whom a source knows the address alone; null: nobody does.</param>
    public SnapshotCache(TimeProvider time, RemoteKeySets? keySets = null)
    {
        (_time, _keySets) = (time, keySets);
        if (keySets is not null)
            keySets.Changed += CompleteAgain;
    }

    /// <summary>The snapshot to decide from; null before the first.</summary>
    public Snapshot? Current => Volatile.Read(ref _current);

    /// <summary>Raised after every publication, outside of any lock.</summary>
    public event Action<Snapshot>? Published;

    /// <summary>How long ago each data type was last known to be what the source has.</summary>
    public DataAges AgesAt(DateTimeOffset now) => new(Volatile.Read(ref _confirmations), now, _time);

    /// <exception cref="InvalidOperationException">The revision is older; or it is the same, and so is everything else.</exception>
    public void Publish(Snapshot snapshot)
    {
        TaskCompletionSource waiting;
        lock (_publishing)
        {
            if (_published is { } before
                && (snapshot.Revision < before.Revision || (snapshot.Revision == before.Revision && snapshot.HasSameValuesAs(before))))
            {
                throw new InvalidOperationException($"revision {snapshot.Revision} is not newer than {before.Revision}");
            }

            _published = snapshot;
            Volatile.Write(ref _current, Complete(snapshot));
            waiting = Interlocked.Exchange(ref _publication, NewSignal());
        }

        waiting.SetResult();
        Published?.Invoke(snapshot);
    }

    /// <summary>Notes that the source has what is current of these types: now, or at a moment in the past.</summary>
    /// <remarks>By one thread at a time: that of the source.</remarks>
    public void Confirm(DataTypeSet types, DateTimeOffset? at = null)
    {
        var now = _time.GetUtcNow();
        Volatile.Write(ref _confirmations, _confirmations.With(types, at ?? now, now, _time.GetTimestamp()));
    }

    /// <summary>Notes that the source was there to be asked, whatever it had.</summary>
    public void Reached() => Confirm(default);

    /// <summary>Whether the source was found to have less than it had, and has not said yet what its revisions mean from now on.</summary>
    public bool IsHistoryLost
    {
        get => Volatile.Read(ref _isHistoryLost);
        set
        {
            Volatile.Write(ref _isHistoryLost, value);
            if (value)
            {
                // Whoever waits looks again.
                Interlocked.Exchange(ref _publication, NewSignal()).SetResult();
            }
        }
    }

    /// <summary>Waits for a revision, or a later one of its history; null: it is not to come.</summary>
    /// <exception cref="OperationCanceledException">It did not come in time.</exception>
    public async Task<Snapshot?> WaitForAsync(Revision revision, CancellationToken cancellation)
    {
        while (true)
        {
            // The signal is taken before the snapshot is looked at: a publication in between completes it.
            var published = Volatile.Read(ref _publication).Task;
            if (IsHistoryLost)
                return null;

            if (Current is { } snapshot && (revision.IsIn(snapshot.Revision) || !revision.MayFollow(snapshot.Revision)))
                return revision.IsIn(snapshot.Revision) ? snapshot : null;

            await published.WaitAsync(cancellation);
        }
    }

    private void CompleteAgain()
    {
        lock (_publishing)
        {
            if (_published is { } snapshot)
                Volatile.Write(ref _current, Complete(snapshot));
        }
    }

    private Snapshot Complete(Snapshot snapshot) =>
        _keySets is null ? snapshot
            : snapshot.With(IssuerData.Type, snapshot.Issuers with { Value = _keySets.Complete(snapshot.Issuers.Value) });

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
