using AuthSidecar.ControlPlane.Identity.Grants;
using AuthSidecar.ControlPlane.Identity.Sessions;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.WebUtilities;
using OpenIddict.Server.AspNetCore;

namespace AuthSidecar.ControlPlane.Identity.Pages;

/// <summary>To connect a device that cannot show pages (RFC 8628, section 3.3).</summary>
internal sealed class DeviceModel(BrowserSessions browser, SessionStore sessions, Consents consents, LoginNotes notes, TimeProvider time)
    : PageModel
{
    [BindProperty(SupportsGet = true, Name = "user_code")]
    public string UserCode { get; set => field = value ?? ""; } = "";

    /// <summary>The note with which this page sent the user to sign in again.</summary>
    [BindProperty(SupportsGet = true, Name = LoginNotes.Parameter)]
    public string? Note { get; set; }

    [BindProperty(SupportsGet = true, Name = "result")]
    public string Result { get; set; } = "";

    [BindProperty]
    public string Decision { get; set; } = "";

    public string? ClientName { get; private set; }

    /// <summary>What it would get.</summary>
    public IReadOnlyList<string> Lines { get; private set; } = [];

    /// <summary>When and where from the device asked.</summary>
    public string Asked { get; private set; } = "";

    public string? Fault { get; private set; }

    public string? Done => Result switch
    {
        "connected" => "It is connected. You can close this page.",
        "refused" => "It was not connected. You can close this page.",
        _ => null,
    };

    public async Task<IActionResult> OnGetAsync()
    {
        if (await browser.FindAsync(HttpContext) is not { } session)
            return SignInFirst(session: null);

        if (UserCode.Length == 0)
            return Page();

        if (await FindAsync() is not { } principal)
        {
            Fault = "Unknown or expired code.";
            return Page();
        }

        return IsLoginMissing(session, principal) ? SignInFirst(session) : Page();
    }

    public async Task<IActionResult> OnPostAsync()
    {
        if (await browser.FindAsync(HttpContext) is not { } session || await FindAsync() is not { } principal)
            return RedirectToPage();

        if (Decision != "allow")
        {
            return Forbid(new AuthenticationProperties { RedirectUri = "/device?result=refused" },
                OpenIddictServerAspNetCoreDefaults.AuthenticationScheme);
        }

        if (IsLoginMissing(session, principal))
            return SignInFirst(session);

        return SignIn(
            AuthorizeEndpoint.GrantedBy(session.AccountId, session.Id, principal.GetScopes()),
            new AuthenticationProperties { RedirectUri = "/device?result=connected" },
            OpenIddictServerAspNetCoreDefaults.AuthenticationScheme);
    }

    /// <summary>Whether the user has to sign in again: a device with `offline_access` outlasts whoever sits at an unlocked browser. Having
    /// signed in again in this very session, since this page asked for it, is enough also with a provider that sends no
    /// `auth_time`.</summary>
    private bool IsLoginMissing(SessionRow session, System.Security.Claims.ClaimsPrincipal principal) =>
        principal.HasScope(Scopes.OfflineAccess) && !sessions.IsFresh(session) && !notes.HasTried(Note, DigestOf(session), session);

    private LocalRedirectResult SignInFirst(SessionRow? session)
    {
        const string Here = "/device";
        var back = UserCode.Length == 0 ? Here : QueryHelpers.AddQueryString(Here, "user_code", UserCode);
        back = session is null ? back : QueryHelpers.AddQueryString(back, LoginNotes.Parameter, notes.Of(DigestOf(session), session));
        return LocalRedirect($"{PagesSetup.LoginPath}?{(session is null ? "" : "again=true&")}return={Uri.EscapeDataString(back)}");
    }

    /// <summary>Of the code and the session: a note that was made in another browser says nothing of this one.</summary>
    private string DigestOf(SessionRow session) => TextHash.Of($"{UserCode} {session.Id}");

    /// <summary>What the code stands for, which the server has looked up.</summary>
    private async Task<System.Security.Claims.ClaimsPrincipal?> FindAsync()
    {
        var found = await HttpContext.AuthenticateAsync(OpenIddictServerAspNetCoreDefaults.AuthenticationScheme);
        if (found is not { Succeeded: true } || found.Principal.GetClaim(Claims.ClientId) is not { Length: > 0 } clientId)
            return null;

        Asked = $"{Ago(found.Principal.GetCreationDate())} from "
            + $"{found.Principal.GetClaim(DeviceRequests.AddressClaim) ?? "an unknown address"}";
        Lines = Consents.Describe(found.Principal.GetScopes());
        ClientName = await consents.NameOfAsync(clientId, HttpContext.RequestAborted);
        return found.Principal;
    }

    private string Ago(DateTimeOffset? then) => then is null ? "at an unknown time"
        : (int)(time.GetUtcNow() - then.Value).TotalMinutes switch
        {
            <= 0 => "less than a minute ago",
            1 => "1 minute ago",
            var minutes => $"{minutes} minutes ago",
        };
}
