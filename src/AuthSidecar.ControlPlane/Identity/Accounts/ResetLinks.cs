using AuthSidecar.ControlPlane.Identity.Sessions;

namespace AuthSidecar.ControlPlane.Identity.Accounts;

/// <summary>Links by which an account's owner sets a new password, once: made by an administrator who has made sure who they are. Second
/// factors are asked for as ever.</summary>
internal sealed class ResetLinks(ControlStore store, AccountDirectory accounts, TimeProvider time)
{
    public const string Path = AddressRateLimiter.ResetPath;

    public static readonly TimeSpan ShortestLifetime = TimeSpan.FromMinutes(1);
    public static readonly TimeSpan DefaultLifetime = TimeSpan.FromHours(1);
    public static readonly TimeSpan LongestLifetime = TimeSpan.FromDays(7);

    private const int CodeBytes = 32;

    /// <summary>Makes one, in place of those before.</summary>
    /// <returns>Its code, which is told once; null: it was refused.</returns>
    public async Task<(WriteResult Result, string Code, DateTimeOffset ExpiresAt)> CreateAsync(
        string actor, string accountId, TimeSpan lifetime, CancellationToken cancellation)
    {
        var (code, expires) = (Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(CodeBytes)), time.GetUtcNow() + lifetime);
        var result = await store.NoteAsync(
            actor,
            async transaction =>
            {
                if (!await transaction.Context.Accounts.AnyAsync(a => a.Id == accountId, cancellation))
                    return new Refusal.NotFound($"account `{accountId}`");

                await transaction.Context.ResetLinks.Where(l => l.AccountId == accountId).ExecuteDeleteAsync(cancellation);
                transaction.Context.ResetLinks.Add(new ResetLinkRow
                {
                    CodeSha256 = TextHash.Of(code),
                    AccountId = accountId,
                    ExpiresAtMs = expires.ToUnixTimeMilliseconds(),
                });
                transaction.Audit("accounts.create-reset-link", accountId, Placement.ControlPlane, before: null, $"until {expires:u}");
                return null;
            },
            cancellation);
        return (result, code, expires);
    }

    /// <summary>Whose link it is; null: it is none, has expired or was used.</summary>
    public async Task<Account?> FindAsync(string code, CancellationToken cancellation)
    {
        var (hash, now) = (TextHash.Of(code), time.GetUtcNow().ToUnixTimeMilliseconds());
        return await store.ReadAsync(
            (context, _) => context.ResetLinks.Where(l => l.CodeSha256 == hash && l.ExpiresAtMs > now).Join(
                context.Accounts, l => l.AccountId, a => a.Id, (_, a) => a).SingleOrDefaultAsync(cancellation),
            cancellation);
    }

    /// <summary>Sets the password of the account that the link is for; all sessions and tokens end, and failed attempts are
    /// forgotten.</summary>
    public async Task<WriteResult> UseAsync(string code, string password, CancellationToken cancellation)
    {
        if (await FindAsync(code, cancellation) is not { } account)
            return new WriteResult(default, new Refusal.NotFound("reset link"));

        var hash = TextHash.Of(code);
        return await accounts.SetPasswordAsync(
            SessionStore.ActorOf(account.Id),
            account.Id,
            password,
            exceptSession: null,
            cancellation,
            // Of two at once, one uses it.
            async transaction =>
                await transaction.Context.ResetLinks.Where(l => l.CodeSha256 == hash).ExecuteDeleteAsync(cancellation) == 1
                    ? null
                    : new Refusal.NotFound("reset link"));
    }
}
