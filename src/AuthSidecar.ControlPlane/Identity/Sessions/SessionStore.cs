namespace AuthSidecar.ControlPlane.Identity.Sessions;

/// <summary>How somebody has authenticated, and from where.</summary>
/// <param name="Methods">RFC 8176, with spaces between.</param>
/// <param name="UserAgent">What the browser says of itself.</param>
/// <param name="Address">Whom the connection is with.</param>
/// <param name="At">When; null: now.</param>
internal sealed record Authentication(string Methods, string UserAgent, string Address, DateTimeOffset? At);

/// <summary>Sessions with browsers: begun by authenticating, found by what the browser has, ended by use, time, limit or will.</summary>
internal sealed class SessionStore(ControlStore store, Database database, TimeProvider time)
{
    public static readonly TimeSpan IdleFor = TimeSpan.FromMinutes(30);
    public static readonly TimeSpan LivesFor = TimeSpan.FromHours(8);
    public const int AtOnce = 3;

    /// <summary>For how long somebody who has authenticated may change how they sign in.</summary>
    public static readonly TimeSpan FreshFor = TimeSpan.FromMinutes(10);

    /// <summary>Use is noted to the minute: it is of no interest more exactly.</summary>
    private static readonly TimeSpan NotedEvery = TimeSpan.FromMinutes(1);

    private const int SecretBytes = 32;
    private const int MaxUserAgent = 256;

