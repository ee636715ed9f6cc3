using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.Identity.SignIn;

namespace AuthSidecar.ControlPlane.Identity.Pages;

/// <summary>Sessions as browsers have them: in a cookie that no script reads, no other site sends with a form, and no other host
/// sets.</summary>
internal sealed class BrowserSessions(SessionStore sessions, SignInAttempts attempts)
{
    private const string Cookie = "__Host-session";

    /// <summary>By which a browser is known that somebody has signed in with before (device cookie). It is no credential.</summary>
    private const string BrowserCookie = "__Host-browser";

    private static readonly CookieOptions Options = new() { HttpOnly = true, Secure = true, SameSite = SameSiteMode.Lax, Path = "/" };

    /// <summary>Where an attempt to sign in comes from.</summary>
    public static AttemptSource SourceOf(HttpContext context, string? session = null) => new(
        ClientAddress.Of(context), ClientAddress.NetworkOf(context), context.Request.Cookies.TryGetValue(BrowserCookie, out var secret)
            && secret.Length is > 0 and < 128 ? secret : null, session);

    /// <summary>Gives a browser a cookie by which it is told from others at its address.</summary>
    public static void Tell(HttpContext context)
    {
        if (SourceOf(context).Browser is null)
            Append(context, SignInAttempts.NewSecret());
    }

    /// <summary>Remembers the browser of somebody who has signed in.</summary>
    /// <returns>Whether it was known to the account.</returns>
    public async Task<bool> RememberAsync(HttpContext context, string accountId)
    {
        var (secret, wasKnown) = await attempts.RememberAsync(accountId, SourceOf(context).Browser, context.RequestAborted);
        Append(context, secret);
        return wasKnown;
    }

    private static void Append(HttpContext context, string secret) =>
        context.Response.Cookies.Append(BrowserCookie, secret, new CookieOptions
        {
            HttpOnly = true,
            Secure = true,
            SameSite = SameSiteMode.Lax,
            Path = "/",
            MaxAge = SignInAttempts.KnownFor,
        });

    /// <summary>The live session; null when there is none.</summary>
    public async Task<SessionRow?> FindAsync(HttpContext context) => await FindAnyAsync(context) is { } session && sessions.IsLive(session)
        ? session : null;

    /// <summary>The session that has ended, if that is what the browser has.</summary>
    public async Task<SessionRow?> FindEndedAsync(HttpContext context) =>
        await FindAnyAsync(context) is { } session && !sessions.IsLive(session) ? session : null;

    /// <summary>Begins a session, or the browser's own anew; one of another account that it has ends. False: the account is not what it was
    /// when it authenticated.</summary>
    /// <param name="account">Who has authenticated.</param>
    /// <param name="methods">How (RFC 8176), with spaces between.</param>
    /// <param name="at">When; null: now.</param>
    public async Task<bool> TryBeginAsync(HttpContext context, Account account, string methods, DateTimeOffset? at)
    {
        var authentication = new Authentication(methods, context.Request.Headers.UserAgent.ToString(), ClientAddress.Of(context), at);
        if (await sessions.TryBeginAsync(account, authentication, await FindAsync(context), context.RequestAborted) is not var (_, secret))
            return false;

        context.Response.Cookies.Append(Cookie, secret, Options);
        return true;
    }

    public async Task EndAsync(HttpContext context)
    {
        if (await FindAsync(context) is { } session)
        {
            await sessions.EndAsync(
                SessionStore.ActorOf(session.AccountId), session.AccountId, session.Id, "signed out", context.RequestAborted);
        }

        context.Response.Cookies.Delete(Cookie, Options);
    }

    private async Task<SessionRow?> FindAnyAsync(HttpContext context) =>
        context.Request.Cookies.TryGetValue(Cookie, out var secret) && secret.Length is > 0 and < 128
            ? await sessions.FindAsync(secret, context.RequestAborted) : null;
}
