using AuthSidecar.ControlPlane.Identity.Providers;
using AuthSidecar.ControlPlane.V1;
using Microsoft.AspNetCore.Authentication;
using OpenIddict.Client;
using OpenIddict.Client.AspNetCore;

namespace AuthSidecar.ControlPlane.Identity.Pages;

/// <summary>Sends a browser to a provider; seen only where that cannot be.</summary>
internal sealed partial class IdentityProviderModel(ConfiguredProviders providers, OpenIddictClientService client, BrowserSessions browser,
    LinkRequests links, ILogger<IdentityProviderModel> logger) : PageModel
{
    [BindProperty(SupportsGet = true, Name = "return")]
    public string Return { get; set => field = value ?? ""; } = "/account";

    public string Name { get; private set; } = "";
    public string Fault { get; private set; } = "";

    /// <param name="link">What <see cref="LinkRequests"/> made, where it is to be linked with an account; null: to sign in.</param>
    public async Task<IActionResult> OnGetAsync(string id, string? link)
    {
        if (providers.Find(id) is not { } provider)
            return NotFound();

        Name = provider.DisplayName;
        var session = await browser.FindAsync(HttpContext);
        if (link is not null && !links.IsOf(session, link))
            return LocalRedirect(LinkRequests.SignInAgainPath);

        try
        {
            await client.GetServerConfigurationByRegistrationIdAsync(id, HttpContext.RequestAborted);
        }
        catch (Exception e) when (!HttpContext.RequestAborted.IsCancellationRequested)
        {
            Log.Away(logger, id, e.GetBaseException().Message);
            (Fault, Response.StatusCode) = ($"{Name} cannot be reached at the moment. Try again later.",
                StatusCodes.Status503ServiceUnavailable);
            return Page();
        }

        var properties = new AuthenticationProperties { RedirectUri = Url.IsLocalUrl(Return) ? Return : "/account" };
        properties.Items[OpenIddictClientAspNetCoreConstants.Properties.RegistrationId] = id;
        // Whatever it says it can do.
        properties.Items[OpenIddictClientAspNetCoreConstants.Properties.GrantType] = GrantTypes.AuthorizationCode;
        properties.Items[OpenIddictClientAspNetCoreConstants.Properties.ResponseType] = ResponseTypes.Code;
        if (provider is { Kind: IdentityProviderKind.Google, AllowedOrganizations: [var domain] })
        {
            // Only a hint for its list of accounts: what counts is the claim.
            properties.SetParameter("hd", new OpenIddictParameter(domain));
        }

        if (link is not null)
        {
            properties.Items[LinkRequests.Property] = session!.Id;
        }
        else if (session is not null)
        {
            // Whoever is signed in already is here to authenticate once more, there as well.
            properties.SetParameter(Parameters.MaxAge, new OpenIddictParameter(0));
        }

        return Challenge(properties, OpenIddictClientAspNetCoreDefaults.AuthenticationScheme);
    }

    private static partial class Log
    {
        [LoggerMessage(40, LogLevel.Warning, "the identity provider {IdentityProvider} cannot be reached: {Error}",
            EventName = "IdentityProviderUnreachable")]
        public static partial void Away(ILogger logger, string identityProvider, string error);
    }
}
