using AuthSidecar.ControlPlane.Identity.Sessions;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.DataProtection;
using OpenIddict.Server.AspNetCore;

namespace AuthSidecar.ControlPlane.Identity.Pages;

/// <summary>Whether somebody has signed in as a client's request wants it (OpenID Connect Core, section 3.1.2.1): anew (`prompt`), lately
/// (`max_age`), as whom its `id_token_hint` says. A request that sent them to sign in carries a note of when: whoever opens its address
/// without signing in has not done so.</summary>
internal sealed class LoginNotes(TimeProvider time, IDataProtectionProvider protection)
{
    public const string Parameter = "login_note";

    /// <summary>Longer than any session, and no overflow.</summary>
    private const long MostSeconds = 10_000_000;

    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(30);

    private readonly ITimeLimitedDataProtector _notes = protection.CreateProtector("authorize.login").ToTimeLimitedDataProtector();

    private long NowMs => time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>For a request that sends somebody to sign in now.</summary>
    public string Of(OpenIddictRequest request, SessionRow? session) => Of(DigestOf(request), session);

    /// <summary>For another page that requires a new sign-in.</summary>
    /// <param name="digest">A digest of what the sign-in is required for.</param>
    /// <param name="session">The session whose authentication is not recent enough.</param>
    public string Of(string digest, SessionRow? session) =>
        _notes.Protect(string.Create(CultureInfo.InvariantCulture, $"{NowMs} {digest} {session?.SecretSha256 ?? "none"}"), Lifetime);

    /// <summary>Whether somebody has to sign in, again or as another.</summary>
    public async Task<bool> IsLoginMissingAsync(HttpContext context, OpenIddictRequest request, SessionRow session)
    {
        var hint = request.IdTokenHint is null ? null
            : (await context.AuthenticateAsync(OpenIddictServerAspNetCoreDefaults.AuthenticationScheme)).Principal?.GetClaim(
                Claims.Subject);
        if (request.IdTokenHint is not null && hint != session.AccountId)
            return true;

        var isAsked = request.HasPromptValue(PromptValues.Login) || request.HasPromptValue(PromptValues.SelectAccount)
            || (request.MaxAge is { } seconds && NowMs - session.AuthenticatedAtMs > Math.Min(seconds, MostSeconds) * 1000);
        return isAsked && !IsAuthenticatedFor(request, session);
    }

    /// <summary>Whether somebody has signed in since this very request has sent them to.</summary>
    private bool IsAuthenticatedFor(OpenIddictRequest request, SessionRow session) => Read(request) is var (at, _)
        && session.AuthenticatedAtMs >= at;

    /// <summary>Whether somebody has signed in since this very request has sent them to, in whatever way: as another, without a second
    /// factor, or by a provider elsewhere that does not say when it has asked them. What is still missing then is not to be had by asking
    /// again.</summary>
    public bool HasTried(OpenIddictRequest request, SessionRow session) => Read(request) is var (_, secret)
        && session.SecretSha256 != secret;

    /// <summary>The same for a note of another page.</summary>
    public bool HasTried(string? note, string digest, SessionRow session) => Read(note, digest) is var (_, secret)
        && session.SecretSha256 != secret;

    private (long At, string Secret)? Read(OpenIddictRequest request) => Read((string?)request.GetParameter(Parameter), DigestOf(request));

    private (long At, string Secret)? Read(string? note, string expected)
    {
        try
        {
            return note is not null && _notes.Unprotect(note).Split(' ') is [var at, var digest, var secret] && digest == expected
                ? (long.Parse(at, CultureInfo.InvariantCulture), secret)
                : null;
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    /// <summary>Of who asks and for what: a note of one request is none for another.</summary>
    private static string DigestOf(OpenIddictRequest request) => ReturnUrl.DigestOf(name => (string?)request.GetParameter(name));
}
