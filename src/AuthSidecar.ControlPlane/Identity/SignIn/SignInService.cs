using AuthSidecar.ControlPlane.Identity.Passwords;
using AuthSidecar.ControlPlane.Telemetry;

namespace AuthSidecar.ControlPlane.Identity.SignIn;

/// <summary>What became of an attempt to sign in. That it failed is all that whoever tried is told.</summary>
internal enum SignInOutcome
{
    /// <summary>The name is nobody's, the password is another, or the account is disabled.</summary>
    Refused,

    Accepted,

    /// <summary>The password was right, and there is a second factor.</summary>
    CodeRequired,

    /// <summary>The password was right, and is too short for an account that has no second factor any more.</summary>
    PasswordChangeRequired,

    /// <summary>There were too many attempts: this one was not looked at. With a password it is told as <see cref="Refused"/> is: only
    /// names that somebody has are ever locked.</summary>
    Locked,

    /// <summary>There is too much to do at the moment.</summary>
    Busy,
}

/// <summary>Holds names, passwords and codes against accounts.</summary>
internal sealed class SignInService(Database database, PasswordHashing hashing, SecondFactors factors, SignInAttempts attempts,
    FailedSignIns failed, AuthenticationLog log, ControlStore store, ILookupNormalizer normalizer)
{
    /// <summary>Tries a name and a password.</summary>
    public async Task<(SignInOutcome Outcome, Account? Account)> TryAsync(
        string name, string password, AttemptSource source, CancellationToken cancellation)
    {
        var normalized = normalizer.NormalizeName(name);
        await using var context = database.Open();
        var account = await context.Accounts.AsNoTracking().SingleOrDefaultAsync(a => a.NormalizedUserName == normalized, cancellation);
        var attempt = account is null ? default
            : await attempts.CountAsync(context, account.Id, Authenticator.Password, source, cancellation);
        if (account is null || attempt.Admission != Admission.Admitted)
            await attempts.CountNobodyAsync(context, normalized, source, cancellation);

        // Also for nobody, and where it is not what was given: how long it takes does not tell who there is.
        PasswordCheck check;
        try
        {
            check = await hashing.VerifyAsync(attempt.Admission == Admission.Admitted ? account?.PasswordHash : null, password,
                cancellation);
        }
        catch (OperationCanceledException) when (account is not null)
        {
            // It counts: whoever hangs up before the answer has guessed as well.
            await FailAsync(account, attempt, SignInFailure.ClientDisconnected, source);
            throw;
        }

        if (check == PasswordCheck.Busy)
        {
            // Nobody has looked: it was no mistake.
            await SignInAttempts.UncountAsync(context, attempt, cancellation);
            return (SignInOutcome.Busy, null);
        }

        if (account is null)
        {
            log.SignInFailed(null, SignInFailure.UnknownName, source.Address);
            return (SignInOutcome.Refused, null);
        }

        if (attempt.Admission != Admission.Admitted)
        {
            Tell(account.Id, FailureOf(attempt), source);
            return (SignInOutcome.Locked, null);
        }

        if (account.IsDisabled || check == PasswordCheck.Wrong)
        {
            await FailAsync(account, attempt, account.IsDisabled ? SignInFailure.AccountDisabled : SignInFailure.WrongPassword, source);
            return (SignInOutcome.Refused, null);
        }

        if (check == PasswordCheck.RightButOutdated && await hashing.TryHashAsync(account, password, cancellation) is { } hash)
        {
            var verified = account.PasswordHash;
            if (await context.Accounts.Where(a => a.Id == account.Id && a.PasswordHash == verified).ExecuteUpdateAsync(
                u => u.SetProperty(a => a.PasswordHash, hash), cancellation) == 0)
            {
                // Somebody was faster, perhaps with the same password: from the beginning.
                await SignInAttempts.UncountAsync(context, attempt, cancellation);
                return await TryAsync(name, password, source, cancellation);
            }

            account.PasswordHash = hash;
        }

        if (await factors.HasAnyAsync(account.Id, cancellation))
        {
            // This was no mistake; those before it still are, also those with codes.
            await SignInAttempts.UncountAsync(context, attempt, cancellation);
            return (SignInOutcome.CodeRequired, account);
        }

        await SignInAttempts.ForgetAsync(context, account.Id, attempt, cancellation);
        return (account.IsPasswordShort ? SignInOutcome.PasswordChangeRequired : SignInOutcome.Accepted, account);
    }

    /// <summary>Looks at an account that somebody else has authenticated: whether it may be signed in to, and whether there is a second
    /// factor here.</summary>
    public async Task<SignInOutcome> AcceptAsync(Account account, CancellationToken cancellation) =>
        account.IsDisabled ? SignInOutcome.Refused
        : await factors.HasAnyAsync(account.Id, cancellation) ? SignInOutcome.CodeRequired
        : SignInOutcome.Accepted;

    /// <summary>What whoever has authenticated once is remembered by until their code comes: another password, or a link taken away since,
    /// and it was for nothing.</summary>
    public static string DigestOf(Account account) => TextHash.Of($"{account.SecurityStamp} {account.PasswordHash}");

    /// <summary>Tries a code of a second factor, for an account whose password was right a moment ago.</summary>
    /// <param name="digest">What <see cref="DigestOf"/> said of it then.</param>
    /// <param name="source">Where it comes from.</param>
    public async Task<(SignInOutcome Outcome, Account? Account)> TryCodeAsync(
        string accountId, string digest, string code, AttemptSource source, CancellationToken cancellation)
    {
        await using var context = database.Open();
        var account = await context.Accounts.AsNoTracking().SingleOrDefaultAsync(a => a.Id == accountId, cancellation);
        if (account is not { IsDisabled: false } || DigestOf(account) != digest)
        {
            Tell(accountId, SignInFailure.CredentialsChanged, source);
            return (SignInOutcome.Refused, null);
        }

        var attempt = await attempts.CountAsync(context, accountId, Authenticator.Code, source, cancellation);
        if (attempt.Admission != Admission.Admitted)
        {
            Tell(accountId, FailureOf(attempt), source);
            return (SignInOutcome.Locked, null);
        }

        if (!await factors.TryUseAsync(accountId, code, cancellation))
        {
            await FailAsync(account, attempt, SignInFailure.WrongCode, source);
            return (SignInOutcome.Refused, null);
        }

        await SignInAttempts.ForgetAsync(context, accountId, attempt, cancellation);
        return (SignInOutcome.Accepted, account);
    }

    private static SignInFailure FailureOf(Attempt attempt) =>
        attempt.Admission == Admission.Disabled ? SignInFailure.LockedOut : SignInFailure.TooManyAttempts;

    private void Tell(string accountId, SignInFailure failure, AttemptSource source)
    {
        log.SignInFailed(accountId, failure, source.Address);
        failed.Add(accountId, failure, source.Network);
    }

    /// <summary>Tells of a failure: whether somebody waits for the answer or not.</summary>
    private async Task FailAsync(Account account, Attempt attempt, SignInFailure failure, AttemptSource source)
    {
        Tell(account.Id, failure, source);
        if (attempt.BeginsDelay || attempt.Disables)
        {
            // Told where an operator looks: once, and not for every attempt.
            await store.NoteAsync(
                "system",
                transaction =>
                {
                    var state = attempt.Disables
                        ? $"{SignInAttempts.MostInARow} consecutive failed attempts: locked out for unknown browsers "
                            + "until `accounts unlock`, a reset link or a new password"
                        : $"more than {SignInAttempts.Free} failed attempts: sign-in from unknown browsers is throttled";
                    transaction.Audit(
                        attempt.Disables ? "accounts.lock-out" : "accounts.throttle", account.Id, Placement.ControlPlane,
                        before: null, state);
                    return Task.FromResult<Refusal?>(null);
                },
                CancellationToken.None);
        }
    }
}
