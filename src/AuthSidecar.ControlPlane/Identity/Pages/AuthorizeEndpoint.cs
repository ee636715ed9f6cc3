using System.Security.Claims;
using AuthSidecar.ControlPlane.Identity.Grants;
using AuthSidecar.ControlPlane.Identity.Sessions;
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Http.Extensions;
using OpenIddict.Server.AspNetCore;

namespace AuthSidecar.ControlPlane.Identity.Pages;

/// <summary>Where clients send browsers (RFC 6749, section 3.1): to those who have signed in, and consented, it gives a code to go back
/// with.</summary>
internal static class AuthorizeEndpoint
{
    /// <summary>Said by the consent page when somebody says no.</summary>
    public const string Denied = "consent_denied";

    /// <summary>OpenID Connect Core Error Code unmet_authentication_requirements 1.0.</summary>
    private const string UnmetRequirements = "unmet_authentication_requirements";

    public static async Task<IResult> HandleAsync(HttpContext context, BrowserSessions browser, Consents consents, LoginNotes notes)
    {
        var request = context.GetOpenIddictServerRequest() ?? throw new InvalidOperationException("the request has been looked at");
        if (FaultOf(request) is { } fault)
            return Refuse(Errors.InvalidRequest, fault);

        var isSilent = request.HasPromptValue(PromptValues.None);
        var session = await browser.FindAsync(context);
        if (session is null || await notes.IsLoginMissingAsync(context, request, session))
        {
            return isSilent || (session is not null && notes.HasTried(request, session))
                ? Refuse(Errors.LoginRequired, "re-authentication, or another user, is required")
                : Results.LocalRedirect(LoginFor(context, request, notes, session));
        }

        if (request.HasAcrValue(ServerConstants.MultiFactor) && !session.Methods.Split(' ').Contains(ServerConstants.MultiFactor))
        {
            // Whoever has just signed in for it has no second factor.
            return notes.HasTried(request, session) ? Refuse(UnmetRequirements, "the user has no second factor enrolled")
                : isSilent ? Refuse(Errors.LoginRequired, "multi-factor authentication is required")
                : Results.LocalRedirect(LoginFor(context, request, notes, session));
        }

        if (request.GetParameter(Denied) is not null)
            return Refuse(Errors.AccessDenied, "the user denied the request");

        var scopes = request.GetScopes();
        if (await consents.IsMissingAsync(request, session, context.RequestAborted))
        {
            return isSilent
                ? Refuse(Errors.ConsentRequired, "user consent is required")
                : Results.LocalRedirect($"{PagesSetup.ConsentPath}?return={Uri.EscapeDataString(SelfWith(context, request, note: null))}");
        }

        return Results.SignIn(GrantedBy(session.AccountId, session.Id, scopes),
            authenticationScheme: OpenIddictServerAspNetCoreDefaults.AuthenticationScheme);
    }

    /// <summary>What is wrong with what the framework does not look at; null: nothing.</summary>
    private static string? FaultOf(OpenIddictRequest request) =>
        request.GetParameter(Parameters.MaxAge) is not null && request.MaxAge is not >= 0
            ? "max_age must be a non-negative number of seconds"
        : request.GetAcrValues() is { IsEmpty: false } values && !values.Contains(ServerConstants.MultiFactor)
        ? $"unsupported acr_values; supported: `{ServerConstants.MultiFactor}`"
        : null;

    /// <summary>The page to sign in, which leads back to this request with a note of when it sent them there.</summary>
    private static string LoginFor(HttpContext context, OpenIddictRequest request, LoginNotes notes, SessionRow? session)
    {
        var hint = request.LoginHint is { Length: > 0 and <= 512 } name ? $"&hint={Uri.EscapeDataString(name)}" : "";
        return $"{PagesSetup.LoginPath}?return={Uri.EscapeDataString(SelfWith(context, request, notes.Of(request, session)))}{hint}";
    }

    /// <summary>What a code stands for: an account, its session, and a grant that begins when the code is redeemed.</summary>
    public static ClaimsPrincipal GrantedBy(string accountId, string sessionId, IEnumerable<string> scopes)
    {
        var identity = new ClaimsIdentity("authsidecar", Claims.Name, Claims.Role);
        identity.SetClaim(Claims.Subject, accountId)
            .SetClaim(GrantClaims.Session, sessionId)
            .SetClaim(GrantClaims.Grant, GrantStore.NewId())
            .SetScopes(scopes);
        return new ClaimsPrincipal(identity);
    }

    private static IResult Refuse(string error, string description) => Results.Forbid(
        new AuthenticationProperties(new Dictionary<string, string?>
        {
            [OpenIddictServerAspNetCoreConstants.Properties.Error] = error,
            [OpenIddictServerAspNetCoreConstants.Properties.ErrorDescription] = description,
        }),
        [OpenIddictServerAspNetCoreDefaults.AuthenticationScheme]);

    /// <summary>This very request, with another note of when it sent somebody to sign in, and without one of a consent.</summary>
    private static string SelfWith(HttpContext context, OpenIddictRequest request, string? note)
    {
        var query = new QueryBuilder();
        foreach (var (name, value) in request.GetParameters())
        {
            if (name != Consents.Parameter && !(note is not null && name == LoginNotes.Parameter)
                && Convert.ToString((string?)value, CultureInfo.InvariantCulture) is { } text)
            {
                query.Add(name, text);
            }
        }

        if (note is not null)
            query.Add(LoginNotes.Parameter, note);

        return context.Request.PathBase + context.Request.Path + query.ToQueryString();
    }
}
