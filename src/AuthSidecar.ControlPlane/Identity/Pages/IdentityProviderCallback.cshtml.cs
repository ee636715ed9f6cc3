using AuthSidecar.ControlPlane.Identity.Accounts;
using AuthSidecar.ControlPlane.Identity.Providers;
using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.Identity.SignIn;
using AuthSidecar.ControlPlane.Telemetry;
using Microsoft.AspNetCore;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.DataProtection;
using OpenIddict.Client.AspNetCore;
using IdentityProvider = AuthSidecar.ControlPlane.V1.IdentityProvider;

namespace AuthSidecar.ControlPlane.Identity.Pages;

/// <summary>Where a provider sends browsers back to: OpenIddict has looked at the state, the code and the tokens by then, and this is about
/// who it is.</summary>
internal sealed partial class IdentityProviderCallbackModel(
    ConfiguredProviders providers, AllowedUsers allowed, ProviderLogins logins, SignInService signIn, SessionStore sessions,
    BrowserSessions browser, Consents consents, ResetLinks resets, AuthenticationLog log,
    IDataProtectionProvider protection, TimeProvider time,
    ILogger<IdentityProviderCallbackModel> logger)
    : SignInPage(browser, consents, resets, log, protection)
{
    /// <summary>Somebody else has authenticated them, and how is theirs to know; in use, and not registered (RFC 8176).</summary>
    private const string Federated = "fed";

    public string Name { get; private set; } = "";

    public async Task<IActionResult> OnGetAsync(string id)
    {
        if (providers.Find(id) is not { } provider)
            return NotFound();

        Name = provider.DisplayName;
        Return = "/account";
        if (HttpContext.GetOpenIddictClientResponse() is { Error: { } error } response)
        {
            Log.Failed(logger, id, error, response.ErrorDescription);
            return Fail($"Signing in with {Name} did not work.");
        }

        var answer = await HttpContext.AuthenticateAsync(OpenIddictClientAspNetCoreDefaults.AuthenticationScheme);
        if (!answer.Succeeded || ProviderIdentity.TryRead(provider, answer, time.GetUtcNow()) is not { } identity)
        {
            Log.Failed(logger, id, "no_identity", "the provider's response identifies no user");
            return Fail($"Signing in with {Name} did not work.");
        }

        var accessToken = answer.Properties.GetTokenValue(OpenIddictClientAspNetCoreConstants.Tokens.BackchannelAccessToken);
        if (await allowed.FindRefusalAsync(provider, identity, accessToken, HttpContext.RequestAborted) is { } why)
        {
            Log.NotAllowed(logger, id, identity.Subject, why);
            return Fail($"This account of {Name} is not allowed to sign in here.");
        }

        Return = answer.Properties.RedirectUri ?? Return;
        return answer.Properties.Items.TryGetValue(LinkRequests.Property, out var sessionId) ? await LinkAsync(identity, sessionId!)
            : await SignInAsync(provider, identity);
    }

    private async Task<IActionResult> SignInAsync(IdentityProvider provider, ProviderIdentity identity)
    {
        var account = await logins.FindAsync(identity, HttpContext.RequestAborted);
        if (account is null && provider.CreatesAccounts)
        {
            // Twice at once is one account: whoever came second finds it.
            account = await logins.TryCreateAsync(identity, HttpContext.RequestAborted)
                ?? await logins.FindAsync(identity, HttpContext.RequestAborted);
        }

        return account is null
            ? Fail($"No account here is linked to this account of {Name}. Sign in another way, and link it on the page of your account.")
            : await AnswerAsync(await signIn.AcceptAsync(account, HttpContext.RequestAborted), account, Federated,
                AuthenticatedAt(identity), "This account cannot be signed in to.");
    }

    /// <summary>Where the provider does not say when, it may have been long ago: it has let in whoever sits at this browser.</summary>
    private DateTimeOffset AuthenticatedAt(ProviderIdentity identity) =>
        identity.AuthenticatedAt ?? time.GetUtcNow() - SessionStore.FreshFor - TimeSpan.FromSeconds(1);

    private async Task<IActionResult> LinkAsync(ProviderIdentity identity, string sessionId)
    {
        if (await Browser.FindAsync(HttpContext) is not { } session || session.Id != sessionId || !sessions.IsFresh(session))
            return LocalRedirect(LinkRequests.SignInAgainPath);

        return (await logins.LinkAsync(session, identity, HttpContext.RequestAborted)).IsCommitted
            ? LocalRedirect("/account")
            : Fail($"This account of {Name} is linked already.");
    }

    private IActionResult Fail(string fault)
    {
        Authentications.SignInFailed(null, SignInFailure.IdentityProviderRefused, ClientAddress.Of(HttpContext));
        (Fault, Response.StatusCode) = (fault, StatusCodes.Status403Forbidden);
        return Page();
    }

    private static partial class Log
    {
        [LoggerMessage(43, LogLevel.Warning, "sign-in of user {Subject} of identity provider {IdentityProvider} refused: {Error}",
            EventName = "IdentityProviderUserNotAllowed")]
        public static partial void NotAllowed(ILogger logger, string identityProvider, string subject, string error);

        [LoggerMessage(41, LogLevel.Warning,
            "authorization response of the identity provider {IdentityProvider} rejected: {Error}: {Description}",
            EventName = "IdentityProviderRefused")]
        public static partial void Failed(ILogger logger, string identityProvider, string error, string? description);
    }
}
