using AuthSidecar.ControlPlane.Accounts;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace AuthSidecar.ControlPlane.Pages;

/// <summary>To sign in with a name and a password, and with a code where there is a second factor.</summary>
internal sealed class LoginModel(SignIn signIn, BrowserSessions browser, Consents consents, IDataProtectionProvider protection) : PageModel
{
    private const int MaxLength = 512;

    /// <summary>For how long a right password waits for its code.</summary>
    private static readonly TimeSpan PendingFor = TimeSpan.FromMinutes(5);

    private readonly ITimeLimitedDataProtector _pending = protection.CreateProtector("sign-in.pending").ToTimeLimitedDataProtector();

    [BindProperty(SupportsGet = true, Name = "return")]
    public string Return { get; set => field = value ?? ""; } = "/account";

    [BindProperty]
    public string Name { get; set => field = value ?? ""; } = "";

    [BindProperty]
    public string Password { get; set => field = value ?? ""; } = "";

    /// <summary>Whose password was right and whose code is yet to come, for nobody else to make; null: there is nobody.</summary>
    public string? Pending { get; private set; }

    /// <summary>What went wrong.</summary>
    public string? Fault { get; private set; }

    /// <summary>Why they have to sign in again.</summary>
    public string? Notice { get; private set; }

    public async Task OnGetAsync()
    {
        await AllowReturnAsync();
        Notice = (await browser.FindEndedAsync(HttpContext))?.EndedBecause switch
        {
            null => null,
            "" => "You were signed out because you had not been here for a while.",
            "limit" => $"You were signed out here because you signed in elsewhere: {Sessions.AtOnce} sessions at once are the most.",
            "password" => "You were signed out because the password was changed.",
            "administrator" or "disabled" or "removed" => "You were signed out by an administrator.",
            _ => null,
        };
    }

    public async Task<IActionResult> OnPostAsync()
    {
        var (outcome, account) = Name.Length is > 0 and <= MaxLength && Password.Length is > 0 and <= MaxLength
            ? await signIn.TryAsync(Name, Password, HttpContext.RequestAborted)
            : (SignInOutcome.Refused, null);
        return await AnswerAsync(outcome, account, "pwd", "That is not the name, or not the password.");
    }

    public async Task<IActionResult> OnPostCodeAsync(string pending, string code)
    {
        if (ReadPending(pending ?? "")?.Split(' ') is not [var accountId, var digest])
        {
            return LocalRedirect($"{PagesSetup.LoginPath}?return={Uri.EscapeDataString(Return)}");
        }

        Pending = pending;
        var (outcome, account) = await signIn.TryCodeAsync(accountId, digest, code ?? "", HttpContext.RequestAborted);
        // RFC 8176.
        return await AnswerAsync(outcome, account, "pwd otp mfa", "That is not the code, or it was used already.");
    }

    private async Task<IActionResult> AnswerAsync(SignInOutcome outcome, Account? account, string methods, string refusal)
    {
        switch (outcome)
        {
            case SignInOutcome.Accepted when await browser.TryBeginAsync(HttpContext, account!, methods):
                return LocalRedirect(Url.IsLocalUrl(Return) ? Return : "/account");
            case SignInOutcome.CodeRequired:
                Pending = _pending.Protect($"{account!.Id} {Accounts.SignIn.DigestOf(account)}", PendingFor);
                break;
            case SignInOutcome.Locked:
                (Fault, Response.StatusCode) = ("There were too many attempts. Wait a while, and try again.", StatusCodes.Status429TooManyRequests);
                break;
            case SignInOutcome.Busy:
                (Fault, Response.StatusCode) = ("There is too much to do at the moment. Try again.", StatusCodes.Status503ServiceUnavailable);
                break;
            default:
                Fault = refusal;
                break;
        }

        await AllowReturnAsync();
        return Page();
    }

    private string? ReadPending(string text)
    {
        try
        {
            return _pending.Unprotect(text);
        }
        catch (System.Security.Cryptography.CryptographicException)
        {
            // Too old, or none of ours.
            return null;
        }
    }

    private Task AllowReturnAsync() => Url.IsLocalUrl(Return) ? consents.AllowReturnAsync(HttpContext, Return) : Task.CompletedTask;
}
