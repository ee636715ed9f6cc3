using AuthSidecar.ControlPlane.Identity.Accounts;
using AuthSidecar.ControlPlane.Telemetry;

namespace AuthSidecar.ControlPlane.Identity.Pages;

/// <summary>To set a new password by a link that an administrator has made, or because the old one is too short for an account without a
/// second factor.</summary>
internal sealed class ResetModel(ResetLinks links, BrowserSessions browser, AuthenticationLog log) : PageModel
{
    private const int MaxLength = 512;

    private string? _accountId;

    [BindProperty(SupportsGet = true)]
    public string Code { get; set => field = value ?? ""; } = "";

    /// <summary>Why the password is set, where it was not asked for.</summary>
    [BindProperty(SupportsGet = true)]
    public bool Short { get; set; }

    [BindProperty]
    public string Password { get; set => field = value ?? ""; } = "";

    /// <summary>What the account signs in with; null: the link is not good.</summary>
    public string? AccountName { get; private set; }

    public string? Fault { get; private set; }
    public string? Notice => Short ? "A longer password is required: the account has no second factor." : null;
    public Task OnGetAsync() => FindAsync();

    public async Task<IActionResult> OnPostAsync()
    {
        await FindAsync();
        if (AccountName is null)
            return Page();

        var result = Password.Length is > 0 and <= MaxLength ? await links.UseAsync(Code, Password, HttpContext.RequestAborted)
            : new WriteResult(default, new Refusal.NotFound("password"));
        switch (result.Refusal)
        {
            case null:
                // They have shown that the account is theirs: they do not wait among strangers.
                await browser.RememberAsync(HttpContext, _accountId!);
                return LocalRedirect($"{PagesSetup.LoginPath}?changed=true");
            case Refusal.Invalid invalid: Fault = $"This password cannot be used: it {invalid.Faults[0].Message}."; break;
            default:
                (Fault, Response.StatusCode) = ("The service is temporarily unavailable. Try again.",
                    StatusCodes.Status503ServiceUnavailable);
                break;
        }

        return Page();
    }

    private async Task FindAsync()
    {
        var account = Code.Length is > 0 and < 128 ? await links.FindAsync(Code, HttpContext.RequestAborted) : null;
        (_accountId, AccountName) = (account?.Id, account?.UserName);
        if (AccountName is null)
        {
            log.SignInFailed(null, SignInFailure.InvalidResetLink, ClientAddress.Of(HttpContext));
            (Fault, Response.StatusCode) = ("This link is invalid, expired or already used. Ask an administrator for a new one.",
                StatusCodes.Status404NotFound);
        }
    }
}
