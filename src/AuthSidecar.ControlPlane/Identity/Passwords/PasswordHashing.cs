namespace AuthSidecar.ControlPlane.Identity.Passwords;

/// <summary>Whether a password was right.</summary>
internal enum PasswordCheck
{
    /// <summary>It was not.</summary>
    Wrong,

    /// <summary>It was.</summary>
    Right,

    /// <summary>It was, and is to be hashed anew, as passwords are hashed by now.</summary>
    RightButOutdated,

    /// <summary>There is too much to do at the moment: nobody has looked.</summary>
    Busy,
}

/// <summary>Hashes and verifies passwords, as many at once as there are processors: it is meant to be slow, and whoever waits for anything
/// else must not notice.</summary>
internal sealed class PasswordHashing(SecretStore secrets, PasswordScheme scheme) : IPasswordHasher<Account>, IDisposable
{
    /// <summary>A second or two of work; whoever comes then is better told so than left to wait.</summary>
    private const int MaxWaiting = 64;

    private readonly SemaphoreSlim _workers = new(Environment.ProcessorCount);
    private readonly Lock _creatingDummy = new();
    private PasswordHash? _dummy;
    private int _waiting;
    private int _derivations;

    /// <summary>How many keys were derived to verify passwords, which is what takes time and so could reveal whether an account
    /// exists.</summary>
    internal int Derivations => Volatile.Read(ref _derivations);

    public string HashPassword(Account user, string password) => Create(password).ToString();

    public PasswordVerificationResult VerifyHashedPassword(Account user, string hashedPassword, string providedPassword) =>
        Verify(hashedPassword, providedPassword) switch
        {
            PasswordCheck.Right => PasswordVerificationResult.Success,
            PasswordCheck.RightButOutdated => PasswordVerificationResult.SuccessRehashNeeded,
            _ => PasswordVerificationResult.Failed,
        };

    /// <summary>Hashes a password; null: there is too much to do.</summary>
    public Task<string?> TryHashAsync(Account account, string password, CancellationToken cancellation) =>
        RunAsync<string?>(() => HashPassword(account, password), null, cancellation);

    /// <summary>Verifies a password.</summary>
    /// <param name="hash">As it is stored; null: of somebody who has none, or whom nobody knows. That takes as long as any other.</param>
    /// <param name="password">As it was given.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async Task<PasswordCheck> VerifyAsync(string? hash, string password, CancellationToken cancellation)
    {
        if (hash is not null && PasswordHash.TryParse(hash, out var parsed) && secrets.Peppers.Find(parsed.PepperId) is null)
        {
            // Another node has made it since.
            await secrets.ReadPeppersAsync(cancellation);
        }

        return await RunAsync(() => Verify(hash, password), PasswordCheck.Busy, cancellation);
    }

    public void Dispose() => _workers.Dispose();

    private PasswordCheck Verify(string? stored, string password)
    {
        var peppers = secrets.Peppers;
        if (stored is null || !PasswordHash.TryParse(stored, out var hash) || peppers.Find(hash.PepperId) is not { } pepper)
        {
            Derive(Dummy(), password, peppers.NewestPepper);
            return PasswordCheck.Wrong;
        }

        return !Derive(hash, password, pepper) ? PasswordCheck.Wrong
            : hash.IsCurrent(scheme, peppers.NewestId) ? PasswordCheck.Right
            : PasswordCheck.RightButOutdated;
    }

    private bool Derive(PasswordHash hash, string password, byte[] pepper)
    {
        Interlocked.Increment(ref _derivations);
        return hash.Verify(Nfkc.Of(password), pepper);
    }

    private PasswordHash Create(string password)
    {
        var peppers = secrets.Peppers;
        return PasswordHash.Create(Nfkc.Of(password), scheme, peppers.NewestId, peppers.NewestPepper);
    }

    /// <summary>Stands for the password of an account that has none or does not exist; hashed as new ones are.</summary>
    internal PasswordHash Dummy()
    {
        lock (_creatingDummy)
        {
            return _dummy ??= Create(Guid.NewGuid().ToString());
        }
    }

    private async Task<T> RunAsync<T>(Func<T> work, T busy, CancellationToken cancellation)
    {
        if (Interlocked.Increment(ref _waiting) > MaxWaiting)
        {
            Interlocked.Decrement(ref _waiting);
            return busy;
        }

        try
        {
            await _workers.WaitAsync(cancellation);
            try
            {
                return await Task.Run(work, cancellation);
            }
            finally
            {
                _workers.Release();
            }
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }
}
