using System.Text.Json.Serialization;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.State;

namespace AuthSidecar.Sync.Stream;

/// <summary>What came by the stream and still counts, on disk, so that a sidecar can begin without its control plane: of every type the
/// last bundle that had everything, the changes since, and the heartbeat that last said that this is current. It is kept as it came, with
/// its signatures, and is verified again when it is read; and encrypted, for there are secrets in it.</summary>
/// <remarks>One file for each bundle, and an index that says which of them count, replaced as a whole: so a change costs what it is long,
/// and what is on disk is always of one moment.</remarks>
internal sealed partial class LastKnownGood
{
    private static readonly StrictJsonFiles Json = new(LastKnownGoodJson.Default);

    /// <summary>How often it is told on disk that nothing has changed.</summary>
    public static readonly TimeSpan HeartbeatsEvery = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan RetryAfter = TimeSpan.FromSeconds(1);

    private const string Index = "index";

    /// <summary>Changes may be as long together as what they change; and this long in any case.</summary>
    private const long ChangesAtLeast = 1024 * 1024;

    /// <summary>What waits to be written when nothing can be: more is not kept, but asked for again.</summary>
    private const long MaxWaiting = 64 * 1024 * 1024;

    private readonly string _folder;
    private readonly byte[] _key;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private readonly Signal _due;
    private readonly Dictionary<DataType, Chain> _chains = [];
    private readonly Dictionary<DataTypeSet, Signed> _heartbeats = [];
    private bool _isIndexDue;
    private bool _hasFailed;
    private long _indexedAt;

    /// <param name="folder">The folder; made when it is not there.</param>
    /// <param name="key">32 bytes.</param>
    /// <param name="logger">Hears of what cannot be written.</param>
    public LastKnownGood(string folder, byte[] key, TimeProvider time, ILogger<LastKnownGood> logger)
    {
        (_folder, _key, _time, _logger, _due) = (folder, key, time, logger, new Signal(time));
        StateFolder.CreateOwned(folder);
    }

