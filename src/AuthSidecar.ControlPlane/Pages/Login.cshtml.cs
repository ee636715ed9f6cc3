using AuthSidecar.ControlPlane.Accounts;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;

namespace AuthSidecar.ControlPlane.Pages;

/// <summary>To sign in with a name and a password.</summary>
internal sealed class LoginModel(SignIn signIn, BrowserSessions browser, Consents consents) : PageModel
{
    private const int MaxLength = 512;

    [BindProperty(SupportsGet = true, Name = "return")]
    public string Return { get; set; } = "/account";

    [BindProperty]
    public string Name { get; set; } = "";

    [BindProperty]
    public string Password { get; set; } = "";

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
        if (outcome == SignInOutcome.Accepted)
        {
            await browser.BeginAsync(HttpContext, account!, "pwd");
            return LocalRedirect(Url.IsLocalUrl(Return) ? Return : "/account");
        }

        (Fault, Response.StatusCode) = outcome switch
        {
            SignInOutcome.Locked => ("There were too many attempts. Wait a while, and try again.", StatusCodes.Status429TooManyRequests),
            SignInOutcome.Busy => ("There is too much to do at the moment. Try again.", StatusCodes.Status503ServiceUnavailable),
            _ => ("That is not the name, or not the password.", StatusCodes.Status200OK),
        };
        await AllowReturnAsync();
        return Page();
    }

    private Task AllowReturnAsync() => Url.IsLocalUrl(Return) ? consents.AllowReturnAsync(HttpContext, Return) : Task.CompletedTask;
}
