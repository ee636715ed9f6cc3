using System.Buffers.Binary;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Sidecars.Fleet;

/// <summary>Tells the other nodes which sidecars are connected to this one: a name that somebody has is not given to another.</summary>
/// <remarks>It takes no revision and no note: nobody has to hear of it, and whoever asks reads it.</remarks>
internal sealed partial class Presence(
    Database database, SidecarFleet fleet, TimeProvider time, ILogger<Presence> logger) : BackgroundService
{
    private static readonly TimeSpan TellEvery = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RefreshEvery = TimeSpan.FromSeconds(30);

    private const int ReportsAtOnce = 500;

    /// <summary>One that no node has heard of for so long is not connected, whatever its row says: the node has ended, say.</summary>
    public static readonly TimeSpan ConnectedFor = TimeSpan.FromSeconds(90);

    private readonly Dictionary<SidecarIdentity, ulong> _reported = [];
    private HashSet<SidecarIdentity> _elsewhere = [];
    private readonly string _node = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(9));

    /// <summary>Whether a sidecar is connected to some node.</summary>
    public static bool IsConnected(SidecarRow row, DateTimeOffset now) => row.ConnectedTo.Length > 0
        && row.HeardAtMs > (now - ConnectedFor).ToUnixTimeMilliseconds();

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var (outage, refreshedAt) = (new Outage(time), time.GetTimestamp());
        if (!database.IsShared)
        {
            // Whatever the database says, of a node that was killed, or of the time of a backup: nobody is connected anywhere else.
            await using var context = database.Open();
            await context.Sidecars.Where(s => s.ConnectedTo != "" && s.ConnectedTo != _node).ExecuteUpdateAsync(
                u => u.SetProperty(s => s.ConnectedTo, ""), stoppingToken);
        }

        try
        {
            while (true)
            {
                await fleet.WhenChangedAsync(RefreshEvery, stoppingToken);
                // Those that come and go at once are told of at once.
                await Task.Delay(TellEvery, time, stoppingToken);
                var changes = fleet.TakeChanges();
                try
                {
                    await TellAsync(changes, stoppingToken);
                    if (time.GetElapsedTime(refreshedAt) >= RefreshEvery)
                    {
                        await RefreshAsync(stoppingToken);
                        await ReportAsync(stoppingToken);
                        await FindDuplicatesAsync(stoppingToken);
                        refreshedAt = time.GetTimestamp();
                    }

                    outage.End(out _);
                }
                catch (Exception e) when (!stoppingToken.IsCancellationRequested)
                {
                    fleet.GiveBack(changes);
                    if (outage.Fail())
                        Log.Failed(logger, ConnectionFailure.Describe(e));
                }
            }
        }
        catch (OperationCanceledException)
        {
            await LeaveAsync();
        }
    }

    private async Task TellAsync(IReadOnlyDictionary<SidecarIdentity, bool> changes, CancellationToken cancellation)
    {
        if (changes.Count == 0)
            return;

        await using var context = database.Open();
        await using var transaction = await context.Database.BeginTransactionAsync(cancellation);
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        foreach (var (identity, isConnected) in changes)
        {
            var its = context.Sidecars.Where(
                s => s.Application == identity.Placement.Application && s.Tenant == identity.Placement.Tenant && s.Name == identity.Name);
            // One that has gone to another node is that one's to tell of.
            await (isConnected
                ? its.ExecuteUpdateAsync(u => u.SetProperty(s => s.ConnectedTo, _node).SetProperty(s => s.HeardAtMs, now), cancellation)
                : its.Where(s => s.ConnectedTo == _node).ExecuteUpdateAsync(
                    u => u.SetProperty(s => s.ConnectedTo, "").SetProperty(s => s.HeardAtMs, now), cancellation));
        }

        await transaction.CommitAsync(cancellation);
    }

    private async Task RefreshAsync(CancellationToken cancellation)
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        await using var context = database.Open();
        await context.Sidecars.Where(s => s.ConnectedTo == _node).ExecuteUpdateAsync(u => u.SetProperty(s => s.HeardAtMs, now),
            cancellation);
    }

    /// <summary>Tells how those fare of whom that has changed: for whoever asks another node, or once they have gone.</summary>
    private async Task ReportAsync(CancellationToken cancellation)
    {
        var reports = new List<(SidecarIdentity Identity, byte[] Report, ulong Digest)>();
        foreach (var sidecar in fleet.Connected)
        {
            var report = sidecar.ToMessage(time.GetUtcNow());
            var digest = DigestOf(report);
            if (!_reported.TryGetValue(sidecar.Identity, out var before) || before != digest)
                reports.Add((sidecar.Identity, report.ToByteArray(), digest));
        }

        foreach (var some in reports.Chunk(ReportsAtOnce))
        {
            // One transaction each: whoever writes meanwhile waits for no more than this.
            await using var context = database.Open();
            await using var transaction = await context.Database.BeginTransactionAsync(cancellation);
            var told = new List<(SidecarIdentity Identity, ulong Digest)>();
            foreach (var (identity, report, digest) in some)
            {
                var written = await context.Sidecars
                    .Where(s => s.Application == identity.Placement.Application && s.Tenant == identity.Placement.Tenant
                        && s.Name == identity.Name
                        && s.ConnectedTo == _node)
                    .ExecuteUpdateAsync(u => u.SetProperty(s => s.Report, report), cancellation);
                if (written == 1)
                    told.Add((identity, digest));
            }

            await transaction.CommitAsync(cancellation);
            told.ForEach(t => _reported[t.Identity] = t.Digest);
        }

        foreach (var gone in _reported.Keys.Where(i => !fleet.IsConnected(i)).ToList())
            _reported.Remove(gone);
    }

    /// <summary>Reports sidecars that answer here although another node has had them for two rounds: a process has one stream at a time, so
    /// that it is a second process with a copy of the state folder.</summary>
    internal async Task FindDuplicatesAsync(CancellationToken cancellation)
    {
        if (!database.IsShared)
            return;

        var now = time.GetUtcNow();
        var since = (now - RefreshEvery - RefreshEvery).ToUnixTimeMilliseconds();
        await using var context = database.Open();
        var elsewhere = await context.Sidecars.AsNoTracking()
            .Where(s => s.ConnectedTo != "" && s.ConnectedTo != _node && s.HeardAtMs > since)
            .Select(s => new { s.Application, s.Tenant, s.Name })
            .ToListAsync(cancellation);
        var identities = elsewhere.Select(s => new SidecarIdentity(new Placement(s.Application, s.Tenant), s.Name)).ToHashSet();
        foreach (var sidecar in fleet.Connected.Where(
            s => identities.Contains(s.Identity) && now - s.HeardAt < RefreshEvery && now - s.ConnectedAt >= RefreshEvery))
        {
            if (_elsewhere.Contains(sidecar.Identity) && sidecar.NoteClone(now))
                Log.Duplicate(logger, sidecar.Identity.ToUri());
        }

        _elsewhere = identities;
    }

    /// <summary>Of what is worth telling: what changes all the time is not.</summary>
    private static ulong DigestOf(Sidecar report)
    {
        var lasting = report.Clone();
        (lasting.HeardAt, lasting.DecisionsPerSecond, lasting.StaleSeconds) = (null, 0, 0);
        lasting.ClockAheadMs = lasting.ClockAheadMs / 1000 * 1000;
        foreach (var type in lasting.DataTypes)
            type.ClearAgeMs();

        return BinaryPrimitives.ReadUInt64LittleEndian(SHA256.HashData(lasting.ToByteArray()));
    }

    private async Task LeaveAsync()
    {
        try
        {
            await using var context = database.Open();
            // They keep their names for as long as it takes them to come to another node.
            var now = time.GetUtcNow().ToUnixTimeMilliseconds();
            await context.Sidecars.Where(s => s.ConnectedTo == _node).ExecuteUpdateAsync(u => u.SetProperty(s => s.HeardAtMs, now),
                CancellationToken.None);
        }
        catch (Exception e)
        {
            // It ends by itself: nobody refreshes it any more.
            Log.Failed(logger, ConnectionFailure.Describe(e));
        }
    }

    private static partial class Log
    {
        [LoggerMessage(37, LogLevel.Warning,
            "duplicate identity {Identity}: processes with this identity are connected to this node and to another (copied state folder?); "
                + "delete the `identity` folder of one and enrol it again", EventName = "DuplicateIdentityDetected")]
        public static partial void Duplicate(ILogger logger, string identity);

        [LoggerMessage(38, LogLevel.Warning, "failed to record which sidecars are connected, retrying: {Error}",
            EventName = "PresenceUpdateFailed")]
        public static partial void Failed(ILogger logger, string error);
    }
}
