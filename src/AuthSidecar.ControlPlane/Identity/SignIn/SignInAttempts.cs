namespace AuthSidecar.ControlPlane.Identity.SignIn;

/// <summary>What is guessed at. Each has its own counts: who keeps guessing passwords does not disable codes, and the other way
/// round.</summary>
internal enum Authenticator
{
    Password,
    Code,
}

/// <summary>Where an attempt comes from.</summary>
/// <param name="Address">The client's address.</param>
/// <param name="Network">The same, of IPv6 its /64.</param>
/// <param name="Browser">The secret of the browser's cookie; null: it has none.</param>
/// <param name="Session">The session in which its owner has signed in already; null: none.</param>
internal readonly record struct AttemptSource(string Address, string Network, string? Browser = null, string? Session = null);

/// <summary>Whether an attempt is looked at.</summary>
internal enum Admission
{
    Admitted,

    /// <summary>Too many failures a short while ago.</summary>
    Delayed,

    /// <summary>Locked out: too many consecutive failures from unknown browsers; only known browsers are accepted.</summary>
    Disabled,
}

/// <summary>Counts failed attempts to sign in. A browser in which somebody has signed in to the account before has counts of its own
/// (device cookies, OWASP), so that strangers cannot lock its owner out. Of strangers, each source is held back by itself, up to a quarter
/// of an hour, and all of them together up to half a minute: who comes from elsewhere finds a gap. Failures fade, by half each hour. After
/// 100 in a row strangers are not listened to any more until the account is reset (SP 800-63B-4, section 3.2.2).</summary>
/// <remarks>An attempt counts as failed before it is looked at, in a transaction of its own: those that come at once are all counted, and
/// nothing that fails afterwards takes it back.</remarks>
internal sealed class SignInAttempts(Database database, TimeProvider time)
{
    /// <summary>So many mistakes are typing.</summary>
    public const int Free = 5;

    /// <summary>SP 800-63B-4, section 3.2.2.</summary>
    public const int MostInARow = 100;

    /// <summary>The number of consecutive failures after which a known browser becomes an unknown one.</summary>
    public const int MostOfKnown = 10;

    /// <summary>For how long a browser is known that does not come back.</summary>
    public static readonly TimeSpan KnownFor = TimeSpan.FromDays(180);

    /// <summary>For how long counts are kept that nobody adds to; those of strangers in a row stay.</summary>
    public static readonly TimeSpan KeepFor = TimeSpan.FromDays(1);

    private const string Strangers = "";

    /// <summary>Of each account; the one that was longest not used goes first.</summary>
    private const int MostKnown = 20;

    /// <summary>The number of shared rows on which attempts for unknown sign-in names are counted.</summary>
    private const int Nobodies = 64;

    private static readonly TimeSpan FirstDelayOfSource = TimeSpan.FromSeconds(4);

    /// <summary>A quarter of that: when all may try again, whoever has failed may not yet, and leaves a gap.</summary>
    private static readonly TimeSpan FirstDelayOfAll = FirstDelayOfSource / 4;
    private static readonly TimeSpan LongestOfSource = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan LongestOfAll = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan HalfLife = TimeSpan.FromHours(1);

    private long NowMs => time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Counts an attempt as failed until it has succeeded.</summary>
    public async Task<Attempt> CountAsync(
        StoreContext context, string accountId, Authenticator authenticator, AttemptSource source, CancellationToken cancellation)
    {
        var isKnown = source.Session is null && await IsKnownAsync(context, accountId, source.Browser, cancellation);
        var (name, now) = (authenticator.ToString(), NowMs);
        string[] sources = source.Session is { } session ? [$"session {session}"]
            : isKnown ? [$"browser {TextHash.Of(source.Browser!)}"]
            : [Strangers, $"source {TextHash.Of($"{source.Network} {source.Browser}")}"];
        var rows = await context.Attempts.AsNoTracking().Where(
            a => a.AccountId == accountId && a.Authenticator == name && sources.Contains(a.Source)).ToListAsync(cancellation);
        if (sources is [Strangers, ..] && rows.Find(r => r.Source == Strangers) is { InARow: >= MostInARow })
            return new Attempt(Admission.Disabled, [], false, false);

        if (rows.Exists(r => r.LockedUntilMs > now))
            return new Attempt(Admission.Delayed, [], false, false);

        var counts = sources.Select(s => Next(rows.Find(r => r.Source == s), accountId, name, s, now)).ToList();
        if (!await TrySaveAsync(context, counts, cancellation))
        {
            // Somebody else has counted meanwhile: attempts at once are no more than attempts one by one.
            return new Attempt(Admission.Delayed, [], false, false);
        }

        if (isKnown && counts[0].After.InARow >= MostOfKnown)
        {
            var hash = TextHash.Of(source.Browser!);
            await context.KnownBrowsers.Where(b => b.AccountId == accountId && b.SecretSha256 == hash).ExecuteDeleteAsync(cancellation);
        }

        var strangers = counts.Find(c => c.After.Source == Strangers);
        return new Attempt(
            Admission.Admitted, counts, strangers is { After.Failures: Free + 1 }, strangers is { After.InARow: MostInARow });
    }

