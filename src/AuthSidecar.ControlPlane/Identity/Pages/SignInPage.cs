using AuthSidecar.ControlPlane.Identity.Accounts;
using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.Identity.SignIn;
using AuthSidecar.ControlPlane.Telemetry;
using Microsoft.AspNetCore.DataProtection;

namespace AuthSidecar.ControlPlane.Identity.Pages;

/// <summary>A page that leads on to where somebody was going, once they have signed in.</summary>
internal abstract class SignInPage(
    BrowserSessions browser, Consents consents, ResetLinks resets, AuthenticationLog log, IDataProtectionProvider protection) : PageModel
{
    /// <summary>For how long whoever has authenticated once waits for their code.</summary>
    private static readonly TimeSpan PendingFor = TimeSpan.FromMinutes(5);

    private readonly ITimeLimitedDataProtector _pending = protection.CreateProtector("sign-in.pending").ToTimeLimitedDataProtector();

    [BindProperty(SupportsGet = true, Name = "return")]
    public string Return { get; set => field = value ?? ""; } = "/account";

    /// <summary>Who has authenticated and whose code is yet to come, for nobody else to make; null: there is nobody.</summary>
    public string? Pending { get; protected set; }

    /// <summary>What went wrong.</summary>
    public string? Fault { get; protected set; }

    protected BrowserSessions Browser => browser;
    protected AuthenticationLog Authentications => log;

    /// <summary>Goes on, asks for a code, or says what went wrong.</summary>
    /// <param name="outcome">What became of the attempt.</param>
    /// <param name="account">Whose it is, where it did not fail.</param>
    /// <param name="methods">How they have authenticated (RFC 8176), with spaces between.</param>
    /// <param name="at">When; null: now.</param>
    /// <param name="refusal">What a refused attempt is told.</param>
    protected async Task<IActionResult> AnswerAsync(
        SignInOutcome outcome, Account? account, string methods, DateTimeOffset? at, string refusal)
    {
        switch (outcome)
        {
            case SignInOutcome.Accepted when await browser.TryBeginAsync(HttpContext, account!, methods, at):
                log.SignedIn(account!.Id, methods, ClientAddress.Of(HttpContext), await browser.RememberAsync(HttpContext, account.Id));
                return LocalRedirect(Url.IsLocalUrl(Return) ? Return : "/account");
            case SignInOutcome.CodeRequired:
                Pending = _pending.Protect($"{account!.Id} {SignInService.DigestOf(account)} {methods}", PendingFor);
                break;
            case SignInOutcome.PasswordChangeRequired when await resets.CreateAsync(SessionStore.ActorOf(account!.Id), account.Id,
                PendingFor, HttpContext.RequestAborted) is { Result.IsCommitted: true, Code: var code }:
                return LocalRedirect($"{ResetLinks.Path}?code={code}&short=true");
            case SignInOutcome.Locked:
                (Fault, Response.StatusCode) = ("There were too many attempts. Wait a while, and try again.",
                    StatusCodes.Status429TooManyRequests);
                break;
            case SignInOutcome.Busy:
                (Fault, Response.StatusCode) = ("The service is temporarily overloaded. Try again.",
                    StatusCodes.Status503ServiceUnavailable);
                break;
            default: Fault = refusal; break;
        }

        await AllowReturnAsync();
        return Page();
    }

    /// <summary>Lets the forms of this page end where it leads to.</summary>
    protected Task AllowReturnAsync() => Url.IsLocalUrl(Return) ? consents.AllowReturnAsync(HttpContext, Return) : Task.CompletedTask;

    /// <summary>Whom <see cref="Pending"/> is about; null: it is too old, or none of ours.</summary>
    protected (string AccountId, string Digest, string Methods)? ReadPending(string text)
    {
        try
        {
            return _pending.Unprotect(text).Split(' ', 3) is [var account, var digest, var methods] ? (account, digest, methods) : null;
        }
        catch (System.Security.Cryptography.CryptographicException)
        {
            return null;
        }
    }
}