    private long NowMs => time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Begins a session, or begins the browser's own anew; where that is one too many, the one that was longest not used
    /// ends.</summary>
    /// <param name="account">The account as it was when it authenticated: no session begins if it was disabled or removed, or its password
    /// changed, since then.</param>
    /// <param name="authentication">How, and from where.</param>
    /// <param name="before">The live session that the browser has. Of the same account it goes on, with what was granted in it; of another
    /// it ends.</param>
    /// <returns>The session, and what the browser is to have; null: there is none.</returns>
    public async Task<(SessionRow Session, string Secret)?> TryBeginAsync(
        Account account, Authentication authentication, SessionRow? before, CancellationToken cancellation)
    {
        var (secret, now) = (Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes)), NowMs);
        var session = new SessionRow
        {
            Id = Guid.CreateVersion7(time.GetUtcNow()).ToString("N"),
            AccountId = account.Id,
            SecretSha256 = TextHash.Of(secret),
            AuthenticatedAtMs = Math.Min(now, authentication.At?.ToUnixTimeMilliseconds() ?? now),
            SeenAtMs = now,
            EndsAtMs = now + (long)LivesFor.TotalMilliseconds,
            Methods = authentication.Methods,
            UserAgent = authentication.UserAgent[..Math.Min(MaxUserAgent, authentication.UserAgent.Length)],
            Address = authentication.Address,
        };
        var result = await store.WriteAsync(
            ActorOf(account.Id),
            async transaction =>
            {
                var context = transaction.Context;
                if (!await context.Accounts.AnyAsync(a => a.Id == account.Id && !a.IsDisabled && a.PasswordHash == account.PasswordHash
                    && a.SecurityStamp == account.SecurityStamp, cancellation))
                {
                    return new Refusal.NotFound("account");
                }

                if (before is not null && await Live(context, now).SingleOrDefaultAsync(s => s.Id == before.Id, cancellation) is { } own)
                {
                    if (own.AccountId == account.Id)
                    {
                        session.Id = own.Id;
                        if (own.AuthenticatedAtMs > session.AuthenticatedAtMs)
                        {
                            // What counts is the last time that is known of.
                            (session.AuthenticatedAtMs, session.Methods) = (own.AuthenticatedAtMs, own.Methods);
                        }

                        context.Entry(own).CurrentValues.SetValues(session);
                        transaction.Audit("sessions.renew", session.Id, Placement.ControlPlane, DescribeStart(own), DescribeStart(session));
                        return null;
                    }

                    await EndAsync(transaction, own, "replaced by a new sign-in", cancellation);
                }

                var others = await Live(context, now).Where(s => s.AccountId == account.Id).OrderByDescending(s => s.SeenAtMs)
                    .ToListAsync(cancellation);
                foreach (var other in others.Skip(AtOnce - 1))
                    await EndAsync(transaction, other, "limit", cancellation);

                context.Sessions.Add(session);
                transaction.Audit("sessions.begin", session.Id, Placement.ControlPlane, before: null, DescribeStart(session));
                return null;
            },
            cancellation);
        return result.IsCommitted ? (session, secret) : null;
    }

    /// <summary>The session of what a browser has, and notes that it is used; ended ones too, which tell why.</summary>
    public async Task<SessionRow?> FindAsync(string secret, CancellationToken cancellation)
    {
        var (hash, now) = (TextHash.Of(secret), NowMs);
        await using var context = database.Open();
        var session = await context.Sessions.AsNoTracking().SingleOrDefaultAsync(s => s.SecretSha256 == hash, cancellation);
        if (session is not null && IsLive(session, now) && now - session.SeenAtMs >= NotedEvery.TotalMilliseconds)
        {
            await context.Sessions.Where(s => s.Id == session.Id && s.SeenAtMs < now)
                .ExecuteUpdateAsync(u => u.SetProperty(s => s.SeenAtMs, now), cancellation);
        }

        return session;
    }

    public bool IsLive(SessionRow session) => IsLive(session, NowMs);

    /// <summary>Whether somebody has authenticated in it just now.</summary>
    public bool IsFresh(SessionRow session) => NowMs - session.AuthenticatedAtMs <= FreshFor.TotalMilliseconds;

    /// <summary>The live sessions of an account, the newest first.</summary>
    public Task<List<SessionRow>> ListAsync(string accountId, CancellationToken cancellation) => store.ReadAsync(
        (context, _) => Live(context, NowMs).Where(s => s.AccountId == accountId).OrderByDescending(s => s.AuthenticatedAtMs)
            .ToListAsync(cancellation), cancellation);

    /// <summary>Ends a session of an account, and the tokens that were granted in it.</summary>
    public Task<WriteResult> EndAsync(string actor, string accountId, string sessionId, string because, CancellationToken cancellation) =>
        store.WriteAsync(
            actor,
            async transaction =>
            {
                if (await transaction.Context.Sessions.SingleOrDefaultAsync(
                    s => s.Id == sessionId && s.AccountId == accountId && s.EndedAtMs == null, cancellation) is not { } session)
                {
                    return new Refusal.NotFound($"session `{sessionId}`");
                }

                await EndAsync(transaction, session, because, cancellation);
                return null;
            },
            cancellation);

    /// <summary>Ends every session of an account, and every token: as a part of the write that is the reason.</summary>
    public static async Task EndAllAsync(
        StoreTransaction transaction, string accountId, string because, string? except, CancellationToken cancellation)
    {
        foreach (var session in await transaction.Context.Sessions.Where(
            s => s.AccountId == accountId && s.EndedAtMs == null && s.Id != except).ToListAsync(cancellation))
        {
            await EndAsync(transaction, session, because, cancellation);
        }

        // Of the one that stays it is the browser that stays: what was granted in it may be in anybody's hands.
        if (except is not null)
            await EndGrantsAsync(transaction, except, cancellation);

        await TokenRevocations.SubjectAsync(transaction, "", accountId, cancellation);
    }

    /// <summary>Those that nobody has ended, and that have not ended by themselves.</summary>
    public static IQueryable<SessionRow> Live(StoreContext context, long nowMs)
    {
        var seenSince = nowMs - (long)IdleFor.TotalMilliseconds;
        return context.Sessions.Where(s => s.EndedAtMs == null && s.EndsAtMs > nowMs && s.SeenAtMs > seenSince);
    }

    /// <summary>How the audit trail names an account.</summary>
    public static string ActorOf(string accountId) => $"account:{accountId}";

    private static async Task EndAsync(StoreTransaction transaction, SessionRow session, string because, CancellationToken cancellation)
    {
        var (now, context) = (transaction.NowMs, transaction.Context);
        // Whoever refreshes or redeems a code holds this row until they are done, and comes too late after it.
        await context.Sessions.Where(s => s.Id == session.Id).ExecuteUpdateAsync(
            u => u.SetProperty(s => s.EndedAtMs, now).SetProperty(s => s.EndedBecause, because), cancellation);
        await EndGrantsAsync(transaction, session.Id, cancellation);
        await BackchannelLogout.NoteAsync(transaction, session, cancellation);
        transaction.Audit("sessions.end", session.Id, Placement.ControlPlane, $"of account {session.AccountId}", because);
    }

    private static async Task EndGrantsAsync(StoreTransaction transaction, string sessionId, CancellationToken cancellation)
    {
        foreach (var grant in await transaction.Context.Grants.AsNoTracking().Where(g => g.SessionId == sessionId && g.EndedAtMs == null)
            .ToListAsync(cancellation))
        {
            await TokenRevocations.GrantAsync(transaction, grant.Id, cancellation);
        }

        await transaction.Context.Grants.Where(g => g.SessionId == sessionId && g.EndedAtMs == null).ExecuteUpdateAsync(
            u => u.SetProperty(g => g.EndedAtMs, transaction.NowMs), cancellation);
    }

    private static bool IsLive(SessionRow session, long nowMs) =>
        session.EndedAtMs is null && session.EndsAtMs > nowMs && session.SeenAtMs > nowMs - (long)IdleFor.TotalMilliseconds;

    private static string DescribeStart(SessionRow session) => $"{session.Methods} from {session.Address}";
}