    /// <summary>Does the same work as <see cref="CountAsync"/> for a sign-in name without an account, so that response times do not reveal
    /// which accounts exist.</summary>
    public async Task CountNobodyAsync(StoreContext context, string name, AttemptSource source, CancellationToken cancellation)
    {
        var nobody = $"?{SHA256.HashData(Encoding.UTF8.GetBytes(name))[0] % Nobodies}";
        await IsKnownAsync(context, nobody, source.Browser, cancellation);
        string[] sources = [Strangers, "source"];
        var rows = await context.Attempts.AsNoTracking().Where(a => a.AccountId == nobody && sources.Contains(a.Source))
            .ToListAsync(cancellation);
        var counts = sources.Select(s => Next(rows.Find(r => r.Source == s), nobody, nameof(Authenticator.Password), s, NowMs)).ToList();
        await TrySaveAsync(context, counts, cancellation);
    }

    /// <summary>Takes back what was counted for an attempt that was no mistake, and nothing that others have counted since.</summary>
    public static async Task UncountAsync(StoreContext context, Attempt attempt, CancellationToken cancellation)
    {
        foreach (var (before, _, after) in attempt.Counts ?? [])
        {
            await Same(context, after).ExecuteUpdateAsync(
                u => u.SetProperty(a => a.Failures, before.Failures).SetProperty(a => a.InARow, before.InARow)
                    .SetProperty(a => a.FailedAtMs, before.FailedAtMs).SetProperty(a => a.LockedUntilMs, before.LockedUntilMs),
                cancellation);
        }
    }

    /// <summary>Forgets the failures of a source that has signed in. Those of strangers are forgotten when one of them was the
    /// owner.</summary>
    public static async Task ForgetAsync(StoreContext context, string accountId, Attempt attempt, CancellationToken cancellation)
    {
        var sources = (attempt.Counts ?? []).Select(c => c.After.Source).ToList();
        await context.Attempts.Where(a => a.AccountId == accountId && sources.Contains(a.Source)).ExecuteDeleteAsync(cancellation);
    }

    /// <summary>Forgets every failure of an account: an administrator, or its owner, has made sure who is who.</summary>
    public static Task<int> ResetAsync(StoreContext context, string accountId, CancellationToken cancellation) =>
        context.Attempts.Where(a => a.AccountId == accountId).ExecuteDeleteAsync(cancellation);

    /// <summary>Remembers a browser in which somebody has signed in.</summary>
    /// <returns>The secret for its cookie: the one that it has, where it is known to anybody, or a new one, since one that it had before
    /// may be somebody else's. And whether it was known to this account.</returns>
    public async Task<(string Secret, bool WasKnown)> RememberAsync(string accountId, string? secret, CancellationToken cancellation)
    {
        await using var context = database.Open();
        var now = NowMs;
        if (secret is { Length: > 0 })
        {
            var hash = TextHash.Of(secret);
            var known = await context.KnownBrowsers.AsNoTracking().Where(b => b.SecretSha256 == hash).ToListAsync(cancellation);
            if (known.Exists(b => b.AccountId == accountId))
            {
                await context.KnownBrowsers.Where(b => b.SecretSha256 == hash && b.AccountId == accountId).ExecuteUpdateAsync(
                    u => u.SetProperty(b => b.SeenAtMs, now), cancellation);
                return (secret, true);
            }

            secret = known.Count > 0 ? secret : null;
        }

        secret = secret is { Length: > 0 } ? secret : NewSecret();
        var mine = TextHash.Of(secret);
        await context.Database.ExecuteSqlAsync(
            $"""
            INSERT INTO known_browsers ("AccountId", "SecretSha256", "SeenAtMs") VALUES ({accountId}, {mine}, {now})
            ON CONFLICT DO NOTHING
            """,
            cancellation);
        var old = await context.KnownBrowsers.Where(b => b.AccountId == accountId).OrderByDescending(b => b.SeenAtMs).Skip(MostKnown)
            .Select(b => b.SecretSha256).ToListAsync(cancellation);
        if (old.Count > 0)
        {
            await context.KnownBrowsers.Where(
                b => b.AccountId == accountId && old.Contains(b.SecretSha256)).ExecuteDeleteAsync(cancellation);
        }

        return (secret, false);
    }

