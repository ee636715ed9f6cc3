using AuthSidecar.ControlPlane.Administrators;
using AuthSidecar.ControlPlane.Identity.Accounts;
using AuthSidecar.ControlPlane.Identity.Clients;
using AuthSidecar.ControlPlane.Identity.Keys;
using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.Identity.SignIn;
using AuthSidecar.ControlPlane.Sidecars;
using AuthSidecar.ControlPlane.Sidecars.Enrolment;
using AuthSidecar.ControlPlane.Sidecars.Trust;

namespace AuthSidecar.ControlPlane.Hosting;

/// <summary>What has to be done now and then, by one node alone: wrapping data keys anew, turning signing keys, removing what has
/// expired.</summary>
internal sealed partial class Housekeeping(Database database, SecretStore secrets, KeyRing keys, TrustRing trust, ServeOptions options,
    TimeProvider time, ILogger<Housekeeping> logger) : BackgroundService
{
    public static readonly TimeSpan Every = TimeSpan.FromMinutes(1);

    /// <summary>Clocks differ: what has expired by ours may not have by a sidecar's.</summary>
    private static readonly TimeSpan KeepExpiredFor = TimeSpan.FromHours(1);

    /// <summary>Who still asks with a token that has expired is told so.</summary>
    private static readonly TimeSpan KeepTokensFor = TimeSpan.FromDays(7);

    /// <summary>An operator may want to know what became of one.</summary>
    private static readonly TimeSpan KeepSidecarsFor = TimeSpan.FromDays(30);

    private static readonly TimeSpan WarnOfAuthorityFor = TimeSpan.FromDays(365);

    /// <summary>What is kept for weeks need not be looked at every minute.</summary>
    private static readonly TimeSpan ForgetEvery = TimeSpan.FromHours(1);

    private long? _forgotAt;

    private readonly HashSet<(string Id, string What)> _warned = [];

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        Lease? lease = null;
        using var timer = new PeriodicTimer(Every, time);
        try
        {
            do
            {
                try
                {
                    if (lease is not null && !await lease.IsHeldAsync(stoppingToken))
                    {
                        await lease.DisposeAsync();
                        lease = null;
                    }

                    lease ??= await database.TryLeadAsync(stoppingToken);
                    if (lease is not null)
                        await KeepAsync(stoppingToken);
                }
                catch (Exception e) when (!stoppingToken.IsCancellationRequested)
                {
                    // The database, or the vault, is away; nothing of this is urgent.
                    Log.Failed(logger, ConnectionFailure.Describe(e));
                }
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        finally
        {
            if (lease is not null)
                await lease.DisposeAsync();
        }
    }

    private async Task KeepAsync(CancellationToken stopping)
    {
        if (await secrets.RewrapAsync(stopping) is > 0 and var rewrapped)
            Log.Rewrapped(logger, rewrapped);

        await keys.KeepAsync(stopping);
        await trust.KeepAsync(stopping);
        WarnOfAuthority();

        // Without a revision: what has expired is left out of every bundle already. But for the newest of each place: what sidecars have is
        // no newer than what there is.
        var expired = time.GetUtcNow() - KeepExpiredFor;
        var before = expired.ToUnixTimeMilliseconds();
        await using var context = database.Open();
        await context.Entries.Where(
            r => r.ExpiresAtMs < before
                && context.Entries.Any(n => n.Type == r.Type && n.Application == r.Application && n.Tenant == r.Tenant
                    && n.Revision > r.Revision)).ExecuteDeleteAsync(stopping);
        var tokensBefore = (time.GetUtcNow() - KeepTokensFor).ToUnixTimeMilliseconds();
        await context.JoinTokens.Where(t => t.ExpiresAtMs < tokensBefore).ExecuteDeleteAsync(stopping);
        await WarnOfTokensAsync(context, stopping);
        await context.BootstrapCodes.Where(c => c.ExpiresAtMs < before).ExecuteDeleteAsync(stopping);
        // Of a sidecar that is gone for good, such as a pod that was replaced: its certificate has run out long ago.
        var sidecarsBefore = (time.GetUtcNow() - KeepSidecarsFor).ToUnixTimeMilliseconds();
        await context.Sidecars.Where(s => s.ExpiresAtMs < sidecarsBefore && s.HeardAtMs < sidecarsBefore).ExecuteDeleteAsync(stopping);
        await SignInAttempts.CleanAsync(context, time.GetUtcNow(), stopping);
        var failuresBefore = (time.GetUtcNow() - FailedSignIns.KeepFor).ToUnixTimeMilliseconds();
        await context.FailedSignIns.Where(f => f.MinuteMs < failuresBefore).ExecuteDeleteAsync(stopping);
        await context.SpentTokens.Where(s => s.ExpiresAtMs < before).ExecuteDeleteAsync(stopping);
        await context.ResetLinks.Where(l => l.ExpiresAtMs < before).ExecuteDeleteAsync(stopping);
        await context.Sessions.Where(s => s.EndsAtMs < before).ExecuteDeleteAsync(stopping);
        // Not while its session lives on: by it one knows which clients hear of its end.
        var sessions = context.Sessions;
        await context.Grants.Where(g => g.ExpiresAtMs < before && !sessions.Any(s => s.Id == g.SessionId && s.EndedAtMs == null))
            .ExecuteDeleteAsync(stopping);
        await context.RemovedPods.Where(p => p.SeenAtMs < sidecarsBefore).ExecuteDeleteAsync(stopping);
        await context.Tokens.Where(t => t.ExpirationDate < expired.UtcDateTime).ExecuteDeleteAsync(stopping);
        if (_forgotAt is not { } forgotAt || time.GetElapsedTime(forgotAt) >= ForgetEvery)
        {
            _forgotAt = time.GetTimestamp();
            if (await Retention.ForgetAsync(context, time.GetUtcNow(), options.KeepAudit, stopping) is > 0 and var forgotten)
                Log.Forgotten(logger, forgotten);
        }
    }

    /// <summary>Warns before the CA expires. It is not rotated automatically, because files provided by operators have to be
    /// replaced.</summary>
    private void WarnOfAuthority()
    {
        var authority = trust.Current.Authority;
        if (authority.Certificate.NotAfter < time.GetUtcNow() + WarnOfAuthorityFor && _warned.Add((authority.KeyId, "expiry")))
            Log.AuthorityExpires(logger, authority.Certificate.NotAfter.ToUniversalTime());
    }

    /// <summary>A token of many uses that comes to its end: the next pods of its application do not start.</summary>
    private async Task WarnOfTokensAsync(StoreContext context, CancellationToken stopping)
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        foreach (var token in await context.JoinTokens.AsNoTracking().Where(t => t.Uses > 1 && t.ExpiresAtMs > now).ToListAsync(stopping))
        {
            if (token.UsesLeft * 10L <= token.Uses && _warned.Add((token.Id, "uses")))
                Log.FewUsesLeft(logger, token.Id, token.Application, token.UsesLeft, token.Uses);

            if ((token.ExpiresAtMs - now) * 10 <= token.ExpiresAtMs - token.CreatedAtMs && _warned.Add((token.Id, "expiry")))
                Log.ExpiresSoon(logger, token.Id, token.Application, DateTimeOffset.FromUnixTimeMilliseconds(token.ExpiresAtMs));
        }
    }

    private static partial class Log
    {
        [LoggerMessage(25, LogLevel.Information, "removed {Rows} expired rows: tombstones, superseded policies, audit records",
            EventName = "ExpiredRowsRemoved")]
        public static partial void Forgotten(ILogger logger, int rows);

        [LoggerMessage(22, LogLevel.Warning, "join token {Id} of {Application} has {UsesLeft} of {Uses} uses left: create another",
            EventName = "JoinTokenFewUsesLeft")]
        public static partial void FewUsesLeft(ILogger logger, string id, string application, int usesLeft, int uses);

        [LoggerMessage(23, LogLevel.Warning, "join token {Id} of {Application} expires at {ExpiresAt:u}: create another",
            EventName = "JoinTokenExpiresSoon")]
        public static partial void ExpiresSoon(ILogger logger, string id, string application, DateTimeOffset expiresAt);

        [LoggerMessage(26, LogLevel.Warning, "the CA expires at {ExpiresAt:u}: rotate it (`authsidecar-control keys rotate-ca`)",
            EventName = "AuthorityExpiresSoon")]
        public static partial void AuthorityExpires(ILogger logger, DateTime expiresAt);

        [LoggerMessage(20, LogLevel.Warning, "housekeeping failed, retrying: {Error}", EventName = "HousekeepingFailed")]
        public static partial void Failed(ILogger logger, string error);

        [LoggerMessage(21, LogLevel.Information, "wrapped {Keys} data keys with the current master key", EventName = "DataKeysRewrapped")]
        public static partial void Rewrapped(ILogger logger, int keys);
    }
}
