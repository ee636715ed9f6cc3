using AuthSidecar.Snapshots;

namespace AuthSidecar.Sync.Folder;

/// <summary>Which seals of bundles count.</summary>
/// <param name="IsRequired">Whether a bundle must be sealed.</param>
/// <param name="KeyFile">The public key, in PEM, that must have signed the seal; null: whoever.</param>
internal sealed record SealOptions(bool IsRequired = false, string? KeyFile = null);

/// <summary>Follows a bundle folder: build, verify, swap; and whatever fails, keep what is there and say so.</summary>
/// <remarks>It looks rather than listens. Notifications get lost on network mounts, overflow, and do not cross the renamed links by which
/// Kubernetes updates volumes; a look at some files costs microseconds and always tells the truth. It looks on a thread of its own: a
/// network mount that hangs keeps nothing else waiting, neither calls nor the end of the process.</remarks>
internal sealed partial class FolderSource : IHostedService, IDisposable
{
    public static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(1);

    /// <summary>Once something has changed: whether it has settled.</summary>
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromMilliseconds(200);

    /// <summary>Between two tries at files that cannot be read and stay what they are: a network mount may recover without a change to
    /// them.</summary>
    private static readonly TimeSpan ReadAgainEvery = TimeSpan.FromSeconds(5);

    private const string Bundle = "bundle";
    private const int MaxFaultsLogged = 20;
    private const int MaxFilesLogged = 100;

    private readonly string _folder;
    private readonly SealOptions _seals;
    private readonly WatchedFiles<VerificationKey>? _sealKey;
    private readonly BundleReader _reader;
    private readonly SnapshotCache _cache;
    private readonly SourceHealth _health;
    private readonly TimeProvider _time;
    private readonly ILogger<FolderSource> _logger;
    private readonly ManualResetEventSlim _stopping = new();
    private readonly Thread _thread;

    private string? _seen;
    private string? _handled;
    private string? _reported;
    private long? _unreadSince;
    private string? _served;
    private bool _handledIsCurrent;
    private bool _isChanging;
    private bool _wasSealed;

    public FolderSource(string folder, SealOptions seals, BundleReader reader, SnapshotCache cache, SourceHealth health, TimeProvider time,
        ILogger<FolderSource> logger)
    {
        (_folder, _seals, _reader, _cache, _health, _time, _logger) = (folder, seals, reader, cache, health, time, logger);
        _sealKey = seals.KeyFile is { } file
            ? new WatchedFiles<VerificationKey>([file], () => SealKey.Read(file), e => Log.KeyKept(logger, file, e.Message)) : null;
        // What is wrong with the key is found out now.
        _ = _sealKey?.Current;
        _thread = new Thread(Run) { IsBackground = true, Name = "bundle folder" };
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        _thread.Start();
        return Task.CompletedTask;
    }

    /// <summary>Does not wait for a look that is under way: it may hang.</summary>
    public Task StopAsync(CancellationToken cancellationToken)
    {
        _stopping.Set();
        return Task.CompletedTask;
    }

    public void Dispose() => _stopping.Set();

    private void Run()
    {
        do
        {
            Look();
        }
        while (!_stopping.Wait(_isChanging ? LookAgainAfter : LookEvery));
    }

    /// <summary>One look. Files that changed since the last look are given until the next to settle, so that none is read
    /// half-written.</summary>
    internal void Look()
    {
        try
        {
            _sealKey?.Look();
            var listing = FolderListing.Of(_folder);
            // Another key may think otherwise of the same files.
            var stamp = _seals.KeyFile is { } key ? listing.Stamp + FileStatus.StampOf([key]) : listing.Stamp;
            var hasSettled = stamp == _seen;
            (_seen, _isChanging) = (stamp, !hasSettled);
            if (hasSettled && (stamp != _handled || (_unreadSince is { } since && _time.GetElapsedTime(since) >= ReadAgainEvery)))
                Apply(listing, stamp);

            _cache.Reached();
            if (_handledIsCurrent && stamp == _handled)
                _cache.Confirm(DataTypeSet.All);
        }
        catch (InvalidDataException e)
        {
            // The folder is there to be asked, and what it has is wrong: what was good before it goes on being served.
            _cache.Reached();
            RefuseUnread($"content: {e.Message}", e.Message);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            RefuseUnread($"folder: {e.Message}", "failed to read the bundle folder: " + e.Message);
        }
        catch (Exception e)
        {
            // A fault of ours, not of the bundle's. What was good before it is still the best there is.
            Log.Failed(_logger, e);
            RefuseUnread(_seen ?? "", "failed to build a snapshot from the bundle");
        }
    }

