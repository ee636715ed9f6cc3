using System.Security.Cryptography;
using System.Text;
using AuthSidecar.ControlPlane.Store;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;

namespace AuthSidecar.ControlPlane.Accounts;

/// <summary>What became of an attempt to sign in. That it failed is all that whoever tried is told.</summary>
internal enum SignInOutcome
{
    /// <summary>The name is nobody's, the password is another, or the account is disabled.</summary>
    Refused,

    Accepted,

    /// <summary>The password was right, and there is a second factor.</summary>
    CodeRequired,

    /// <summary>There were too many attempts: this one was not looked at. With a password it is told as <see cref="Refused"/> is: only names that somebody has are ever locked.</summary>
    Locked,

    /// <summary>There is too much to do at the moment.</summary>
    Busy,
}

/// <summary>Holds names, passwords and codes against accounts.</summary>
/// <remarks>
/// Attempts are counted before anything is compared, in a transaction of their own: those who come at once are all counted, and nothing that fails
/// afterwards takes it back. The delay doubles with each failure and ends at some minutes: nobody locks anybody out for good.
/// </remarks>
internal sealed class SignIn(Database database, PasswordHashing hashing, SecondFactors factors, ILookupNormalizer normalizer, TimeProvider time)
{
    /// <summary>So many mistakes are typing.</summary>
    private const int FreeAttempts = 5;

    private static readonly TimeSpan FirstDelay = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromMinutes(15);

    /// <summary>Tries a name and a password.</summary>
    public async Task<(SignInOutcome Outcome, Account? Account)> TryAsync(string name, string password, CancellationToken cancellation)
    {
        var normalized = normalizer.NormalizeName(name);
        await using var context = database.Open();
        var account = await context.Accounts.AsNoTracking().SingleOrDefaultAsync(a => a.NormalizedUserName == normalized, cancellation);
        if (account is not null && !await TryCountAsync(context, account, cancellation))
        {
            // Not what was given: it takes as long to be told so.
            return (await hashing.VerifyAsync(null, password, cancellation) == PasswordCheck.Busy ? SignInOutcome.Busy : SignInOutcome.Locked, null);
        }

        // Also for nobody: how long it takes does not tell who there is.
        var check = await hashing.VerifyAsync(account?.PasswordHash, password, cancellation);
        if (check == PasswordCheck.Busy)
        {
            // Nobody has looked: it was no mistake.
            await UncountAsync(context, account, cancellation);
            return (SignInOutcome.Busy, null);
        }

        if (account is null || account.IsDisabled || check == PasswordCheck.Wrong)
        {
            return (SignInOutcome.Refused, null);
        }

        if (check == PasswordCheck.RightButOutdated && await hashing.TryHashAsync(account, password, cancellation) is { } hash)
        {
            var verified = account.PasswordHash;
            if (await context.Accounts.Where(a => a.Id == account.Id && a.PasswordHash == verified).ExecuteUpdateAsync(u => u.SetProperty(a => a.PasswordHash, hash), cancellation) == 0)
            {
                // Somebody was faster, perhaps with the same password: from the beginning.
                await UncountAsync(context, account, cancellation);
                return await TryAsync(name, password, cancellation);
            }

            account.PasswordHash = hash;
        }

        if (await factors.HasAnyAsync(account.Id, cancellation))
        {
            // This was no mistake; those before it still are, also those with codes.
            await UncountAsync(context, account, cancellation);
            return (SignInOutcome.CodeRequired, account);
        }

        await ForgetFailuresAsync(context, account, cancellation);
        return (SignInOutcome.Accepted, account);
    }

    /// <summary>Looks at an account that somebody else has authenticated: whether it may be signed in to, and whether there is a second factor here.</summary>
    public async Task<SignInOutcome> AcceptAsync(Account account, CancellationToken cancellation) =>
        account.IsDisabled ? SignInOutcome.Refused
        : await factors.HasAnyAsync(account.Id, cancellation) ? SignInOutcome.CodeRequired
        : SignInOutcome.Accepted;

    /// <summary>What whoever has authenticated once is remembered by until their code comes: another password, or a link taken away since, and it was for nothing.</summary>
    public static string DigestOf(Account account) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{account.SecurityStamp} {account.PasswordHash}")));

    /// <summary>Tries a code of a second factor, for an account whose password was right a moment ago.</summary>
    /// <param name="accountId">The account.</param>
    /// <param name="digest">What <see cref="DigestOf"/> said of it then.</param>
    /// <param name="code">The code.</param>
    /// <param name="cancellation">Ends it.</param>
    public async Task<(SignInOutcome Outcome, Account? Account)> TryCodeAsync(string accountId, string digest, string code, CancellationToken cancellation)
    {
        await using var context = database.Open();
        if (await context.Accounts.AsNoTracking().SingleOrDefaultAsync(a => a.Id == accountId, cancellation) is not { IsDisabled: false } account || DigestOf(account) != digest)
        {
            return (SignInOutcome.Refused, null);
        }

        if (!await TryCountAsync(context, account, cancellation))
        {
            return (SignInOutcome.Locked, null);
        }

        if (!await factors.TryUseAsync(accountId, code, cancellation))
        {
            return (SignInOutcome.Refused, null);
        }

        await ForgetFailuresAsync(context, account, cancellation);
        return (SignInOutcome.Accepted, account);
    }

    /// <summary>Counts an attempt as failed until it has succeeded; false: it is not to be looked at.</summary>
    private async Task<bool> TryCountAsync(StoreContext context, Account account, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        if (account.LockoutEnd > now)
        {
            return false;
        }

        var (seen, failures) = (account.AccessFailedCount, account.AccessFailedCount + 1);
        DateTimeOffset? lockedUntil = failures <= FreeAttempts ? null : now + DelayAfter(failures);
        // Only if nobody else has counted meanwhile: attempts at once are no more than attempts one by one.
        return await context.Accounts
            .Where(a => a.Id == account.Id && a.AccessFailedCount == seen)
            .ExecuteUpdateAsync(u => u.SetProperty(a => a.AccessFailedCount, failures).SetProperty(a => a.LockoutEnd, lockedUntil), cancellation) == 1;
    }

    /// <summary>Takes back what <see cref="TryCountAsync"/> has counted, and nothing that others have counted since.</summary>
    private static Task UncountAsync(StoreContext context, Account? account, CancellationToken cancellation)
    {
        if (account is null)
        {
            return Task.CompletedTask;
        }

        var (before, lockedUntil) = (account.AccessFailedCount, account.LockoutEnd);
        return context.Accounts
            .Where(a => a.Id == account.Id && a.AccessFailedCount == before + 1)
            .ExecuteUpdateAsync(u => u.SetProperty(a => a.AccessFailedCount, before).SetProperty(a => a.LockoutEnd, lockedUntil), cancellation);
    }

    private static Task<int> ForgetFailuresAsync(StoreContext context, Account account, CancellationToken cancellation) =>
        context.Accounts.Where(a => a.Id == account.Id).ExecuteUpdateAsync(u => u.SetProperty(a => a.AccessFailedCount, 0).SetProperty(a => a.LockoutEnd, (DateTimeOffset?)null), cancellation);

    private static TimeSpan DelayAfter(int failures)
    {
        var doublings = Math.Min(failures - FreeAttempts - 1, 20);
        var delay = FirstDelay * (1 << doublings);
        return delay < LongestDelay ? delay : LongestDelay;
    }
}
