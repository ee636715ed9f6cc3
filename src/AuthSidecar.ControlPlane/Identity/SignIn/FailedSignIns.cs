using AuthSidecar.ControlPlane.Telemetry;

namespace AuthSidecar.ControlPlane.Identity.SignIn;

/// <summary>The failed attempts to sign in to accounts, for their owners to see. They are saved once a second, however many there
/// are.</summary>
internal sealed partial class FailedSignIns(Database database, TimeProvider time, ILogger<FailedSignIns> logger) : BackgroundService
{
    /// <summary>For how long an owner is shown failed attempts.</summary>
    public static readonly TimeSpan KeepFor = TimeSpan.FromDays(30);

    private const int MaxKeys = 10_000;
    private const int KeptOfAccount = 100;

    /// <summary>Of an account: beyond, it is from several addresses.</summary>
    private const int AddressesPerMinute = 20;

    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly Signal _noted = new(time);
    private readonly Outage _saving = new(time);
    private Dictionary<(string AccountId, long MinuteMs, string Address, string Reason), int> _failed = [];

    /// <param name="failure">Why.</param>
    /// <param name="network">From where: an address, of IPv6 its network.</param>
    public void Add(string accountId, SignInFailure failure, string network)
    {
        var minute = time.GetUtcNow().ToUnixTimeMilliseconds() / 60_000 * 60_000;
        lock (_lock)
        {
            var key = (accountId, minute, network, failure.ToString());
            if (!_failed.ContainsKey(key)
                && (_failed.Count >= MaxKeys
                    || _failed.Keys.Count(k => k.AccountId == accountId && k.MinuteMs == minute) >= AddressesPerMinute))
            {
                key = (accountId, minute, "", failure.ToString());
            }

            if (_failed.Count < 2 * MaxKeys || _failed.ContainsKey(key))
                _failed[key] = _failed.GetValueOrDefault(key) + 1;
        }

        _noted.Give();
    }

    /// <summary>Failed attempts of an account, the newest first.</summary>
    public async Task<List<FailedSignInRow>> ListAsync(string accountId, int count, CancellationToken cancellation)
    {
        // Whoever looks at the page and leaves takes nothing with them.
        await TryFlushAsync(CancellationToken.None);
        await using var context = database.Open();
        return await context.FailedSignIns.AsNoTracking().Where(f => f.AccountId == accountId).OrderByDescending(f => f.MinuteMs)
            .ThenBy(f => f.Address).Take(count).ToListAsync(cancellation);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                await _noted.WaitAsync(most: null, stoppingToken);
                await Task.Delay(Every, time, stoppingToken);
                await TryFlushAsync(stoppingToken);
                if (HasMore)
                    _noted.Give();
            }
        }
        catch (OperationCanceledException)
        {
            await TryFlushAsync(CancellationToken.None);
        }
    }

    /// <summary>Whether something could not be saved.</summary>
    private bool HasMore
    {
        get
        {
            lock (_lock)
            {
                return _failed.Count > 0;
            }
        }
    }

    private async Task TryFlushAsync(CancellationToken cancellation)
    {
        try
        {
            await FlushAsync(cancellation);
            _saving.End(out _);
        }
        catch (Exception e) when (!cancellation.IsCancellationRequested)
        {
            // The database is away: others tell of it, and what owners are shown can wait.
            if (_saving.Fail())
                Log.NotSaved(logger, ConnectionFailure.Describe(e));
        }
    }

    private async Task FlushAsync(CancellationToken cancellation)
    {
        Dictionary<(string AccountId, long MinuteMs, string Address, string Reason), int> failed;
        lock (_lock)
        {
            (failed, _failed) = (_failed, []);
        }

        if (failed.Count == 0)
            return;

        try
        {
            await SaveAsync(failed, cancellation);
        }
        catch
        {
            lock (_lock)
            {
                foreach (var (key, count) in failed.Where(f => _failed.Count < 2 * MaxKeys || _failed.ContainsKey(f.Key)))
                    _failed[key] = _failed.GetValueOrDefault(key) + count;
            }

            throw;
        }
    }

    private async Task SaveAsync(
        Dictionary<(string AccountId, long MinuteMs, string Address, string Reason), int> failed, CancellationToken cancellation)
    {
        await using var context = database.Open();
        await using var transaction = await context.Database.BeginTransactionAsync(cancellation);
        // In one order, whoever writes: two nodes do not wait for each other.
        foreach (var ((account, minute, address, reason), count) in failed.OrderBy(f => f.Key))
        {
            await context.Database.ExecuteSqlAsync(
                $"""
                INSERT INTO failed_sign_ins ("AccountId", "MinuteMs", "Address", "Reason", "Count")
                VALUES ({account}, {minute}, {address}, {reason}, {count})
                ON CONFLICT ("AccountId", "MinuteMs", "Address", "Reason") DO UPDATE SET "Count" = failed_sign_ins."Count" + {count}
                """,
                cancellation);
        }

        foreach (var account in failed.Keys.Select(k => k.AccountId).Distinct())
        {
            var oldest = await context.FailedSignIns.Where(f => f.AccountId == account).OrderByDescending(f => f.MinuteMs)
                .Skip(KeptOfAccount).Select(f => (long?)f.MinuteMs).FirstOrDefaultAsync(cancellation);
            if (oldest is { } minute)
                await context.FailedSignIns.Where(f => f.AccountId == account && f.MinuteMs < minute).ExecuteDeleteAsync(cancellation);
        }

        await transaction.CommitAsync(cancellation);
    }

    private static partial class Log
    {
        [LoggerMessage(56, LogLevel.Warning, "failed to save failed sign-ins for their accounts: {Error}",
            EventName = "FailedSignInsSaveFailed")]
        public static partial void NotSaved(ILogger logger, string error);
    }
}
