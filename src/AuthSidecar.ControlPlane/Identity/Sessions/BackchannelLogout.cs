using AuthSidecar.ControlPlane.Identity.Clients;
using AuthSidecar.ControlPlane.Identity.Keys;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace AuthSidecar.ControlPlane.Identity.Sessions;

/// <summary>Tells clients that a session has ended (OpenID Connect Back-Channel Logout 1.0). What is to be told is written with the end
/// itself, so that no crash loses it; any node tells, each notice by one at a time.</summary>
internal sealed partial class BackchannelLogout(
    Database database, StoreWatcher watcher, KeyRing keys, IdentityServerOptions options, IHttpClientFactory clients, TimeProvider time,
    ILogger<BackchannelLogout> logger) : BackgroundService
{
    /// <summary>What the HTTP client is called.</summary>
    public const string HttpClientName = "back-channel logout";

    /// <summary>How long a client may take to answer.</summary>
    public static readonly TimeSpan Timeout = TimeSpan.FromSeconds(5);

    private const string EventType = "http://schemas.openid.net/event/backchannel-logout";
    private const int MaxAttempts = 5;
    private const int ReadAtOnce = 100;
    private const int ClientsAtOnce = 8;

    /// <summary>Of a token that is made when it is sent (section 2.4).</summary>
    private static readonly TimeSpan TokenLifetime = TimeSpan.FromMinutes(2);

    /// <summary>How long a notice is reserved for the node that sends it; longer than <see cref="Timeout"/>. After that another node sends
    /// it.</summary>
    private static readonly TimeSpan TakenFor = TimeSpan.FromSeconds(30);

    /// <summary>Then four times as long each time.</summary>
    private static readonly TimeSpan FirstDelay = TimeSpan.FromSeconds(10);

    /// <summary>As long as the attempts take; what came while the client did not answer is not kept for longer.</summary>
    private static readonly TimeSpan KeptFor = TimeSpan.FromMinutes(20);

    /// <summary>Without a reason to look: another node may have died.</summary>
    private static readonly TimeSpan LookEvery = TimeSpan.FromMinutes(1);

    /// <summary>Notes whom to tell of a session that ends: as a part of the write that ends it.</summary>
    public static async Task NoteAsync(StoreTransaction transaction, SessionRow session, CancellationToken cancellation)
    {
        var context = transaction.Context;
        var clients = await context.Grants.Where(g => g.SessionId == session.Id)
            .Select(g => g.ClientId)
            .Distinct()
            .ToListAsync(cancellation);
        foreach (var client in await ClientRecords.LogoutUrisOfAsync(context, clients, cancellation))
        {
            context.LogoutNotices.Add(new LogoutNoticeRow
            {
                Id = Guid.CreateVersion7().ToString("N"),
                ClientId = client.Key,
                AccountId = session.AccountId,
                SessionId = session.Id,
                CreatedAtMs = transaction.NowMs,
                DueAtMs = transaction.NowMs,
                Attempts = 0,
            });
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            var (head, wait) = (watcher.Head, LookEvery);
            try
            {
                wait = await TellAsync(stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                Log.NotRead(logger, ConnectionFailure.Describe(e));
            }

            await Task.WhenAny(watcher.WhenNewer(head), Task.Delay(wait, time, stoppingToken));
        }
    }

    /// <summary>Sends what is due.</summary>
    /// <returns>For how long nothing is.</returns>
    private async Task<TimeSpan> TellAsync(CancellationToken cancellation)
    {
        await using var context = database.Open();
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var due = await context.LogoutNotices.Where(n => n.DueAtMs <= now).Select(n => n.ClientId).Distinct().ToListAsync(cancellation);
        // A client that does not answer keeps no other waiting.
        await Parallel.ForEachAsync(due, new ParallelOptions { MaxDegreeOfParallelism = ClientsAtOnce, CancellationToken = cancellation },
            TellAsync);
        return await context.LogoutNotices.MinAsync(n => (long?)n.DueAtMs, cancellation) is { } next
            ? TimeSpan.FromMilliseconds(Math.Clamp(next - time.GetUtcNow().ToUnixTimeMilliseconds(), 0, LookEvery.TotalMilliseconds))
            : LookEvery;
    }

    private async ValueTask TellAsync(string clientId, CancellationToken cancellation)
    {
        await using var context = database.Open();
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        var ours = context.LogoutNotices.Where(n => n.ClientId == clientId);
        var tooOld = (time.GetUtcNow() - KeptFor).ToUnixTimeMilliseconds();
        if (await ours.Where(n => n.CreatedAtMs < tooOld).ExecuteDeleteAsync(cancellation) is > 0 and var expired)
            Log.GivenUp(logger, clientId, expired, "expired");

        var uri = (await ClientRecords.LogoutUrisOfAsync(context, [clientId], cancellation)).GetValueOrDefault(clientId);
        foreach (var notice in await ours.AsNoTracking().Where(n => n.DueAtMs <= now).OrderBy(n => n.CreatedAtMs).Take(ReadAtOnce)
            .ToListAsync(cancellation))
        {
            var takenUntil = (time.GetUtcNow() + TakenFor).ToUnixTimeMilliseconds();
            var row = ours.Where(n => n.Id == notice.Id);
            if (await row.Where(n => n.DueAtMs == notice.DueAtMs).ExecuteUpdateAsync(u => u.SetProperty(n => n.DueAtMs, takenUntil),
                cancellation) == 0)
            {
                // Another node is telling it.
                continue;
            }

            // Nobody to tell is nothing to tell: the client was removed, or does not want to hear any more.
            if (uri is null || await SendAsync(uri, notice, cancellation) is not { } why)
            {
                await row.ExecuteDeleteAsync(cancellation);
                continue;
            }

            var attempts = notice.Attempts + 1;
            var delay = FirstDelay * Math.Pow(4, notice.Attempts);
            var again = (time.GetUtcNow() + delay).ToUnixTimeMilliseconds();
            if (attempts >= MaxAttempts)
            {
                Log.GivenUp(logger, clientId, 1, why);
                await row.ExecuteDeleteAsync(cancellation);
            }
            else
            {
                Log.NotTold(logger, clientId, uri, attempts, delay.TotalSeconds, why);
                await row.ExecuteUpdateAsync(
                    u => u.SetProperty(n => n.DueAtMs, again).SetProperty(n => n.Attempts, attempts), cancellation);
            }

            // The rest of this client's would wait as long, one after the other.
            await ours.Where(n => n.DueAtMs < again).ExecuteUpdateAsync(u => u.SetProperty(n => n.DueAtMs, again), cancellation);
            break;
        }
    }

    /// <returns>Why it did not work; null: it did.</returns>
    private async Task<string?> SendAsync(string uri, LogoutNoticeRow notice, CancellationToken cancellation)
    {
        try
        {
            using var content = new FormUrlEncodedContent([new("logout_token", TokenOf(notice))]);
            using var client = clients.CreateClient(HttpClientName);
            using var response = await client.PostAsync(uri, content, cancellation);
            return response.IsSuccessStatusCode ? null : $"HTTP status {(int)response.StatusCode}";
        }
        catch (Exception e) when (!cancellation.IsCancellationRequested)
        {
            return e is TaskCanceledException ? $"no answer within {Timeout.TotalSeconds} seconds" : e.GetBaseException().Message;
        }
    }

    /// <summary>A logout token (section 2.4): it has no nonce, and a type of its own, so that it is taken for no other token.</summary>
    private string TokenOf(LogoutNoticeRow notice)
    {
        var (all, signing) = keys.Current;
        var now = time.GetUtcNow();
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = options.Url!.AbsoluteUri,
            Audience = notice.ClientId,
            TokenType = "logout+jwt",
            IssuedAt = now.UtcDateTime,
            Expires = (now + TokenLifetime).UtcDateTime,
            Claims = new Dictionary<string, object>
            {
                [JwtRegisteredClaimNames.Sub] = notice.AccountId,
                [JwtRegisteredClaimNames.Jti] = notice.Id,
                [ServerConstants.SessionIdClaim] = notice.SessionId,
                ["events"] = new Dictionary<string, object> { [EventType] = new Dictionary<string, object>() },
            },
            SigningCredentials = new SigningCredentials(all.Single(k => k.KeyId == signing).Private, SecurityAlgorithms.RsaSha256)
            {
                CryptoProviderFactory = new CryptoProviderFactory { CacheSignatureProviders = false },
            },
        });
    }

    private static partial class Log
    {
        [LoggerMessage(58, LogLevel.Warning,
            "back-channel logout of client {ClientId} at {Uri} failed (attempt {Attempt}), retried in {Seconds} s: {Error}",
            EventName = "BackchannelLogoutFailed")]
        public static partial void NotTold(ILogger logger, string clientId, string uri, int attempt, double seconds, string error);

        [LoggerMessage(59, LogLevel.Error, "giving up back-channel logout of client {ClientId} ({Count} sessions): {Error}",
            EventName = "BackchannelLogoutAbandoned")]
        public static partial void GivenUp(ILogger logger, string clientId, int count, string error);

        [LoggerMessage(60, LogLevel.Warning, "failed to read pending back-channel logouts, retrying: {Error}",
            EventName = "BackchannelLogoutReadFailed")]
        public static partial void NotRead(ILogger logger, string error);
    }
}
