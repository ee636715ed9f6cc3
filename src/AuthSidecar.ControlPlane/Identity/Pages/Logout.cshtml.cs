using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Antiforgery;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.WebUtilities;
using OpenIddict.Server.AspNetCore;

namespace AuthSidecar.ControlPlane.Identity.Pages;

/// <summary>To sign out because a client asks for it (OpenID Connect RP-Initiated Logout 1.0).</summary>
[IgnoreAntiforgeryToken(Order = AfterTheFramework)]
internal sealed class LogoutModel(BrowserSessions browser, IAntiforgery antiforgery) : PageModel
{
    /// <summary>Of filters: ours counts.</summary>
    private const int AfterTheFramework = 1_001;

    /// <summary>Those of the request, to be asked again.</summary>
    public IReadOnlyList<(string Name, string Value)> Parameters { get; private set; } = [];

    public async Task<IActionResult> OnGetAsync()
    {
        var session = await browser.FindAsync(HttpContext);
        var hint = (await HttpContext.AuthenticateAsync(OpenIddictServerAspNetCoreDefaults.AuthenticationScheme)).Principal;
        // Any site can send a browser here; one that shows a token of this very session has been given it.
        if (session is null || hint?.GetClaims("sid").Contains(session.Id) is true)
            return await EndAsync();

        Parameters = [.. HttpContext.GetOpenIddictServerRequest()!.GetParameters().Select(p => (p.Key, (string?)p.Value ?? ""))];
        return Page();
    }

    /// <summary>A client may send its users by POST as well (section 2): that is no answer to our question, and their session does not come
    /// along with it. They come again.</summary>
    public async Task<IActionResult> OnPostAsync() => await antiforgery.IsRequestValidAsync(HttpContext)
        ? await EndAsync()
        : LocalRedirect(QueryHelpers.AddQueryString("/" + ServerConstants.LogoutPath,
            HttpContext.GetOpenIddictServerRequest()!.GetParameters().Select(p => KeyValuePair.Create(p.Key, (string?)p.Value))));

    private async Task<IActionResult> EndAsync()
    {
        await browser.EndAsync(HttpContext);
        return SignOut(new AuthenticationProperties { RedirectUri = PagesSetup.SignedOutPath },
            OpenIddictServerAspNetCoreDefaults.AuthenticationScheme);
    }
}
