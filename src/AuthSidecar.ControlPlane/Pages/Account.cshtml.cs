using System.Globalization;
using AuthSidecar.ControlPlane.Accounts;
using AuthSidecar.ControlPlane.Store;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace AuthSidecar.ControlPlane.Pages;

/// <summary>One's own account: sessions and password.</summary>
internal sealed class AccountModel(BrowserSessions browser, Sessions sessions, AccountDirectory accounts, SignIn signIn) : PageModel
{
    public string DisplayName { get; private set; } = "";

    public IReadOnlyList<Item> Sessions { get; private set; } = [];

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

    public async Task<IActionResult> OnPostEndAllAsync()
    {
        if (await browser.FindAsync(HttpContext) is { } session)
        {
            await accounts.EndSessionsAsync(Accounts.Sessions.ActorOf(session.AccountId), session.AccountId, HttpContext.RequestAborted);
        }

        return LocalRedirect(PagesSetup.SignedOutPath);
    }

    public Task<IActionResult> OnPostPasswordAsync(string current, string next) => ForAccountAsync(async (account, session) =>
    {
        var (outcome, _) = await signIn.TryAsync(account.UserName!, current ?? "", HttpContext.RequestAborted);
        if (outcome is not (SignInOutcome.Accepted or SignInOutcome.CodeRequired))
        {
            Fault = outcome == SignInOutcome.Refused ? "That is not your password." : "That cannot be done at the moment. Try again later.";
            return;
        }

        var result = await accounts.SetPasswordAsync(Accounts.Sessions.ActorOf(account.Id), account.Id, next ?? "", session.Id, HttpContext.RequestAborted);
        (Notice, Fault) = result.Refusal switch
        {
            null => ("The password is changed, and you are signed out everywhere else.", null),
            Refusal.Invalid invalid => ((string?)null, $"A password is not good unless {invalid.Faults[0].Message}."),
            _ => (null, "That cannot be done at the moment. Try again later."),
        };
    });

    private async Task<IActionResult> ForAccountAsync(Func<Account, SessionRow, Task> act)
    {
        if (await browser.FindAsync(HttpContext) is not { } session || await accounts.FindAsync(session.AccountId, HttpContext.RequestAborted) is not { } account)
        {
            return LocalRedirect($"{PagesSetup.LoginPath}?return=%2Faccount");
        }

        await act(account, session);
        DisplayName = account.DisplayName.Length > 0 ? account.DisplayName : account.UserName!;
        Sessions = [.. (await sessions.ListAsync(account.Id, HttpContext.RequestAborted)).Select(s => Item.Of(s, session.Id))];
        return Page();
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

        private static string TimeOf(long ms) => DateTimeOffset.FromUnixTimeMilliseconds(ms).ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);
    }
}
