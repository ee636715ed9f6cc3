using AuthSidecar.ControlPlane.Identity.Sessions;
using Microsoft.AspNetCore.DataProtection;

namespace AuthSidecar.ControlPlane.Identity.Pages;

/// <summary>Says that somebody wants to link their account: in the address of a link on their own page, which nobody else can make. A form
/// would not do: the provider leads on to wherever it likes, and browsers hold all of that against the policy of the page that the form is
/// on.</summary>
internal sealed class LinkRequests(SessionStore sessions, IDataProtectionProvider protection)
{
    /// <summary>What carries the session to a provider and back.</summary>
    public const string Property = "link";

    /// <summary>Where somebody goes whose authentication is too long ago.</summary>
    public const string SignInAgainPath = $"{PagesSetup.LoginPath}?again=true&return=%2Faccount";

    private readonly ITimeLimitedDataProtector _requests = protection.CreateProtector("account.link").ToTimeLimitedDataProtector();

    public string Of(SessionRow session) => _requests.Protect(session.Id, SessionStore.FreshFor);

    /// <summary>Whether the browser's session made it, and somebody has authenticated in that just now.</summary>
    public bool IsOf(SessionRow? session, string request)
    {
        try
        {
            return session is not null && sessions.IsFresh(session) && _requests.Unprotect(request) == session.Id;
        }
        catch (System.Security.Cryptography.CryptographicException)
        {
            return false;
        }
    }
}