    /// <summary>Forgets every browser of an account, as a part of a write: one of them may be somebody else's.</summary>
    public static Task<int> ForgetBrowsersAsync(StoreContext context, string accountId, CancellationToken cancellation) =>
        context.KnownBrowsers.Where(b => b.AccountId == accountId).ExecuteDeleteAsync(cancellation);

    /// <summary>Removes what means nothing any more.</summary>
    public static async Task CleanAsync(StoreContext context, DateTimeOffset now, CancellationToken cancellation)
    {
        var (counts, browsers) = ((now - KeepFor).ToUnixTimeMilliseconds(), (now - KnownFor).ToUnixTimeMilliseconds());
        await context.Attempts.Where(a => a.FailedAtMs < counts && (a.Source != Strangers || a.AccountId.StartsWith("?")))
            .ExecuteDeleteAsync(cancellation);
        await context.KnownBrowsers.Where(b => b.SeenAtMs < browsers).ExecuteDeleteAsync(cancellation);
    }

    /// <summary>For a browser that has no cookie yet: it is told from others at its address.</summary>
    public static string NewSecret() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(32));

    private static async Task<bool> IsKnownAsync(StoreContext context, string accountId, string? secret, CancellationToken cancellation)
    {
        if (secret is not { Length: > 0 })
            return false;

        var hash = TextHash.Of(secret);
        return await context.KnownBrowsers.AnyAsync(b => b.AccountId == accountId && b.SecretSha256 == hash, cancellation);
    }

    private static Count Next(AttemptRow? row, string accountId, string authenticator, string source, long now)
    {
        var before = row ?? new AttemptRow { AccountId = accountId, Authenticator = authenticator, Source = source };
        var halves = before.FailedAtMs == 0 ? 0 : Math.Clamp((now - before.FailedAtMs) / (long)HalfLife.TotalMilliseconds, 0, 30);
        var failures = (before.Failures >> (int)halves) + 1;
        return new Count(before, IsNew: row is null, new AttemptRow
        {
            AccountId = accountId,
            Authenticator = authenticator,
            Source = source,
            Failures = failures,
            InARow = before.InARow + 1,
            FailedAtMs = now,
            LockedUntilMs = failures <= Free ? 0
                : now + (long)(source == Strangers ? DelayAfter(failures, FirstDelayOfAll, LongestOfAll)
                    : DelayAfter(failures, FirstDelayOfSource, LongestOfSource)).TotalMilliseconds,
        });
    }

    private static async Task<bool> TrySaveAsync(StoreContext context, List<Count> counts, CancellationToken cancellation)
    {
        await using var transaction = await context.Database.BeginTransactionAsync(cancellation);
        foreach (var (before, isNew, after) in counts)
        {
            var saved = isNew
                ? await context.Database.ExecuteSqlAsync(
                    $"""
                    INSERT INTO attempts ("AccountId", "Authenticator", "Source", "Failures", "InARow", "FailedAtMs", "LockedUntilMs")
                    VALUES ({after.AccountId}, {after.Authenticator}, {after.Source}, {after.Failures}, {after.InARow}, {after.FailedAtMs},
                            {after.LockedUntilMs})
                    ON CONFLICT DO NOTHING
                    """,
                    cancellation)
                : await Same(context, before).ExecuteUpdateAsync(
                    u => u.SetProperty(a => a.Failures, after.Failures).SetProperty(a => a.InARow, after.InARow)
                        .SetProperty(a => a.FailedAtMs, after.FailedAtMs).SetProperty(a => a.LockedUntilMs, after.LockedUntilMs),
                    cancellation);
            if (saved == 0)
                return false;
        }

        await transaction.CommitAsync(cancellation);
        return true;
    }

    private static IQueryable<AttemptRow> Same(StoreContext context, AttemptRow row) =>
        context.Attempts.Where(
            a => a.AccountId == row.AccountId && a.Authenticator == row.Authenticator && a.Source == row.Source && a.InARow == row.InARow);

    private static TimeSpan DelayAfter(int failures, TimeSpan first, TimeSpan longest)
    {
        var delay = first * (1 << Math.Min(failures - Free - 1, 20));
        return delay < longest ? delay : longest;
    }
}

/// <summary>A count before and after an attempt.</summary>
/// <param name="Before">Before.</param>
/// <param name="IsNew">Whether there was none.</param>
/// <param name="After">After.</param>
internal sealed record Count(AttemptRow Before, bool IsNew, AttemptRow After);

/// <summary>An attempt that was counted, or was not let in.</summary>
/// <param name="Admission">Whether it is looked at.</param>
/// <param name="Counts">The counts that were raised; null: the account does not exist.</param>
/// <param name="BeginsDelay">Whether strangers are held back from now on.</param>
/// <param name="Disables">Whether the account is locked out for unknown browsers if the attempt fails.</param>
internal readonly record struct Attempt(Admission Admission, IReadOnlyList<Count>? Counts, bool BeginsDelay, bool Disables);
