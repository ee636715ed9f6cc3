namespace AuthSidecar.ControlPlane.Sidecars.Fleet;

/// <summary>The sidecars that are connected to this node: one stream for each.</summary>
internal sealed class SidecarFleet(TimeProvider time)
{
    /// <summary>A stream on which nothing was heard for so long may be one that the sidecar has lost.</summary>
    private static readonly TimeSpan SilentFor = TimeSpan.FromSeconds(16);

    private readonly ConcurrentDictionary<SidecarIdentity, ConnectedSidecar> _connected = [];
    private readonly Lock _changing = new();
    private readonly Signal _changed = new(time);
    private readonly Outage _unknownKeys = new(time);
    private Dictionary<SidecarIdentity, bool> _changes = [];

    public IEnumerable<ConnectedSidecar> Connected => _connected.Values;
    public bool IsConnected(SidecarIdentity identity) => _connected.ContainsKey(identity);

    /// <summary>Takes in a stream, in place of an older one of the same process.</summary>
    /// <returns>The other process that has this identity, and is there; null: it is taken in.</returns>
    public ConnectedSidecar? TryAdd(ConnectedSidecar sidecar)
    {
        lock (_changing)
        {
            if (_connected.TryGetValue(sidecar.Identity, out var before))
            {
                if (before.Instance != sidecar.Instance && time.GetUtcNow() - before.HeardAt < SilentFor)
                    return before;

                before.End("another stream of this sidecar has begun");
            }

            _connected[sidecar.Identity] = sidecar;
            _changes[sidecar.Identity] = true;
            _changed.Give();
            return null;
        }
    }

    /// <summary>Notes that a sidecar trusts no key of the database. After a restore this applies to all sidecars at once.</summary>
    /// <returns>Whether to log it: once a minute for all of them.</returns>
    public bool NoteUnknownKeys()
    {
        lock (_changing)
        {
            return _unknownKeys.Fail();
        }
    }

    public void Remove(ConnectedSidecar sidecar)
    {
        lock (_changing)
        {
            if (_connected.TryRemove(KeyValuePair.Create(sidecar.Identity, sidecar)))
            {
                _changes[sidecar.Identity] = false;
                _changed.Give();
            }
        }
    }

    /// <summary>Waits until a sidecar connects or disconnects, or the timeout expires.</summary>
    public Task WhenChangedAsync(TimeSpan most, CancellationToken cancellation) => _changed.WaitAsync(most, cancellation);

    /// <summary>Who has come and gone since this was last asked.</summary>
    public IReadOnlyDictionary<SidecarIdentity, bool> TakeChanges()
    {
        lock (_changing)
        {
            return Interlocked.Exchange(ref _changes, []);
        }
    }

    /// <summary>What could not be told is to be told again, where nothing newer is.</summary>
    public void GiveBack(IReadOnlyDictionary<SidecarIdentity, bool> changes)
    {
        lock (_changing)
        {
            foreach (var (identity, isConnected) in changes)
                _changes.TryAdd(identity, isConnected);

            _changed.Give();
        }
    }
}
