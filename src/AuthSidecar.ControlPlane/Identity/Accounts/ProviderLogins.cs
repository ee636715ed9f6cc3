using AuthSidecar.ControlPlane.Identity.Providers;
using AuthSidecar.ControlPlane.Identity.Sessions;

namespace AuthSidecar.ControlPlane.Identity.Accounts;

/// <summary>Accounts and the providers elsewhere that they sign in with. Who somebody is there is a pair of the provider's name and its
/// name for them; an address links nobody with anybody.</summary>
internal sealed class ProviderLogins(ControlStore store, AccountManagers managers, TimeProvider time)
{
    /// <summary>The account that signs in so; null: there is none.</summary>
    public Task<Account?> FindAsync(ProviderIdentity identity, CancellationToken cancellation) => store.ReadAsync(
        (context, _) => context.ProviderLogins
            .Where(l => l.LoginProvider == identity.Issuer && l.ProviderKey == identity.Subject)
            .Join(context.Accounts, l => l.UserId, a => a.Id, (_, a) => a)
            .SingleOrDefaultAsync(cancellation),
        cancellation);

    /// <summary>What accounts are linked with.</summary>
    public async Task<ILookup<string, IdentityUserLogin<string>>> ListAsync(
        IReadOnlyCollection<string> accountIds, CancellationToken cancellation) =>
        (await store.ReadAsync((context, _) => context.ProviderLogins.Where(l => accountIds.Contains(l.UserId)).OrderBy(
            l => l.LoginProvider).ThenBy(l => l.ProviderKey).ToListAsync(cancellation), cancellation))
        .ToLookup(l => l.UserId, StringComparer.Ordinal);

    /// <summary>Makes an account for somebody who has none. They have no password, and what else the provider says of them is not verified
    /// here.</summary>
    public async Task<Account?> TryCreateAsync(ProviderIdentity identity, CancellationToken cancellation)
    {
        var id = Guid.CreateVersion7(time.GetUtcNow()).ToString("N");
        var account = new Account
        {
            Id = id,
            UserName = id,
            DisplayName = identity.Name,
            Email = identity.Email.Length > 0 ? identity.Email : null,
            IsDisabled = false,
            Revision = 0,
        };
        var result = await store.WriteAsync(
            SessionStore.ActorOf(id),
            async transaction =>
            {
                if (await IsTakenAsync(transaction, identity, cancellation))
                    return new Refusal.AlreadyThere("account with this sign-in method");

                account.Revision = transaction.Revision;
                using var users = managers.Of(transaction.Context);
                if (await users.CreateAsync(account) is { Succeeded: false } failed)
                    throw new InvalidOperationException($"failed to create the account: {failed}");

                Link(transaction, account.Id, identity);
                transaction.Audit(
                    "accounts.write", account.Id, Placement.ControlPlane, before: null, $"{identity.Name} of {identity.Issuer}");
                return null;
            },
            cancellation);
        return result.IsCommitted ? account : null;
    }

    /// <summary>Links an account with what somebody is called elsewhere, who has just authenticated in both places.</summary>
    /// <param name="session">Theirs here.</param>
    /// <param name="identity">Who they are there.</param>
    public Task<WriteResult> LinkAsync(SessionRow session, ProviderIdentity identity, CancellationToken cancellation) => store.WriteAsync(
        SessionStore.ActorOf(session.AccountId),
        async transaction =>
        {
            if (!await SessionStore.Live(transaction.Context, transaction.NowMs).AnyAsync(s => s.Id == session.Id, cancellation))
                return new Refusal.NotFound("session");

            if (await IsTakenAsync(transaction, identity, cancellation))
                return new Refusal.AlreadyThere("account with this sign-in method");

            Link(transaction, session.AccountId, identity);
            return null;
        },
        cancellation);

    /// <summary>Takes a link away, and ends what may have been begun with it: every other session, and every token.</summary>
    /// <returns>Not committed when it is the only way in that the account has.</returns>
    public Task<WriteResult> UnlinkAsync(SessionRow session, string issuer, string subject, CancellationToken cancellation) =>
        store.WriteAsync(
            SessionStore.ActorOf(session.AccountId),
            async transaction =>
            {
                var logins = await transaction.Context.ProviderLogins.Where(l => l.UserId == session.AccountId).ToListAsync(cancellation);
                if (logins.Find(l => l.LoginProvider == issuer && l.ProviderKey == subject) is not { } login)
                    return new Refusal.NotFound("link");

                if (logins.Count == 1
                    && !await transaction.Context.Accounts.AnyAsync(
                        a => a.Id == session.AccountId && a.PasswordHash != null, cancellation))
                {
                    return new Refusal.NotPermitted("logins.unlink", null);
                }

                transaction.Context.ProviderLogins.Remove(login);
                // Whoever is signing in by it at this moment is not let in any more.
                var stamp = Guid.NewGuid().ToString("N");
                await transaction.Context.Accounts.Where(a => a.Id == session.AccountId)
                    .ExecuteUpdateAsync(u => u.SetProperty(a => a.SecurityStamp, stamp), cancellation);
                await SessionStore.EndAllAsync(transaction, session.AccountId, "unlinked", session.Id, cancellation);
                transaction.Audit("logins.unlink", session.AccountId, Placement.ControlPlane, Describe(issuer, subject), after: null);
                return null;
            },
            cancellation);

    private static Task<bool> IsTakenAsync(StoreTransaction transaction, ProviderIdentity identity, CancellationToken cancellation) =>
        transaction.Context.ProviderLogins.AnyAsync(l => l.LoginProvider == identity.Issuer && l.ProviderKey == identity.Subject,
            cancellation);

    private static void Link(StoreTransaction transaction, string accountId, ProviderIdentity identity)
    {
        transaction.Context.ProviderLogins.Add(
            new IdentityUserLogin<string> { LoginProvider = identity.Issuer, ProviderKey = identity.Subject, UserId = accountId });
        transaction.Audit("logins.link", accountId, Placement.ControlPlane, before: null, Describe(identity.Issuer, identity.Subject));
    }

    private static string Describe(string issuer, string subject) => $"{subject} of {issuer}";
}
