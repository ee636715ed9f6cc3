using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using OpenIddict.Abstractions;
using OpenIddict.Server.AspNetCore;

namespace AuthSidecar.ControlPlane.Pages;

/// <summary>To sign out because a client asks for it (OpenID Connect RP-Initiated Logout 1.0).</summary>
internal sealed class LogoutModel(BrowserSessions browser) : PageModel
{
    /// <summary>Those of the request, to be asked again.</summary>
    public IReadOnlyList<(string Name, string Value)> Parameters { get; private set; } = [];

    public async Task<IActionResult> OnGetAsync()
    {
        var session = await browser.FindAsync(HttpContext);
        var hint = (await HttpContext.AuthenticateAsync(OpenIddictServerAspNetCoreDefaults.AuthenticationScheme)).Principal;
        // Any site can send a browser here; one that shows a token of this very session has been given it.
        if (session is null || hint?.GetClaims("sid").Contains(session.Id) is true)
        {
            return await OnPostAsync();
        }

        Parameters = [.. HttpContext.GetOpenIddictServerRequest()!.GetParameters().Select(p => (p.Key, (string?)p.Value ?? ""))];
        return Page();
    }

    public async Task<IActionResult> OnPostAsync()
    {
        await browser.EndAsync(HttpContext);
        return SignOut(new AuthenticationProperties { RedirectUri = PagesSetup.SignedOutPath }, OpenIddictServerAspNetCoreDefaults.AuthenticationScheme);
    }
}
