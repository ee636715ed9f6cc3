using AuthSidecar.ControlPlane.Identity.Accounts;
using AuthSidecar.ControlPlane.Identity.Grants;
using AuthSidecar.ControlPlane.Identity.Providers;
using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.Identity.SignIn;
using AuthSidecar.ControlPlane.Telemetry;
using IdentityProvider = AuthSidecar.ControlPlane.V1.IdentityProvider;

namespace AuthSidecar.ControlPlane.Identity.Pages;

/// <summary>One's own account: sessions, applications, ways to sign in.</summary>
internal sealed class AccountModel(
    BrowserSessions browser, SessionStore sessions, GrantStore grants, AccountDirectory accounts, SignInService signIn,
    ConfiguredProviders providers, ProviderLogins logins, LinkRequests links, FailedSignIns failed)
    : PageModel
{
    private const int MostFailures = 10;

    public string DisplayName { get; private set; } = "";
    public IReadOnlyList<Item> Sessions { get; private set; } = [];

    /// <summary>What acts for them.</summary>
    public IReadOnlyList<Device> Devices { get; private set; } = [];

    /// <summary>Where else they sign in.</summary>
    public IReadOnlyList<Login> Logins { get; private set; } = [];

    /// <summary>Where they could.</summary>
    public IReadOnlyList<IdentityProvider> Linkable { get; private set; } = [];

    /// <summary>What makes a link of theirs to such a place one that counts.</summary>
    public string LinkRequest { get; private set; } = "";

    /// <summary>Attempts to sign in that failed, the newest first.</summary>
    public IReadOnlyList<Failure> Failures { get; private set; } = [];

    public bool HasPassword { get; private set; }
    public string? Fault { get; private set; }
    public string? Notice { get; private set; }
    public Task<IActionResult> OnGetAsync() => ForAccountAsync((_, _) => Task.CompletedTask);

    public async Task<IActionResult> OnPostSignOutAsync()
    {
        await browser.EndAsync(HttpContext);
        return LocalRedirect(PagesSetup.SignedOutPath);
    }

    public Task<IActionResult> OnPostEndSessionAsync(string id) => ForAccountAsync(async (account, session) =>
    {
        await sessions.EndAsync(SessionStore.ActorOf(account.Id), account.Id, id ?? "", "ended elsewhere", HttpContext.RequestAborted);
        Notice = "You are signed out there.";
    });

    public Task<IActionResult> OnPostEndGrantAsync(string id) => ForAccountAsync(async (account, session) =>
    {
        if (await grants.FindAsync(id ?? "", HttpContext.RequestAborted) is { } grant && grant.AccountId == account.Id)
            await grants.EndAsync(SessionStore.ActorOf(account.Id), grant.Id, "removed by its account", HttpContext.RequestAborted);

        Notice = "Its access is removed.";
    });

    public async Task<IActionResult> OnPostEndAllAsync()
    {
        if (await browser.FindAsync(HttpContext) is { } session)
            await accounts.EndSessionsAsync(SessionStore.ActorOf(session.AccountId), session.AccountId, HttpContext.RequestAborted);

        return LocalRedirect(PagesSetup.SignedOutPath);
    }

    public async Task<IActionResult> OnPostPasswordAsync(string current, string next)
    {
        if (await IsOldAsync())
            return LocalRedirect(LinkRequests.SignInAgainPath);

        return await ForAccountAsync(async (account, session) =>
        {
            var (outcome, _) = await signIn.TryAsync(
                account.UserName!, current ?? "", BrowserSessions.SourceOf(HttpContext, session.Id), HttpContext.RequestAborted);
            if (outcome is not (SignInOutcome.Accepted or SignInOutcome.CodeRequired or SignInOutcome.PasswordChangeRequired))
            {
                Fault = outcome == SignInOutcome.Refused
                    ? "Incorrect password."
                    : "The password cannot be changed at the moment. Try again later.";
                return;
            }

            var result = await accounts.SetPasswordAsync(
                SessionStore.ActorOf(account.Id), account.Id, next ?? "", session.Id, HttpContext.RequestAborted);
            if (result.IsCommitted && await accounts.FindAsync(account.Id, HttpContext.RequestAborted) is { } changed)
            {
                // What the browser had may be in somebody else's hands, too.
                await browser.TryBeginAsync(
                    HttpContext, changed, session.Methods, DateTimeOffset.FromUnixTimeMilliseconds(session.AuthenticatedAtMs));
                await browser.RememberAsync(HttpContext, changed.Id);
            }

            (Notice, Fault) = result.Refusal switch
            {
                null => ("The password is changed, and you are signed out everywhere else.", null),
                Refusal.Invalid invalid => ((string?)null, $"This password cannot be used: it {invalid.Faults[0].Message}."),
                _ => (null, "The password cannot be changed at the moment. Try again later."),
            };
        });
    }

    public async Task<IActionResult> OnPostUnlinkAsync(string issuer, string subject)
    {
        if (await IsOldAsync())
            return LocalRedirect(LinkRequests.SignInAgainPath);

        return await ForAccountAsync(async (_, session) =>
        {
            var result = await logins.UnlinkAsync(session, issuer ?? "", subject ?? "", HttpContext.RequestAborted);
            (Notice, Fault) = result.Refusal switch
            {
                null or Refusal.NotFound => ("The sign-in method is removed, and you are signed out everywhere else.", null),
                _ => ((string?)null, "You cannot remove your only sign-in method."),
            };
        });
    }

    /// <summary>Whether their authentication is too long ago to change how they sign in.</summary>
    private async Task<bool> IsOldAsync() => await browser.FindAsync(HttpContext) is { } session && !sessions.IsFresh(session);

    private async Task<IActionResult> ForAccountAsync(Func<Account, SessionRow, Task> act)
    {
        if (await browser.FindAsync(HttpContext) is not { } session
            || await accounts.FindAsync(session.AccountId, HttpContext.RequestAborted) is not { } account)
        {
            return LocalRedirect($"{PagesSetup.LoginPath}?return=%2Faccount");
        }

        await act(account, session);
        DisplayName = account.DisplayName.Length > 0 ? account.DisplayName : account.UserName!;
        Devices = [.. (await grants.ListAsync(account.Id, HttpContext.RequestAborted)).Select(
            g => new Device(g.Grant.Id, g.ClientName, TimeOf(g.Grant.RotatedAtMs), g.Grant.SessionId == session.Id))];
        HasPassword = account.PasswordHash is not null;
        var linked = (await logins.ListAsync([account.Id], HttpContext.RequestAborted))[account.Id].ToList();
        Logins = [.. linked.Select(
            l => new Login(providers.All.FirstOrDefault(u => ProviderKinds.IssuerOf(u) == l.LoginProvider)?.DisplayName ?? l.LoginProvider,
                l.LoginProvider, l.ProviderKey))];
        Linkable = [.. providers.All.Where(u => Logins.All(l => l.Name != u.DisplayName))];
        LinkRequest = Linkable.Count > 0 ? links.Of(session) : "";
        Failures = [.. (await failed.ListAsync(account.Id, MostFailures, HttpContext.RequestAborted)).Select(Failure.Of)];
        Sessions = [.. (await sessions.ListAsync(account.Id, HttpContext.RequestAborted)).Select(s => Item.Of(s, session.Id))];
        return Page();
    }

    private static string TimeOf(long ms) =>
        DateTimeOffset.FromUnixTimeMilliseconds(ms).ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);

    /// <param name="Name">What the client is called.</param>
    /// <param name="Used">When it was last given tokens.</param>
    /// <param name="IsFromHere">Whether it was allowed to in this very browser.</param>
    internal sealed record Device(string Id, string Name, string Used, bool IsFromHere);

    /// <param name="Name">What the provider is called.</param>
    /// <param name="Issuer">Its own name.</param>
    /// <param name="Subject">What it calls them.</param>
    internal sealed record Login(string Name, string Issuer, string Subject);

    internal sealed record Failure(string At, string Address, string What, int Count)
    {
        public static Failure Of(FailedSignInRow row) => new(
            TimeOf(row.MinuteMs),
            row.Address.Length > 0 ? row.Address : "several addresses",
            row.Reason switch
            {
                nameof(SignInFailure.WrongPassword) => "wrong password",
                nameof(SignInFailure.WrongCode) => "wrong code",
                nameof(SignInFailure.TooManyAttempts) => "too many attempts",
                nameof(SignInFailure.LockedOut) => "locked out: unknown browser",
                _ => "refused",
            },
            row.Count);
    }

    internal sealed record Item(string Id, string Device, string Address, string Since, string Seen, bool IsThis)
    {
        public static Item Of(SessionRow row, string current) => new(
            row.Id, DeviceOf(row.UserAgent), row.Address, TimeOf(row.AuthenticatedAtMs), TimeOf(row.SeenAtMs), row.Id == current);

        /// <summary>Enough to tell one's own devices apart; it is only what they say of themselves.</summary>
        private static string DeviceOf(string userAgent)
        {
            (string, string)[] browsers = [("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari")];
            (string, string)[] systems =
            [
                ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"),
                ("Windows", "Windows"), ("Mac OS", "macOS"), ("Linux", "Linux"),
            ];
            var browser = browsers.FirstOrDefault(b => userAgent.Contains(b.Item1, StringComparison.Ordinal)).Item2;
            var system = systems.FirstOrDefault(s => userAgent.Contains(s.Item1, StringComparison.Ordinal)).Item2;
            return (browser, system) switch
            {
                (null, null) => userAgent.Length > 0 ? userAgent : "unknown",
                (null, _) => system,
                (_, null) => browser,
                _ => $"{browser} on {system}",
            };
        }
    }
}
