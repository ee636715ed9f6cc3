using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Mvc.RazorPages;
using OpenIddict.Abstractions;
using OpenIddict.Server.AspNetCore;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace AuthSidecar.ControlPlane.Pages;

/// <summary>To connect a device that cannot show pages (RFC 8628, section 3.3).</summary>
internal sealed class DeviceModel(BrowserSessions browser, Consents consents) : PageModel
{
    [BindProperty(SupportsGet = true, Name = "user_code")]
    public string UserCode { get; set => field = value ?? ""; } = "";

    [BindProperty(SupportsGet = true, Name = "result")]
    public string Result { get; set; } = "";

    [BindProperty]
    public string Decision { get; set; } = "";

    public string? ClientName { get; private set; }

    /// <summary>What it would get.</summary>
    public IReadOnlyList<string> Lines { get; private set; } = [];

    public string? Fault { get; private set; }

    public string? Done => Result switch { "connected" => "It is connected. You can close this page.", "refused" => "It was not connected. You can close this page.", _ => null };

    public async Task<IActionResult> OnGetAsync()
    {
        if (await browser.FindAsync(HttpContext) is null)
        {
            return LocalRedirect($"{PagesSetup.LoginPath}?return={Uri.EscapeDataString(Request.Path + Request.QueryString)}");
        }

        if (UserCode.Length > 0 && await FindAsync() is null)
        {
            Fault = "There is no such code, or it has expired.";
        }

        return Page();
    }

    public async Task<IActionResult> OnPostAsync()
    {
        if (await browser.FindAsync(HttpContext) is not { } session || await FindAsync() is not { } principal)
        {
            return RedirectToPage();
        }

        if (Decision != "allow")
        {
            return Forbid(new AuthenticationProperties { RedirectUri = "/device?result=refused" }, OpenIddictServerAspNetCoreDefaults.AuthenticationScheme);
        }

        return SignIn(
            AuthorizeEndpoint.GrantedBy(session.AccountId, session.Id, principal.GetScopes()),
            new AuthenticationProperties { RedirectUri = "/device?result=connected" },
            OpenIddictServerAspNetCoreDefaults.AuthenticationScheme);
    }

    /// <summary>What the code stands for, which the server has looked up.</summary>
    private async Task<System.Security.Claims.ClaimsPrincipal?> FindAsync()
    {
        var found = await HttpContext.AuthenticateAsync(OpenIddictServerAspNetCoreDefaults.AuthenticationScheme);
        if (found is not { Succeeded: true } || found.Principal.GetClaim(Claims.ClientId) is not { Length: > 0 } clientId)
        {
            return null;
        }

        Lines = Consents.Describe(found.Principal.GetScopes());
        ClientName = await consents.NameOfAsync(clientId, HttpContext.RequestAborted);
        return found.Principal;
    }
}