    private void Apply(FolderListing listing, string stamp)
    {
        var faults = new List<Fault>();
        var started = _time.GetTimestamp();
        _unreadSince = null;
        BundleFiles files;
        try
        {
            files = new BundleFiles(listing.Read(_folder));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Changed while it was read, the next look sees that, and reads again.
            if (FolderListing.Of(_folder).Stamp == listing.Stamp)
            {
                _unreadSince = started;
                RefuseUnread(stamp, "failed to read the bundle: " + e.Message);
            }

            return;
        }

        if (FolderListing.Of(_folder).Stamp != listing.Stamp)
            return;

        var isSealed = BundleSeal.IsIn(files);
        // A bundle that was sealed is so for good: without its seal, a folder that is being copied looks like one that is complete.
        if (isSealed || _seals.IsRequired || _sealKey is not null || _wasSealed)
            BundleSeal.Verify(files, _sealKey?.Current, faults);

        // Nothing else is looked at in what is not what was sealed.
        var digest = files.DigestOf(files.Paths);
        var snapshot = faults.Count == 0 && digest != _served
            ? _reader.Read(files, NextRevision(listing.NewestWriteUtc), _time.GetUtcNow(), faults) : null;
        if (faults.Count > 0)
        {
            Refuse(stamp, faults);
            return;
        }

        (_handled, _handledIsCurrent, _wasSealed) = (stamp, true, isSealed);
        _health.Set(Bundle, null);
        if (snapshot is null)
        {
            // Touched, copied anew, or mended back to what it was.
            return;
        }

        _served = digest;
        if (_cache.Current is null && !isSealed)
        {
            Log.NotSealed(_logger, _folder, listing.Files.Count);
            foreach (var (path, status) in listing.Files.Take(MaxFilesLogged))
                Log.Found(_logger, path, status.Length);
        }

        _cache.Confirm(DataTypeSet.All);
        _cache.Publish(snapshot);
        var rules = snapshot.Policies.Value;
        foreach (var warning in rules.Warnings.Concat(PrincipalTypes.Check(snapshot.Issuers.Value, rules.Schema?.Schema)))
            Log.Warning(_logger, warning.ToString());

        var entityCount = snapshot.Entities.Value.Store.Entities.Count(e => !EntityType.IsAction(e.Uid.Type));
        Log.Published(
            _logger, snapshot.Revision, rules.Policies.Policies.Length, entityCount,
            _time.GetElapsedTime(started).TotalMilliseconds);
    }

    /// <summary>The moment of the newest change, in milliseconds since 1970, so that sidecars which follow the same folder agree; and
    /// always above the last.</summary>
    private Revision NextRevision(DateTime newestWrite)
    {
        var written = default(Revision).At(new DateTimeOffset(newestWrite, TimeSpan.Zero).ToUnixTimeMilliseconds());
        return _cache.Current is { } current && written <= current.Revision
            ? current.Revision with { Number = current.Revision.Number + 1 } : written;
    }

    private void RefuseUnread(string fingerprint, string what) => Refuse(fingerprint, [new Fault(_folder, 0, 0, what)]);

    /// <summary>Reports a bundle that cannot be used, once for every state of the files.</summary>
    private void Refuse(string fingerprint, List<Fault> faults)
    {
        var isKnown = fingerprint == _handled && faults[0].Message == _reported;
        (_handled, _handledIsCurrent, _reported) = (fingerprint, false, faults[0].Message);
        if (isKnown)
            return;

        _health.Set(Bundle, $"bundle refused: {Count.Of(faults.Count, "fault")}, see the log");
        foreach (var fault in faults.Take(MaxFaultsLogged))
            Log.Fault(_logger, fault.ToString());

        if (_cache.Current is { } current)
            Log.Kept(_logger, faults.Count, current.Revision);
        else
            Log.NothingToServe(_logger, faults.Count);
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information,
            "published revision {Revision}: {Policies} policies, {Entities} entities, in {ElapsedMs:F1} ms",
            EventName = "SnapshotPublished")]
        public static partial void Published(ILogger logger, Revision revision, int policies, int entities, double elapsedMs);

        [LoggerMessage(2, LogLevel.Error, "bundle: {Fault}", EventName = "BundleFault")]
        public static partial void Fault(ILogger logger, string fault);

        [LoggerMessage(6, LogLevel.Warning, "bundle: {Warning}", EventName = "BundleWarning")]
        public static partial void Warning(ILogger logger, string warning);

        [LoggerMessage(3, LogLevel.Error, "bundle refused, {Faults} faults; still serving revision {Revision}",
            EventName = "BundleRefused")]
        public static partial void Kept(ILogger logger, int faults, Revision revision);

        [LoggerMessage(7, LogLevel.Information, "bundle folder {Folder} is not sealed; serving the {Files} files found in it",
            EventName = "BundleNotSealed")]
        public static partial void NotSealed(ILogger logger, string folder, int files);

        [LoggerMessage(8, LogLevel.Information, "bundle file {Path}, {Bytes} bytes", EventName = "BundleFile")]
        public static partial void Found(ILogger logger, string path, long bytes);

        [LoggerMessage(9, LogLevel.Error, "invalid bundle key {File}, using the previous key: {Error}", EventName = "BundleKeyInvalid")]
        public static partial void KeyKept(ILogger logger, string file, string error);

        [LoggerMessage(5, LogLevel.Error, "building a snapshot failed", EventName = "BuildFailed")]
        public static partial void Failed(ILogger logger, Exception exception);

        [LoggerMessage(4, LogLevel.Error, "bundle refused, {Faults} faults; no snapshot to serve until it is corrected",
            EventName = "NoSnapshot")]
        public static partial void NothingToServe(ILogger logger, int faults);
    }
}
