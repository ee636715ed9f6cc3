using System.Security.Claims;
using AuthSidecar.ControlPlane.V1;
using Microsoft.AspNetCore.Authentication;
using OpenIddict.Client.AspNetCore;

namespace AuthSidecar.ControlPlane.Identity.Providers;

/// <summary>Somebody, as a provider knows them. Only the first two say who it is: a name or an address is what anybody may have
/// there.</summary>
/// <param name="Issuer">The provider's name for itself.</param>
/// <param name="Subject">Its name for them.</param>
/// <param name="Name">What they are called; empty: it does not say.</param>
/// <param name="Email">An address; empty: it does not say.</param>
/// <param name="IsEmailVerified">Whether the provider says that the address is theirs, and is in a position to.</param>
/// <param name="Organization">The organisation that the provider's token names: Google's `hd`, Microsoft's `tid`; empty: none.</param>
/// <param name="AuthenticatedAt">When they authenticated there; null: it does not say.</param>
internal sealed record ProviderIdentity(
    string Issuer, string Subject, string Name, string Email, bool IsEmailVerified, string Organization, DateTimeOffset? AuthenticatedAt)
{
    /// <summary>OpenID Connect Core, section 2.</summary>
    private const int MaxSubjectLength = 255;

    private const int MaxTextLength = 256;

    /// <summary>The end of the year 9999.</summary>
    private const long MaxUnixSeconds = 253_402_300_799;

    /// <summary>Clocks differ.</summary>
    private static readonly TimeSpan Skew = TimeSpan.FromMinutes(1);

    /// <summary>Who it is, of an answer that OpenIddict has verified; null: it does not say who, or did so once.</summary>
    public static ProviderIdentity? TryRead(IdentityProvider provider, AuthenticateResult answer, DateTimeOffset now)
    {
        var merged = answer.Principal!;
        if (provider.Kind == IdentityProviderKind.Github)
        {
            return Of(ProviderKinds.GitHubIssuer, merged.GetClaim(ClaimTypes.NameIdentifier), merged, isEmailVerified: false,
                organization: "", authenticatedAt: null);
        }

        // What a token is held against beside its signature, OpenIddict leaves to the endpoint that gave it: when it ends (OpenID Connect
        // Core, section 3.1.3.7).
        if (answer.Properties!.GetParameter<ClaimsPrincipal>(
            OpenIddictClientAspNetCoreConstants.Properties.BackchannelIdentityTokenPrincipal) is not { } token
            || TimeOf(token, Claims.ExpiresAt) is not { } expiry || expiry + Skew <= now || token.GetClaim(Claims.Issuer) is not { } issuer)
        {
            return null;
        }

        switch (provider.Kind)
        {
            case IdentityProviderKind.Microsoft:
                // Of these there is one for each tenant, and OpenIddict takes any that is signed: it is the tenant's own, or it is
                // nobody's.
                var tenant = token.GetClaim("tid") ?? "";
                return issuer == $"https://{ProviderKinds.MicrosoftHost}/{tenant}/v2.0"
                    ? Of(issuer, token.GetClaim(Claims.Subject), merged, isEmailVerified: false, tenant,
                        TimeOf(token, Claims.AuthenticationTime))
                    : null;
            case IdentityProviderKind.Google:
                // Elsewhere than in these two it verified the address once, and does not know whose it is now ("Verify the Google ID token
                // on your server side").
                var domain = token.GetClaim("hd") ?? "";
                var isAuthoritative = domain.Length > 0
                    || merged.GetClaim(Claims.Email)?.EndsWith("@gmail.com", StringComparison.OrdinalIgnoreCase) == true;
                return Of(issuer, token.GetClaim(Claims.Subject), merged, isAuthoritative && SaysVerified(merged), domain,
                    TimeOf(token, Claims.AuthenticationTime));
            default:
                return Of(issuer, token.GetClaim(Claims.Subject), merged, SaysVerified(merged), organization: "",
                    TimeOf(token, Claims.AuthenticationTime));
        }
    }

    /// <summary>Whether all that the token and the user info say is one address, verified. A word in the place of the truth value is what
    /// some providers send.</summary>
    private static bool SaysVerified(ClaimsPrincipal said) =>
        said.GetClaims(Claims.Email).Length == 1
            && said.GetClaims(Claims.EmailVerified) is { Length: > 0 } verified
            && verified.All(v => bool.TryParse(v, out var isVerified) && isVerified);

    private static DateTimeOffset? TimeOf(ClaimsPrincipal token, string claim) =>
        long.TryParse(token.GetClaim(claim), NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) && seconds <= MaxUnixSeconds
            ? DateTimeOffset.FromUnixTimeSeconds(seconds) : null;

    private static ProviderIdentity? Of(
        string issuer, string? subject, ClaimsPrincipal said, bool isEmailVerified, string organization, DateTimeOffset? authenticatedAt) =>
        subject is { Length: > 0 and <= MaxSubjectLength }
            ? new ProviderIdentity(issuer, subject, NameOf(said.GetClaim(Claims.Name)), EmailOf(said.GetClaim(Claims.Email)),
                isEmailVerified, organization, authenticatedAt)
            : null;

    /// <summary>Without invisible characters, which can make other text look different where it is shown.</summary>
    private static string NameOf(string? claim) => claim is { Length: <= MaxTextLength }
        ? string.Concat(claim.EnumerateRunes().Where(r => !RequestChecks.IsInvisible(r))) : "";

    private static string EmailOf(string? claim) => NameOf(claim) is var visible && visible == claim ? visible : "";
}
