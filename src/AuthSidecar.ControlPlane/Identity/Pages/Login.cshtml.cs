using AuthSidecar.ControlPlane.Identity.Accounts;
using AuthSidecar.ControlPlane.Identity.Providers;
using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.Identity.SignIn;
using AuthSidecar.ControlPlane.Telemetry;
using Microsoft.AspNetCore.DataProtection;
using IdentityProvider = AuthSidecar.ControlPlane.V1.IdentityProvider;

namespace AuthSidecar.ControlPlane.Identity.Pages;

/// <summary>To sign in with a name and a password, and with a code where there is a second factor; or to go where one signs in
/// elsewhere.</summary>
internal sealed class LoginModel(SignInService signIn, ConfiguredProviders providers, BrowserSessions browser, Consents consents,
    ResetLinks resets, AuthenticationLog log, IDataProtectionProvider protection)
    : SignInPage(browser, consents, resets, log, protection)
{
    private const int MaxLength = 512;

    [BindProperty]
    public string Name { get; set => field = value ?? ""; } = "";

    [BindProperty]
    public string Password { get; set => field = value ?? ""; } = "";

    /// <summary>That somebody has to authenticate once more, for what they are about to do.</summary>
    [BindProperty(SupportsGet = true)]
    public bool Again { get; set; }

    /// <summary>Whom the client expects (`login_hint`).</summary>
    [BindProperty(SupportsGet = true)]
    public string Hint { get; set => field = value ?? ""; } = "";

    /// <summary>That they have just set a new password.</summary>
    [BindProperty(SupportsGet = true)]
    public bool Changed { get; set; }

    /// <summary>Where else one may sign in.</summary>
    public IReadOnlyList<IdentityProvider> IdentityProviders => providers.All;

    /// <summary>Why they have to sign in again.</summary>
    public string? Notice { get; private set; }

    public async Task OnGetAsync()
    {
        await AllowReturnAsync();
        Name = Hint.Length <= MaxLength ? Hint : "";
        BrowserSessions.Tell(HttpContext);
        Notice = Changed ? "The password is changed. Sign in with it." : Again ? "Sign in again to change how you sign in."
            : (await Browser.FindEndedAsync(HttpContext))?.EndedBecause switch
            {
                null => null,
                "" => "You were signed out because of inactivity.",
                "limit" =>
                    $"You were signed out here because you signed in elsewhere: the limit is {SessionStore.AtOnce} sessions.",
                "password" => "You were signed out because the password was changed.",
                "unlinked" => "You were signed out because a sign-in method was removed.",
                "administrator" or "disabled" or "removed" => "You were signed out by an administrator.",
                _ => null,
            };
    }

    public async Task<IActionResult> OnPostAsync()
    {
        var (outcome, account) = Name.Length is > 0 and <= MaxLength && Password.Length is > 0 and <= MaxLength
            ? await signIn.TryAsync(Name, Password, BrowserSessions.SourceOf(HttpContext), HttpContext.RequestAborted)
            : (SignInOutcome.Refused, null);
        return await AnswerAsync(
            outcome == SignInOutcome.Locked ? SignInOutcome.Refused : outcome, account, "pwd", at: null,
            "Incorrect name or password. After several failed attempts, sign-in is delayed.");
    }

    public async Task<IActionResult> OnPostCodeAsync(string pending, string code)
    {
        if (ReadPending(pending ?? "") is not var (accountId, digest, methods))
            return LocalRedirect($"{PagesSetup.LoginPath}?return={Uri.EscapeDataString(Return)}");

        Pending = pending;
        var (outcome, account) = await signIn.TryCodeAsync(accountId, digest, code ?? "", BrowserSessions.SourceOf(HttpContext),
            HttpContext.RequestAborted);
        // RFC 8176.
        return await AnswerAsync(outcome, account, $"{methods} otp mfa", at: null, "Incorrect or already used code.");
    }
}