    /// <summary>Reads what is there.</summary>
    /// <returns>It, in the order in which it came; or why it cannot be read.</returns>
    public (IReadOnlyList<SyncResponse> Stream, string? Why) Load()
    {
        if (!File.Exists(Path.Combine(_folder, Index)))
            return ([], null);

        try
        {
            var faults = new List<Fault>();
            if (Json.Read<LastKnownGoodIndex>(Index, Open(Index), faults) is not { } index)
                return ([], faults[0].ToString());

            var stream = new List<SyncResponse>();
            foreach (var bundle in index.Bundles)
            {
                var keyId = "";
                var content = Open(bundle.Name);
                using var input = new CodedInputStream(content);
                while (!input.IsAtEnd)
                {
                    var message = new SyncResponse();
                    input.ReadMessage(message);
                    stream.Add(message);
                    keyId = message.Update is { Bundles: [var signed, ..] } ? signed.KeyId : keyId;
                }

                ChainOf(TypeOf(bundle.Type)).Entries.Add(new Entry(bundle.Name, content.Length, keyId, Waiting: null));
            }

            foreach (var heartbeat in index.Heartbeats)
            {
                var signed = Signed.Parser.ParseFrom(heartbeat.Signed);
                _heartbeats[DataTypeSet.Of(heartbeat.Types.Select(TypeOf))] = signed;
                stream.Add(new SyncResponse { Heartbeat = signed });
            }

            return (stream, null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or InvalidProtocolBufferException)
        {
            return ([], e.Message);
        }
    }

    /// <summary>Begins anew: nothing that is on disk counts.</summary>
    public void Forget()
    {
        lock (_lock)
        {
            _chains.Clear();
            _heartbeats.Clear();
        }
    }

    /// <summary>Takes note of a bundle that was applied, and what it is made of. It is written later.</summary>
    public void Note(VerifiedBundle bundle, IReadOnlyList<ByteString> parts)
    {
        var name = $"{bundle.Type}-{bundle.Revision}{(bundle.IsChange ? "-change" : "")}".ToLowerInvariant();
        lock (_lock)
        {
            if (!bundle.IsChange)
                _chains[bundle.Type] = new Chain();

            var chain = ChainOf(bundle.Type);
            chain.Entries.Add(new Entry(name, parts.Sum(p => (long)p.Length), bundle.Signed.KeyId, new Waiting(parts, bundle.Signed)));
            // Of what is there in full, there is one of each type and no more; changes pile up.
            if (chain.IsBroken || (bundle.IsChange && _chains.Values.Sum(c => c.WaitingBytes) > MaxWaiting))
                _chains[bundle.Type] = new Chain { IsBroken = true };

            _isIndexDue = true;
        }

        _due.Give();
    }

    /// <summary>Takes note that these types are current, and who says so.</summary>
    /// <param name="heartbeat">Who says so.</param>
    /// <param name="isNews">Whether it says more than that nothing has changed: then it is not to wait.</param>
    public void Note(DataTypeSet types, Signed heartbeat, bool isNews)
    {
        lock (_lock)
        {
            // The newest word on each type alone is worth keeping.
            foreach (var (older, signed) in _heartbeats.ToList())
            {
                _heartbeats.Remove(older);
                if (older.Except(types) is { IsEmpty: false } rest)
                    _heartbeats[rest] = signed;
            }

            _heartbeats[types] = heartbeat;
            _isIndexDue |= isNews;
        }

        if (isNews)
            _due.Give();
    }

    /// <summary>Whether the changes of a type have grown longer than what they change, or could not be kept.</summary>
    public bool IsOutgrown(DataType type)
    {
        lock (_lock)
        {
            return ChainOf(type) is { IsBroken: true } or { IsOutgrown: true };
        }
    }

    /// <summary>The types with a bundle on disk that is signed by another key.</summary>
    /// <param name="isOne">Whether a key id is one of the accepted keys.</param>
    public IReadOnlyList<DataType> NotSignedBy(Func<string, bool> isOne)
    {
        lock (_lock)
        {
            return [.. _chains.Where(c => c.Value.Entries.Exists(e => !isOne(e.KeyId))).Select(c => c.Key)];
        }
    }

    /// <summary>The size on disk of these types, in bytes.</summary>
    public long BytesOf(IEnumerable<DataType> types)
    {
        lock (_lock)
        {
            return types.Sum(t => ChainOf(t).Entries.Sum(e => e.Length));
        }
    }

    /// <summary>Drops heartbeats that are signed by another key: they could not be verified at the next start.</summary>
    /// <param name="isOne">Whether a key id is one of the accepted keys.</param>
    public void DropHeartbeats(Func<string, bool> isOne)
    {
        lock (_lock)
        {
            foreach (var types in _heartbeats.Where(h => !isOne(h.Value.KeyId)).Select(h => h.Key).ToList())
                _heartbeats.Remove(types);
        }
    }

    /// <summary>Waits until a bundle or heartbeat has to be written, at most <see cref="HeartbeatsEvery"/>.</summary>
    public Task WhenDueAsync(CancellationToken cancellation) => _due.WaitAsync(_hasFailed ? RetryAfter : HeartbeatsEvery, cancellation);

    /// <summary>Writes what is to be written. Whatever fails is tried again; what is on disk already stays as it is.</summary>
    public void Save()
    {
        List<Entry> waiting;
        LastKnownGoodIndex index;
        lock (_lock)
        {
            if (_chains.Count == 0 || (!_isIndexDue && _time.GetElapsedTime(_indexedAt) < HeartbeatsEvery))
                return;

            waiting = [.. _chains.Values.SelectMany(c => c.Entries).Where(e => e.Waiting is not null)];
            index = new LastKnownGoodIndex
            {
                // Policies last: with them comes the schema that all entities together conform to; those of some revision before need not.
                Bundles = [.. _chains.OrderBy(c => c.Key == PolicyData.Type)
                    .SelectMany(c => c.Value.Entries.Select(e => new LastKnownGoodIndex.BundleEntry(c.Key.Name, e.Name)))],
                Heartbeats = [.. _heartbeats
                    .Select(h => new LastKnownGoodIndex.HeartbeatEntry([.. h.Key.Select(t => t.Name)], h.Value.ToByteArray()))],
            };
            _isIndexDue = false;
        }

        try
        {
            foreach (var entry in waiting)
                Seal(entry.Name, entry.Waiting!.Length, entry.Waiting.WriteTo);

            var written = Json.Write(index);
            Seal(Index, written.Length, to => to.Write(written));
            RemoveAllBut([.. index.Bundles.Select(b => b.Name), Index]);
            lock (_lock)
            {
                waiting.ForEach(e => e.Waiting = null);
            }

            (_indexedAt, _hasFailed) = (_time.GetTimestamp(), false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            lock (_lock)
            {
                _isIndexDue = true;
            }

            if (!_hasFailed)
                Log.NotSaved(_logger, e.Message);

            _hasFailed = true;
        }
    }

    private static DataType TypeOf(string name) =>
        DataTypes.Find(name) ?? throw new InvalidDataException($"unknown data type `{name}`: written by a later version");

    private Chain ChainOf(DataType type)
    {
        if (!_chains.TryGetValue(type, out var chain))
            _chains.Add(type, chain = new Chain());

        return chain;
    }

    // The name is authenticated with the content: no file passes for another.
    private void Seal(string name, int length, Action<MemoryStream> write)
    {
        var bytes = new byte[AesGcmEnvelope.NonceBytes + length + AesGcmEnvelope.TagBytes];
        using (var content = new MemoryStream(bytes, AesGcmEnvelope.NonceBytes, length))
        {
            write(content);
        }

        AesGcmEnvelope.SealInPlace(_key, bytes, Encoding.UTF8.GetBytes(name));
        StateFolder.WriteSecret(Path.Combine(_folder, name), bytes);
    }

    private byte[] Open(string name) =>
        AesGcmEnvelope.TryOpen(_key, File.ReadAllBytes(Path.Combine(_folder, Path.GetFileName(name))), Encoding.UTF8.GetBytes(name))
        ?? throw new InvalidDataException("the file was altered, or encrypted with another key");

    private void RemoveAllBut(HashSet<string> names)
    {
        foreach (var path in Directory.EnumerateFiles(_folder).Where(p => !names.Contains(Path.GetFileName(p))))
            File.Delete(path);
    }

    /// <summary>A bundle on disk, or one that is to be written.</summary>
    private sealed record Entry(string Name, long Length, string KeyId, Waiting? Waiting)
    {
        public Waiting? Waiting { get; set; } = Waiting;
    }

    /// <summary>What is to be written: made of what came, and not before it is written, since it is as large as everything else that there
    /// is of it.</summary>
    private sealed record Waiting(IReadOnlyList<ByteString> Parts, Signed Bundle)
    {
        private IEnumerable<SyncResponse> Messages => Parts.Select(p => new SyncResponse { Part = new Part { Content = p } })
            .Append(new SyncResponse { Update = new Update { Bundles = { Bundle } } });

        public int Length => Messages.Sum(m => CodedOutputStream.ComputeMessageSize(m));

        /// <summary>Each message after its length.</summary>
        public void WriteTo(MemoryStream to)
        {
            foreach (var message in Messages)
                message.WriteDelimitedTo(to);
        }
    }

    /// <summary>Of one type: everything there was once, and the changes since.</summary>
    private sealed class Chain
    {
        public List<Entry> Entries { get; } = [];

        /// <summary>Whether something is missing in it.</summary>
        public bool IsBroken { get; init; }

        public long WaitingBytes => Entries.Sum(e => e.Waiting is null ? 0L : e.Length);
        public bool IsOutgrown => Entries.Count > 0 && Entries.Skip(1).Sum(e => e.Length) > Math.Max(ChangesAtLeast, Entries[0].Length);
    }

    private static partial class Log
    {
        [LoggerMessage(40, LogLevel.Error, "failed to save the last-known-good state, retrying: {Error}",
            EventName = "LastKnownGoodSaveFailed")]
        public static partial void NotSaved(ILogger logger, string error);
    }
}

/// <summary>Which bundles on disk count, in the order in which they are applied, and who says that they are current.</summary>
internal sealed record LastKnownGoodIndex
{
    public required IReadOnlyList<BundleEntry> Bundles { get; set; }
    public required IReadOnlyList<HeartbeatEntry> Heartbeats { get; set; }

    internal sealed record BundleEntry(string Type, string Name);

    internal sealed record HeartbeatEntry(IReadOnlyList<string> Types, byte[] Signed);
}

[JsonSerializable(typeof(LastKnownGoodIndex))]
internal sealed partial class LastKnownGoodJson : JsonSerializerContext;
