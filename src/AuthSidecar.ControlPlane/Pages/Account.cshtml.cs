using System.Globalization;
using AuthSidecar.ControlPlane.Accounts;
using AuthSidecar.ControlPlane.Identity;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Upstreams;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Upstream = AuthSidecar.ControlPlane.V1.Upstream;

namespace AuthSidecar.ControlPlane.Pages;

/// <summary>One's own account: sessions, applications, ways to sign in.</summary>
internal sealed class AccountModel(
    BrowserSessions browser, Sessions sessions, Grants grants, AccountDirectory accounts, SignIn signIn, UpstreamProviders upstreams, UpstreamLogins logins, LinkRequests links, AuthenticationLog log)
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
    public IReadOnlyList<Upstream> Linkable { get; private set; } = [];

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
        await sessions.EndAsync(Accounts.Sessions.ActorOf(account.Id), account.Id, id ?? "", "ended elsewhere", HttpContext.RequestAborted);
        Notice = "You are signed out there.";
    });

    public Task<IActionResult> OnPostEndGrantAsync(string id) => ForAccountAsync(async (account, session) =>
    {
        if (await grants.FindAsync(id ?? "", HttpContext.RequestAborted) is { } grant && grant.AccountId == account.Id)
        {
            await grants.EndAsync(Accounts.Sessions.ActorOf(account.Id), grant.Id, "removed by its account", HttpContext.RequestAborted);
        }

        Notice = "It does not act for you any more.";
    });

    public async Task<IActionResult> OnPostEndAllAsync()
    {
        if (await browser.FindAsync(HttpContext) is { } session)
        {
            await accounts.EndSessionsAsync(Accounts.Sessions.ActorOf(session.AccountId), session.AccountId, HttpContext.RequestAborted);
        }

        return LocalRedirect(PagesSetup.SignedOutPath);
    }

    public async Task<IActionResult> OnPostPasswordAsync(string current, string next) => await IsOldAsync() ? LocalRedirect(LinkRequests.SignInAgainPath) : await ForAccountAsync(async (account, session) =>
    {
        var (outcome, _) = await signIn.TryAsync(account.UserName!, current ?? "", BrowserSessions.SourceOf(HttpContext, session.Id), HttpContext.RequestAborted);
        if (outcome is not (SignInOutcome.Accepted or SignInOutcome.CodeRequired or SignInOutcome.PasswordChangeRequired))
        {
            Fault = outcome == SignInOutcome.Refused ? "That is not your password." : "That cannot be done at the moment. Try again later.";
            return;
        }

        var result = await accounts.SetPasswordAsync(Accounts.Sessions.ActorOf(account.Id), account.Id, next ?? "", session.Id, HttpContext.RequestAborted);
        if (result.IsCommitted && await accounts.FindAsync(account.Id, HttpContext.RequestAborted) is { } changed)
        {
            // What the browser had may be in somebody else's hands, too.
            await browser.TryBeginAsync(HttpContext, changed, session.Methods, DateTimeOffset.FromUnixTimeMilliseconds(session.AuthenticatedAtMs));
            await browser.RememberAsync(HttpContext, changed.Id);
        }

        (Notice, Fault) = result.Refusal switch
        {
            null => ("The password is changed, and you are signed out everywhere else.", null),
            Refusal.Invalid invalid => ((string?)null, $"This password cannot be used: {invalid.Faults[0].Message}."),
            _ => (null, "That cannot be done at the moment. Try again later."),
        };
    });

    public async Task<IActionResult> OnPostUnlinkAsync(string issuer, string subject)
    {
        if (await IsOldAsync())
        {
            return LocalRedirect(LinkRequests.SignInAgainPath);
        }

        return await ForAccountAsync(async (_, session) => (Notice, Fault) = (await logins.UnlinkAsync(session, issuer ?? "", subject ?? "", HttpContext.RequestAborted)).Refusal switch
        {
            null or Refusal.NotFound => ("You do not sign in there any more, and are signed out everywhere else.", null),
            _ => ((string?)null, "It is the only way in that you have."),
        });
    }

    /// <summary>Whether their authentication is too long ago to change how they sign in.</summary>
    private async Task<bool> IsOldAsync() => await browser.FindAsync(HttpContext) is { } session && !sessions.IsFresh(session);

    private async Task<IActionResult> ForAccountAsync(Func<Account, SessionRow, Task> act)
    {
        if (await browser.FindAsync(HttpContext) is not { } session || await accounts.FindAsync(session.AccountId, HttpContext.RequestAborted) is not { } account)
        {
            return LocalRedirect($"{PagesSetup.LoginPath}?return=%2Faccount");
        }

        await act(account, session);
        DisplayName = account.DisplayName.Length > 0 ? account.DisplayName : account.UserName!;
        Devices = [.. (await grants.ListAsync(account.Id, HttpContext.RequestAborted)).Select(g => new Device(g.Grant.Id, g.ClientName, TimeOf(g.Grant.RotatedAtMs), g.Grant.SessionId == session.Id))];
        HasPassword = account.PasswordHash is not null;
        var linked = (await logins.ListAsync([account.Id], HttpContext.RequestAborted))[account.Id].ToList();
        Logins = [.. linked.Select(l => new Login(upstreams.All.FirstOrDefault(u => UpstreamKinds.IssuerOf(u) == l.LoginProvider)?.DisplayName ?? l.LoginProvider, l.LoginProvider, l.ProviderKey))];
        Linkable = [.. upstreams.All.Where(u => Logins.All(l => l.Name != u.DisplayName))];
        LinkRequest = Linkable.Count > 0 ? links.Of(session) : "";
        Failures = [.. (await log.ListAsync(account.Id, MostFailures, HttpContext.RequestAborted)).Select(Failure.Of)];
        Sessions = [.. (await sessions.ListAsync(account.Id, HttpContext.RequestAborted)).Select(s => Item.Of(s, session.Id))];
        return Page();
    }

    private static string TimeOf(long ms) => DateTimeOffset.FromUnixTimeMilliseconds(ms).ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);

    /// <param name="Id">The grant.</param>
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
        public static Item Of(SessionRow row, string current) => new(row.Id, DeviceOf(row.UserAgent), row.Address, TimeOf(row.AuthenticatedAtMs), TimeOf(row.SeenAtMs), row.Id == current);

        /// <summary>Enough to tell one's own devices apart; it is only what they say of themselves.</summary>
        private static string DeviceOf(string userAgent)
        {
            var browser = new[] { ("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari") }.FirstOrDefault(b => userAgent.Contains(b.Item1, StringComparison.Ordinal)).Item2;
            var system = new[] { ("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"), ("Linux", "Linux") }.FirstOrDefault(s => userAgent.Contains(s.Item1, StringComparison.Ordinal)).Item2;
            return (browser, system) switch { (null, null) => userAgent.Length > 0 ? userAgent : "something unnamed", (null, _) => system, (_, null) => browser, _ => $"{browser} on {system}" };
        }
    }
}
