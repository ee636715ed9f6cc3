using System.Globalization;
using System.Security.Claims;
using AuthSidecar.ControlPlane.Identity;
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http.Extensions;
using OpenIddict.Abstractions;
using OpenIddict.Server.AspNetCore;
using static OpenIddict.Abstractions.OpenIddictConstants;

namespace AuthSidecar.ControlPlane.Pages;

/// <summary>Where clients send browsers (RFC 6749, section 3.1): to those who have signed in, and consented, it gives a code to go back with.</summary>
internal static class AuthorizeEndpoint
{
    /// <summary>Said by the consent page when somebody says no.</summary>
    public const string Denied = "consent_denied";

    public static async Task<IResult> HandleAsync(HttpContext context, BrowserSessions browser, Consents consents, TimeProvider time)
    {
        var request = context.GetOpenIddictServerRequest() ?? throw new InvalidOperationException("the request has been looked at");
        var isSilent = request.HasPromptValue(PromptValues.None);
        var session = await browser.FindAsync(context);
        if (session is null || request.HasPromptValue(PromptValues.Login) || IsTooOld(session.AuthenticatedAtMs, request.MaxAge, time))
        {
            return isSilent ? Refuse(Errors.LoginRequired, "nobody has signed in") : Results.LocalRedirect($"{PagesSetup.LoginPath}?return={Uri.EscapeDataString(SelfWithoutPrompt(context, request))}");
        }

        if (request.GetParameter(Denied) is not null)
        {
            return Refuse(Errors.AccessDenied, "they do not want it");
        }

        var scopes = request.GetScopes();
        if (request.HasPromptValue(PromptValues.Consent) || await consents.IsMissingAsync(session.AccountId, request.ClientId!, scopes, context.RequestAborted))
        {
            return isSilent ? Refuse(Errors.ConsentRequired, "they have not been asked") : Results.LocalRedirect($"{PagesSetup.ConsentPath}?return={Uri.EscapeDataString(SelfWithoutPrompt(context, request))}");
        }

        return Results.SignIn(GrantedBy(session.AccountId, session.Id, scopes), authenticationScheme: OpenIddictServerAspNetCoreDefaults.AuthenticationScheme);
    }

    /// <summary>What a code stands for: an account, its session, and a grant that begins when the code is redeemed.</summary>
    public static ClaimsPrincipal GrantedBy(string accountId, string sessionId, IEnumerable<string> scopes)
    {
        var identity = new ClaimsIdentity("authsidecar", Claims.Name, Claims.Role);
        identity.SetClaim(Claims.Subject, accountId).SetClaim(GrantClaims.Session, sessionId).SetClaim(GrantClaims.Grant, Grants.NewId()).SetScopes(scopes);
        return new ClaimsPrincipal(identity);
    }

    private static IResult Refuse(string error, string description) => Results.Forbid(
        new AuthenticationProperties(new Dictionary<string, string?> { [OpenIddictServerAspNetCoreConstants.Properties.Error] = error, [OpenIddictServerAspNetCoreConstants.Properties.ErrorDescription] = description }),
        [OpenIddictServerAspNetCoreDefaults.AuthenticationScheme]);

    private static bool IsTooOld(long authenticatedAtMs, long? maxAgeSeconds, TimeProvider time) =>
        maxAgeSeconds is { } seconds && time.GetUtcNow().ToUnixTimeMilliseconds() - authenticatedAtMs > seconds * 1000;

    /// <summary>This very request, but for what was asked to be shown: it has been by then.</summary>
    private static string SelfWithoutPrompt(HttpContext context, OpenIddictRequest request)
    {
        var query = new QueryBuilder();
        foreach (var (name, value) in request.GetParameters())
        {
            if (name != Parameters.Prompt && name != Parameters.MaxAge && Convert.ToString((string?)value, CultureInfo.InvariantCulture) is { } text)
            {
                query.Add(name, text);
            }
        }

        return context.Request.PathBase + context.Request.Path + query.ToQueryString();
    }
}
