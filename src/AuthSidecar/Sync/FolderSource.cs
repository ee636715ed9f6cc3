using AuthSidecar.Cedar;
using AuthSidecar.Snapshots;
using AuthSidecar.Sync.Bundles;

namespace AuthSidecar.Sync;

/// <summary>Follows a bundle folder: build, verify, swap; and whatever fails, keep what is there and say so.</summary>
/// <remarks>
/// It looks rather than listens. Notifications get lost on network mounts, overflow, and do not cross the renamed links by which
/// Kubernetes updates volumes; a look at some files costs microseconds and always tells the truth.
/// </remarks>
internal sealed partial class FolderSource(string folder, BundleBuilder builder, SnapshotCache cache, TimeProvider time, ILogger<FolderSource> logger)
    : BackgroundService
{
    public static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(200);

    private string? _seen;
    private string? _handled;
    private bool _handledIsCurrent;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(LookEvery, time);
        do
        {
            Look();
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    /// <summary>One look. Files that changed since the last look are given until the next to settle, so that none is read half-written.</summary>
    internal void Look()
    {
        try
        {
            var (fingerprint, newestWrite) = BundleFiles.Inspect(folder);
            var hasSettled = fingerprint == _seen || cache.Current is null;
            _seen = fingerprint;
            if (fingerprint != _handled && hasSettled)
            {
                Apply(fingerprint, newestWrite);
            }

            if (_handledIsCurrent && fingerprint == _handled)
            {
                cache.Confirm(ResourceTypes.All);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Refuse($"unreadable: {e.Message}", [new Fault(folder, 0, 0, "the bundle cannot be read: " + e.Message)]);
        }
        catch (Exception e)
        {
            // A fault of ours, not of the bundle's. What was good before it is still the best there is.
            Log.Failed(logger, e);
            Refuse(_seen ?? "", [new Fault(folder, 0, 0, "the bundle cannot be built")]);
        }
    }

    private void Apply(string fingerprint, DateTime newestWrite)
    {
        var faults = new List<Fault>();
        var started = time.GetTimestamp();
        var files = BundleFiles.Load(folder);
        if (BundleFiles.Inspect(folder).Fingerprint != fingerprint)
        {
            // Changed while it was read: the next look sees that, and reads again.
            return;
        }

        var snapshot = builder.Build(files, NextRevision(newestWrite), faults);
        if (snapshot is null)
        {
            Refuse(fingerprint, faults);
            return;
        }

        _handled = fingerprint;
        _handledIsCurrent = true;
        cache.Confirm(ResourceTypes.All);
        cache.Publish(snapshot);
        foreach (var warning in snapshot.Policies.Value.Warnings)
        {
            Log.Warning(logger, warning.ToString());
        }

        Log.Published(logger, snapshot.Revision, snapshot.Policies.Value.Policies.Policies.Length, snapshot.Entities.Value.Count, time.GetElapsedTime(started).TotalMilliseconds);
    }

    /// <summary>
    /// The moment of the newest change, in milliseconds since 1970, so that sidecars which follow the same folder agree; and always above
    /// the last.
    /// </summary>
    private Revision NextRevision(DateTime newestWrite)
    {
        var written = new Revision((ulong)new DateTimeOffset(newestWrite, TimeSpan.Zero).ToUnixTimeMilliseconds());
        return cache.Current is { } current && written <= current.Revision ? new Revision(current.Revision.Number + 1) : written;
    }

    /// <summary>Reports a bundle that cannot be used, once for every state of the files.</summary>
    private void Refuse(string fingerprint, List<Fault> faults)
    {
        if (fingerprint == _handled)
        {
            return;
        }

        _handled = fingerprint;
        _handledIsCurrent = false;
        foreach (var fault in faults)
        {
            Log.Fault(logger, fault.ToString());
        }

        if (cache.Current is { } current)
        {
            Log.Kept(logger, faults.Count, current.Revision);
        }
        else
        {
            Log.NothingToServe(logger, faults.Count);
        }
    }

    private static partial class Log
    {
        [LoggerMessage(1, LogLevel.Information, "published revision {Revision}: {Policies} policies, {Entities} entities, in {ElapsedMs:F1} ms", EventName = "SnapshotPublished")]
        public static partial void Published(ILogger logger, Revision revision, int policies, int entities, double elapsedMs);

        [LoggerMessage(2, LogLevel.Error, "bundle: {Fault}", EventName = "BundleFault")]
        public static partial void Fault(ILogger logger, string fault);

        [LoggerMessage(6, LogLevel.Warning, "bundle: {Warning}", EventName = "BundleWarning")]
        public static partial void Warning(ILogger logger, string warning);

        [LoggerMessage(3, LogLevel.Error, "bundle refused for {Faults} faults; revision {Revision} goes on serving", EventName = "BundleRefused")]
        public static partial void Kept(ILogger logger, int faults, Revision revision);

        [LoggerMessage(5, LogLevel.Error, "building a snapshot failed", EventName = "BuildFailed")]
        public static partial void Failed(ILogger logger, Exception exception);

        [LoggerMessage(4, LogLevel.Error, "bundle refused for {Faults} faults; there is nothing to serve until it is mended", EventName = "NothingToServe")]
        public static partial void NothingToServe(ILogger logger, int faults);
    }
}
