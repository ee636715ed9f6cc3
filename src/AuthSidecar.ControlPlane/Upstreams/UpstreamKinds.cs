using System.Collections.Frozen;
using AuthSidecar.ControlPlane.V1;
using OpenIddict.Client;
using static OpenIddict.Abstractions.OpenIddictConstants;
using static OpenIddict.Client.WebIntegration.OpenIddictClientWebIntegrationConstants;
using Settings = OpenIddict.Client.WebIntegration.OpenIddictClientWebIntegrationSettings;

namespace AuthSidecar.ControlPlane.Upstreams;

/// <summary>What differs between providers: where they are, and what they are asked for.</summary>
internal static class UpstreamKinds
{
    /// <summary>GitHub has no ID tokens, and so says nowhere what it is called as an issuer but in its answers (RFC 9207).</summary>
    public const string GitHubIssuer = "https://github.com/login/oauth";

    public const string MicrosoftHost = "login.microsoftonline.com";

    /// <summary>The tenants of Microsoft's that are many, each with an issuer of its own.</summary>
    public static readonly FrozenSet<string> MicrosoftGroups = FrozenSet.Create(StringComparer.Ordinal, "common", "organizations", "consumers");

    private static readonly FrozenSet<string> GoogleHosts =
        FrozenSet.Create(StringComparer.OrdinalIgnoreCase, "accounts.google.com", "oauth2.googleapis.com", "openidconnect.googleapis.com", "www.googleapis.com");

    private static readonly FrozenSet<string> MicrosoftHosts = FrozenSet.Create(StringComparer.OrdinalIgnoreCase, MicrosoftHost, "graph.microsoft.com");

    /// <summary>Where a provider sends browsers back to, below our own address.</summary>
    public static string CallbackPathOf(string id) => $"login/{id}/callback";

    /// <summary>What it is called on pages unless it is said otherwise.</summary>
    public static string NameOf(Upstream upstream) => upstream.Kind switch
    {
        UpstreamKind.Google => "Google",
        UpstreamKind.Github => "GitHub",
        UpstreamKind.Microsoft => "Microsoft",
        _ => new Uri(upstream.Issuer).Host,
    };

    /// <summary>Its own name for itself; null: it has many.</summary>
    public static string? IssuerOf(Upstream upstream) => upstream.Kind switch
    {
        UpstreamKind.Google => "https://accounts.google.com",
        UpstreamKind.Github => GitHubIssuer,
        UpstreamKind.Microsoft => MicrosoftGroups.Contains(upstream.Tenant) ? null : $"https://{MicrosoftHost}/{upstream.Tenant}/v2.0",
        _ => upstream.Issuer,
    };

    /// <summary>Whether what a provider's discovery document calls an endpoint of its is one that may be asked.</summary>
    public static bool MayAsk(Upstream upstream, Uri endpoint) => endpoint.Scheme == Uri.UriSchemeHttps && endpoint.UserInfo.Length == 0 && upstream.Kind switch
    {
        UpstreamKind.Google => GoogleHosts.Contains(endpoint.Host),
        UpstreamKind.Microsoft => MicrosoftHosts.Contains(endpoint.Host),
        UpstreamKind.OpenidConnect => upstream.EndpointHosts.Append(new Uri(upstream.Issuer).Host).Contains(endpoint.Host, StringComparer.OrdinalIgnoreCase),
        // Its endpoints are in no document.
        _ => false,
    };

    /// <summary>Whether a secret that was given for one is good for the other: it goes to the same place, and says the same of us.</summary>
    public static bool AreAlike(Upstream one, Upstream other) =>
        (one.Kind, one.Issuer, one.Tenant, one.ClientId) == (other.Kind, other.Issuer, other.Tenant, other.ClientId) && one.EndpointHosts.SequenceEqual(other.EndpointHosts);

    /// <summary>The provider, as OpenIddict has it.</summary>
    public static OpenIddictClientRegistration Register(Upstream upstream, string secret)
    {
        var registration = new OpenIddictClientRegistration
        {
            RegistrationId = upstream.Id,
            ProviderName = upstream.Id,
            ClientId = upstream.ClientId,
            ClientSecret = secret,
            // Each has its own: the answer of one is never taken for another's (RFC 9700, section 4.4.2).
            RedirectUri = new Uri(CallbackPathOf(upstream.Id), UriKind.Relative),
            GrantTypes = { GrantTypes.AuthorizationCode },
            ResponseTypes = { ResponseTypes.Code },
            ResponseModes = { ResponseModes.Query },
            CodeChallengeMethods = { CodeChallengeMethods.Sha256 },
            // What is pushed has our secret in it, and goes to one endpoint more.
            DisablePushedAuthorizationRequests = true,
        };
        switch (upstream.Kind)
        {
            case UpstreamKind.Google:
                (registration.ProviderType, registration.ProviderSettings) = (ProviderTypes.Google, new Settings.Google());
                break;
            case UpstreamKind.Github:
                (registration.ProviderType, registration.ProviderSettings) = (ProviderTypes.GitHub, new Settings.GitHub());
                break;
            case UpstreamKind.Microsoft:
                (registration.ProviderType, registration.ProviderSettings) = (ProviderTypes.Microsoft, new Settings.Microsoft { Tenant = upstream.Tenant });
                break;
            default:
                registration.Issuer = new Uri(upstream.Issuer);
                break;
        }

        if (upstream.Kind != UpstreamKind.Github)
        {
            registration.Scopes.UnionWith([Scopes.OpenId, Scopes.Profile, Scopes.Email]);
        }

        else if (upstream.AllowedOrganizations.Count > 0)
        {
            registration.Scopes.Add("read:org");
        }

        if (upstream is { Kind: UpstreamKind.Github, AllowedEmailDomains.Count: > 0 })
        {
            registration.Scopes.Add("user:email");
        }

        registration.Scopes.UnionWith(upstream.Scopes);
        return registration;
    }
}
