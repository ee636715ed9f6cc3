using AuthSidecar.ControlPlane.Identity.Passwords;
using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.Identity.SignIn;

namespace AuthSidecar.ControlPlane.Identity.Accounts;

/// <summary>Adds accounts, changes them and takes them away.</summary>
internal sealed class AccountDirectory(
    ControlStore store, AccountManagers managers, PasswordHashing hashing, PasswordRules rules, SecondFactors factors)
{
    private const string Password = "password";

    /// <summary>Adds an account, or changes it. Who is disabled has no session and no token from then on.</summary>
    /// <param name="actor">Who writes.</param>
    /// <param name="accountId">Which account.</param>
    /// <param name="change">What is to become of what there is, which may be null. Asked more than once.</param>
    /// <param name="password">The new password; null: the stored password is kept.</param>
    /// <param name="expectedRevision">The account's, 0 where there is none; null: whatever it is.</param>
    public async Task<WriteResult> WriteAsync(string actor, string accountId, Func<AccountProfile?, AccountProfile> change,
        string? password, Revision? expectedRevision, CancellationToken cancellation)
    {
        var (hash, refusal) = await HashAsync(change((await FindAsync(accountId, cancellation))?.Profile), password, cancellation);
        return refusal is not null ? new WriteResult(default, refusal) : await store.WriteAsync(
            actor,
            async transaction =>
            {
                using var users = managers.Of(transaction.Context);
                var account = await users.FindByIdAsync(accountId);
                if (transaction.Expect(expectedRevision, account?.Revision ?? 0) is { } stale)
                    return stale;

                var before = account is null ? null : Describe(account);
                var isNew = account is null;
                var profile = change(account?.Profile);
                if (hash is null && account?.Profile == profile)
                    return new Refusal.NothingToDo(account.Revision);

                account ??= new Account { Id = accountId, DisplayName = "", IsDisabled = false, Revision = 0 };
                var ends = profile.IsDisabled && !account.IsDisabled ? "disabled" : !isNew && hash is not null ? Password : null;
                (account.UserName, account.Email, account.DisplayName, account.IsDisabled, account.Revision) =
                    (profile.UserName, profile.Email.Length == 0 ? null : profile.Email, profile.DisplayName, profile.IsDisabled,
                        transaction.Revision);
                if (hash is not null)
                {
                    (account.PasswordHash, account.IsPasswordShort) = (hash, rules.IsShort(password!));
                    await ForgetAsync(transaction, accountId, cancellation);
                }

                var result = isNew ? await users.CreateAsync(account) : await users.UpdateAsync(account);
                if (!result.Succeeded)
                    return Invalid(result);

                if (ends is not null)
                    await SessionStore.EndAllAsync(transaction, account.Id, ends, except: null, cancellation);

                transaction.Audit(hash is null ? "accounts.write" : "accounts.write-with-password", account.Id, Placement.ControlPlane,
                    before, Describe(account));
                return null;
            },
            cancellation);
    }

    /// <summary>Sets a password: every other session ends, and every token.</summary>
    /// <param name="actor">Who sets it.</param>
    /// <param name="accountId">Whose.</param>
    /// <param name="password">The new one.</param>
    /// <param name="exceptSession">The session of whoever sets it themselves; null: none.</param>
    /// <param name="allow">What else has to hold, or why it does not.</param>
    public async Task<WriteResult> SetPasswordAsync(
        string actor, string accountId, string password, string? exceptSession, CancellationToken cancellation,
        Func<StoreTransaction, Task<Refusal?>>? allow = null)
    {
        if (await FindAsync(accountId, cancellation) is not { } known)
            return new WriteResult(default, new Refusal.NotFound($"account `{accountId}`"));

        var (hash, refusal) = await HashAsync(known.Profile, password, cancellation);
        return refusal is not null ? new WriteResult(default, refusal) : await store.WriteAsync(
            actor,
            async transaction =>
            {
                if (allow is not null && await allow(transaction) is { } reason)
                    return reason;

                var isShort = rules.IsShort(password);
                var set = await transaction.Context.Accounts
                    .Where(a => a.Id == accountId)
                    .ExecuteUpdateAsync(u => u.SetProperty(a => a.PasswordHash, hash).SetProperty(a => a.IsPasswordShort, isShort)
                        .SetProperty(a => a.Revision, transaction.Revision), cancellation);
                if (set == 0)
                    return new Refusal.NotFound($"account `{accountId}`");

                await ForgetAsync(transaction, accountId, cancellation);
                await SessionStore.EndAllAsync(transaction, accountId, Password, exceptSession, cancellation);
                transaction.Audit("accounts.set-password", accountId, Placement.ControlPlane, before: null, after: null);
                return null;
            },
            cancellation);
    }

    /// <summary>Takes an account away, its sessions and tokens with it.</summary>
    public Task<WriteResult> RemoveAsync(string actor, string accountId, CancellationToken cancellation) => store.WriteAsync(
        actor,
        async transaction =>
        {
            if (await transaction.Context.Accounts.SingleOrDefaultAsync(a => a.Id == accountId, cancellation) is not { } account)
                return new Refusal.NotFound($"account `{accountId}`");

            await SessionStore.EndAllAsync(transaction, accountId, "removed", except: null, cancellation);
            await transaction.Context.ProviderLogins.Where(l => l.UserId == accountId).ExecuteDeleteAsync(cancellation);
            await ForgetAsync(transaction, accountId, cancellation);
            await transaction.Context.FailedSignIns.Where(f => f.AccountId == accountId).ExecuteDeleteAsync(cancellation);
            await SecondFactors.RemoveAllAsync(transaction, accountId, cancellation);
            // Another account by this id some day has consented to nothing.
            await transaction.Context.Consents.Where(c => c.Subject == accountId).ExecuteDeleteAsync(cancellation);
            transaction.Context.Accounts.Remove(account);
            transaction.Audit("accounts.remove", accountId, Placement.ControlPlane, Describe(account), after: null);
            return null;
        },
        cancellation);

    /// <summary>Ends every session of an account, and every token.</summary>
    public Task<WriteResult> EndSessionsAsync(string actor, string accountId, CancellationToken cancellation) => store.WriteAsync(
        actor,
        async transaction =>
        {
            if (!await transaction.Context.Accounts.AnyAsync(a => a.Id == accountId, cancellation))
                return new Refusal.NotFound($"account `{accountId}`");

            await SessionStore.EndAllAsync(transaction, accountId, "everywhere", except: null, cancellation);
            transaction.Audit("sessions.end-all", accountId, Placement.ControlPlane, before: null, after: null);
            return null;
        },
        cancellation);

    /// <summary>Forgets failed attempts: its owner, or an administrator, has made sure who is who.</summary>
    public Task<WriteResult> UnlockAsync(string actor, string accountId, CancellationToken cancellation) => store.NoteAsync(
        actor,
        async transaction =>
        {
            if (!await transaction.Context.Accounts.AnyAsync(a => a.Id == accountId, cancellation))
                return new Refusal.NotFound($"account `{accountId}`");

            await SignInAttempts.ResetAsync(transaction.Context, accountId, cancellation);
            transaction.Audit("accounts.unlock", accountId, Placement.ControlPlane, before: null, after: null);
            return null;
        },
        cancellation);

    public Task<Account?> FindAsync(string accountId, CancellationToken cancellation) =>
        store.ReadAsync((context, _) => context.Accounts.SingleOrDefaultAsync(a => a.Id == accountId, cancellation), cancellation);

    /// <summary>Accounts in the order of their ids.</summary>
    public Task<List<Account>> ListAsync(string after, int count, CancellationToken cancellation) => store.ReadAsync(
        (context, _) => context.Accounts.Where(
            a => string.Compare(a.Id, after) > 0).OrderBy(a => a.Id).Take(count).ToListAsync(cancellation), cancellation);

    // Where nothing waits for the store: it takes its time.
    private async Task<(string? Hash, Refusal? Refusal)> HashAsync(AccountProfile profile, string? password, CancellationToken cancellation)
    {
        if (password is null)
            return (null, null);

        if (rules.FaultOf(password, [profile.UserName, profile.DisplayName, profile.Email.Split('@')[0]],
            await factors.HasAnyAsync(profile.Id, cancellation)) is { } fault)
        {
            return (null, Invalid(Password, fault));
        }

        var account = new Account { Id = profile.Id, DisplayName = "", IsDisabled = false, Revision = 0 };
        return await hashing.TryHashAsync(account, password, cancellation) is { } hash ? (hash, null) : (null, new Refusal.Busy());
    }

    /// <summary>With a password go the attempts to guess it, the links to reset it, and the browsers that are known: one of them may be the
    /// reason.</summary>
    private static async Task ForgetAsync(StoreTransaction transaction, string accountId, CancellationToken cancellation)
    {
        await SignInAttempts.ResetAsync(transaction.Context, accountId, cancellation);
        await SignInAttempts.ForgetBrowsersAsync(transaction.Context, accountId, cancellation);
        await transaction.Context.ResetLinks.Where(l => l.AccountId == accountId).ExecuteDeleteAsync(cancellation);
    }

    private static Refusal Invalid(IdentityResult result) => Invalid("account", string.Join(" ", result.Errors.Select(e => e.Description)));
    private static Refusal Invalid(string field, string fault) => new Refusal.Invalid([new Fault(field, 0, 0, fault)]);

    private static string Describe(Account account) =>
        $"{account.UserName}{(account.Email is { } email ? $" <{email}>" : "")}"
            + $"{(account.DisplayName.Length > 0 ? $" ({account.DisplayName})" : "")}{(account.IsDisabled ? ", disabled" : "")}";
}
