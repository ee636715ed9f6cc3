using AuthSidecar.ControlPlane.Identity.Sessions;

namespace AuthSidecar.ControlPlane.Identity.Grants;

/// <summary>Grants, and the refresh tokens that prolong them: one conditional update takes a generation to the next, so that of any number
/// who come with the same token one succeeds, and none after the grant was ended.</summary>
internal sealed class GrantStore(ControlStore store, Database database, SecretStore secrets, TimeProvider time)
{
    public static readonly TimeSpan RefreshTokenLifetime = TimeSpan.FromDays(7);

    /// <summary>For how long a client that has lost the answer may ask once more.</summary>
    public static readonly TimeSpan RetryWithin = TimeSpan.FromSeconds(10);

    private const int IdBytes = 16;

    /// <summary>How many ids a statement names.</summary>
    private const int MaxAtOnce = 500;

    private long NowMs => time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>The id of a grant that is yet to begin.</summary>
    public static string NewId() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(IdBytes));

    /// <summary>Begins a grant in a session; null when that has ended meanwhile.</summary>
    public async Task<Grant?> TryBeginAsync(
        string grantId, string sessionId, string clientId, string scopes, string deviceKey, CancellationToken cancellation)
    {
        var now = NowMs;
        await using var context = database.Open();
        await using var transaction = await context.Database.BeginTransactionAsync(cancellation);
        if (await TryUseSessionAsync(context, sessionId, now, cancellation) is not { } session)
            return null;

        var grant = new GrantRow
        {
            Id = grantId,
            SessionId = sessionId,
            AccountId = session.AccountId,
            ClientId = clientId,
            Scopes = scopes,
            AuthenticatedAtMs = session.AuthenticatedAtMs,
            Methods = session.Methods,
            DeviceKey = deviceKey,
            Generation = 1,
            RotatedAtMs = now,
            ExpiresAtMs = ExpiryAt(now, session),
        };
        context.Grants.Add(grant);
        try
        {
            await context.SaveChangesAsync(cancellation);
        }
        catch (DbUpdateException) when (!cancellation.IsCancellationRequested)
        {
            // Somebody has begun it a moment ago, with the same code: nobody knows which of the two is the right one.
            await transaction.RollbackAsync(cancellation);
            await EndAsync(SessionStore.ActorOf(session.AccountId), grantId, "an authorization code was used twice", cancellation);
            return null;
        }

        await transaction.CommitAsync(cancellation);
        return new Grant(grant, session);
    }

    /// <summary>Takes a grant to its next generation.</summary>
    /// <param name="token">A refresh token.</param>
    /// <param name="clientId">The client that has it.</param>
    /// <param name="deviceKey">The key whose possession it has proved; empty: none.</param>
    /// <param name="isAuthenticated">Whether the client itself has authenticated.</param>
    public async Task<(Grant? Grant, RefreshFailure Failure)> RefreshAsync(
        RefreshToken token, string clientId, string deviceKey, bool isAuthenticated, CancellationToken cancellation)
    {
        var now = NowMs;
        var grant = await FindAsync(token.GrantId, cancellation);
        // Where the client has not authenticated, a token without a key would be anybody's.
        if (grant is null || grant.ClientId != clientId || grant.DeviceKey != deviceKey || (deviceKey.Length == 0 && !isAuthenticated))
            return (null, RefreshFailure.Unknown);

        if (await TryRotateAsync(grant, token.Generation, now, cancellation) is { } rotated)
            return (rotated, RefreshFailure.None);

        return await AfterLosingAsync(token, now, cancellation);
    }

    /// <summary>Ends a grant and its tokens, access tokens included.</summary>
    public Task<WriteResult> EndAsync(string actor, string grantId, string because, CancellationToken cancellation) => store.WriteAsync(
        actor,
        async transaction =>
        {
            var ended = await transaction.Context.Grants
                .Where(g => g.Id == grantId && g.EndedAtMs == null)
                .ExecuteUpdateAsync(u => u.SetProperty(g => g.EndedAtMs, transaction.NowMs), cancellation);
            if (ended == 0)
                return new Refusal.NotFound("grant");

            await TokenRevocations.GrantAsync(transaction, grantId, cancellation);
            transaction.Audit("grants.end", grantId, Placement.ControlPlane, before: null, because);
            return null;
        },
        cancellation);

    /// <summary>Ends grants of a client, as a part of the write that is the reason: those with a scope that it may not have any
    /// more.</summary>
    /// <param name="allowed">The scopes that it may have; null: it may have nothing.</param>
    /// <param name="because">Why.</param>
    public static async Task EndOfClientAsync(
        StoreTransaction transaction, string clientId, IReadOnlySet<string>? allowed, string because, CancellationToken cancellation)
    {
        var now = transaction.NowMs;
        var live = transaction.Context.Grants.Where(g => g.ClientId == clientId && g.EndedAtMs == null && g.ExpiresAtMs > now);
        var ended = (await live.Select(g => new { g.Id, g.Scopes }).ToListAsync(cancellation))
            .Where(g => allowed is null || !g.Scopes.Split(' ', StringSplitOptions.RemoveEmptyEntries).All(allowed.Contains))
            .Select(g => g.Id)
            .ToList();
        // Those that have not been used for longer than an access token lives have none.
        var since = now - (long)TokenRevocations.Longest.TotalMilliseconds;
        foreach (var ids in ended.Chunk(MaxAtOnce).Select(some => some.ToList()))
        {
            await live.Where(g => ids.Contains(g.Id)).ExecuteUpdateAsync(u => u.SetProperty(g => g.EndedAtMs, now), cancellation);
            // Asked only now, when nobody can use them any more: another node may have, up to the end.
            var used = await transaction.Context.Grants.Where(g => ids.Contains(g.Id) && g.RotatedAtMs > since).Select(g => g.Id)
                .ToListAsync(cancellation);
            foreach (var id in used)
                await TokenRevocations.GrantAsync(transaction, id, cancellation);
        }

        if (ended.Count > 0)
            transaction.Audit("grants.end-of-client", clientId, Placement.ControlPlane, $"{ended.Count} of them", because);
    }

    /// <summary>What an account has granted and what has not ended, the newest use first; with what each client is called.</summary>
    public Task<List<(GrantRow Grant, string ClientName)>> ListAsync(string accountId, CancellationToken cancellation) => store.ReadAsync(
        async (context, _) =>
        {
            var now = NowMs;
            var live = await context.Grants
                .Where(g => g.AccountId == accountId && g.EndedAtMs == null && g.ExpiresAtMs > now
                    && SessionStore.Live(context, now).Any(s => s.Id == g.SessionId))
                .OrderByDescending(g => g.RotatedAtMs)
                .Join(context.Clients, g => g.ClientId, c => c.ClientId, (g, c) => new { Grant = g, c.DisplayName })
                .ToListAsync(cancellation);
            return live.ConvertAll(l => (l.Grant, l.DisplayName ?? l.Grant.ClientId));
        },
        cancellation);

    public async Task<GrantRow?> FindAsync(string grantId, CancellationToken cancellation)
    {
        await using var context = database.Open();
        return await context.Grants.AsNoTracking().SingleOrDefaultAsync(g => g.Id == grantId, cancellation);
    }

    /// <summary>The refresh token of a grant as it is now.</summary>
    public string TokenOf(GrantRow grant) => new RefreshToken(grant.Id, grant.Generation).ToText(secrets.RefreshTokenKey);

    public RefreshToken? ReadToken(string text) => RefreshToken.TryRead(text, secrets.RefreshTokenKey);

    private async Task<Grant?> TryRotateAsync(GrantRow grant, long generation, long now, CancellationToken cancellation)
    {
        await using var context = database.Open();
        await using var transaction = await context.Database.BeginTransactionAsync(cancellation);
        // The session first, as whoever ends it does: two who take both in turn never wait for each other.
        if (await TryUseSessionAsync(context, grant.SessionId, now, cancellation) is not { } session)
            return null;

        var (next, expiry) = (generation + 1, ExpiryAt(now, session));
        var rotated = await context.Grants
            .Where(g => g.Id == grant.Id && g.Generation == generation && g.EndedAtMs == null && g.ExpiresAtMs > now)
            .ExecuteUpdateAsync(
                u => u.SetProperty(g => g.Generation, next).SetProperty(g => g.RotatedAtMs, now).SetProperty(g => g.ExpiresAtMs, expiry),
                cancellation);
        if (rotated == 0)
            return null;

        await transaction.CommitAsync(cancellation);
        (grant.Generation, grant.RotatedAtMs, grant.ExpiresAtMs) = (next, now, expiry);
        return new Grant(grant, session);
    }

    /// <summary>Somebody was faster, or there is nothing left to rotate: a client that asks once more is told what it was told, and anybody
    /// else is one too many.</summary>
    private async Task<(Grant? Grant, RefreshFailure Failure)> AfterLosingAsync(
        RefreshToken token, long now, CancellationToken cancellation)
    {
        var grant = await FindAsync(token.GrantId, cancellation);
        if (grant is not { EndedAtMs: null } || grant.ExpiresAtMs <= now || grant.Generation <= token.Generation)
            return (null, RefreshFailure.Ended);

        if (grant.Generation == token.Generation + 1 && now - grant.RotatedAtMs <= RetryWithin.TotalMilliseconds)
        {
            await using var context = database.Open();
            var session = await SessionStore.Live(context, now).AsNoTracking().SingleOrDefaultAsync(s => s.Id == grant.SessionId,
                cancellation);
            return session is null ? (null, RefreshFailure.Ended) : (new Grant(grant, session), RefreshFailure.None);
        }

        await EndAsync(SessionStore.ActorOf(grant.AccountId), grant.Id, "a refresh token was used twice", cancellation);
        return (null, RefreshFailure.Reused);
    }

    /// <summary>Uses a live session, and keeps whoever would end it waiting until the transaction is over.</summary>
    private static async Task<SessionRow?> TryUseSessionAsync(
        StoreContext context, string sessionId, long now, CancellationToken cancellation) =>
        await SessionStore.Live(context, now).Where(s => s.Id == sessionId).ExecuteUpdateAsync(u => u.SetProperty(s => s.SeenAtMs, now),
            cancellation) == 1
            ? await context.Sessions.AsNoTracking().SingleAsync(s => s.Id == sessionId, cancellation)
            : null;

    private static long ExpiryAt(long now, SessionRow session) => Math.Min(
        now + (long)RefreshTokenLifetime.TotalMilliseconds, session.EndsAtMs);
}
