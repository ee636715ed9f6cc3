using AuthSidecar.ControlPlane.V1;
using OpenIddict.Client;
using static OpenIddict.Client.WebIntegration.OpenIddictClientWebIntegrationConstants;
using Settings = OpenIddict.Client.WebIntegration.OpenIddictClientWebIntegrationSettings;

namespace AuthSidecar.ControlPlane.Identity.Providers;

/// <summary>What differs between providers: where they are, and what they are asked for.</summary>
internal static class ProviderKinds
{
    /// <summary>GitHub has no ID tokens, and so says nowhere what it is called as an issuer but in its answers (RFC 9207).</summary>
    public const string GitHubIssuer = "https://github.com/login/oauth";

    public const string MicrosoftHost = "login.microsoftonline.com";

    /// <summary>The tenants of Microsoft's that are many, each with an issuer of its own.</summary>
    public static readonly FrozenSet<string> MicrosoftGroups = FrozenSet.Create(StringComparer.Ordinal, "common", "organizations",
        "consumers");

    private static readonly FrozenSet<string> GoogleHosts =
        FrozenSet.Create(StringComparer.OrdinalIgnoreCase, "accounts.google.com", "oauth2.googleapis.com", "openidconnect.googleapis.com",
            "www.googleapis.com");

    private static readonly FrozenSet<string> MicrosoftHosts = FrozenSet.Create(StringComparer.OrdinalIgnoreCase, MicrosoftHost,
        "graph.microsoft.com");

    /// <summary>Where a provider sends browsers back to, below our own address.</summary>
    public static string CallbackPathOf(string id) => $"login/{id}/callback";

    /// <summary>What it is called on pages unless it is said otherwise.</summary>
    public static string NameOf(IdentityProvider provider) => provider.Kind switch
    {
        IdentityProviderKind.Google => "Google",
        IdentityProviderKind.Github => "GitHub",
        IdentityProviderKind.Microsoft => "Microsoft",
        _ => new Uri(provider.Issuer).Host,
    };

    /// <summary>Its own name for itself; null: it has many.</summary>
    public static string? IssuerOf(IdentityProvider provider) => provider.Kind switch
    {
        IdentityProviderKind.Google => "https://accounts.google.com",
        IdentityProviderKind.Github => GitHubIssuer,
        IdentityProviderKind.Microsoft => MicrosoftGroups.Contains(provider.Tenant) ? null
            : $"https://{MicrosoftHost}/{provider.Tenant}/v2.0",
        _ => provider.Issuer,
    };

    /// <summary>Whether what a provider's discovery document calls an endpoint of its is one that may be asked.</summary>
    public static bool MayAsk(IdentityProvider provider, Uri endpoint) => endpoint.Scheme == Uri.UriSchemeHttps
        && endpoint.UserInfo.Length == 0 && provider.Kind switch
        {
            IdentityProviderKind.Google => GoogleHosts.Contains(endpoint.Host),
            IdentityProviderKind.Microsoft => MicrosoftHosts.Contains(endpoint.Host),
            IdentityProviderKind.OpenidConnect => provider.EndpointHosts.Append(new Uri(provider.Issuer).Host).Contains(endpoint.Host,
                StringComparer.OrdinalIgnoreCase),
            // Its endpoints are in no document.
            _ => false,
        };

    /// <summary>Whether a secret that was given for one is good for the other: it goes to the same place, and says the same of
    /// us.</summary>
    public static bool AreAlike(IdentityProvider one, IdentityProvider other) =>
        (one.Kind, one.Issuer, one.Tenant, one.ClientId) == (other.Kind, other.Issuer, other.Tenant, other.ClientId)
            && one.EndpointHosts.SequenceEqual(other.EndpointHosts);

    /// <summary>The provider, as OpenIddict has it.</summary>
    public static OpenIddictClientRegistration Register(IdentityProvider provider, string secret)
    {
        var registration = new OpenIddictClientRegistration
        {
            RegistrationId = provider.Id,
            ProviderName = provider.Id,
            ClientId = provider.ClientId,
            ClientSecret = secret,
            // Each has its own: the answer of one is never taken for another's (RFC 9700, section 4.4.2).
            RedirectUri = new Uri(CallbackPathOf(provider.Id), UriKind.Relative),
            GrantTypes = { GrantTypes.AuthorizationCode },
            ResponseTypes = { ResponseTypes.Code },
            ResponseModes = { ResponseModes.Query },
            CodeChallengeMethods = { CodeChallengeMethods.Sha256 },
            // What is pushed has our secret in it, and goes to one endpoint more.
            DisablePushedAuthorizationRequests = true,
        };
        switch (provider.Kind)
        {
            case IdentityProviderKind.Google:
                (registration.ProviderType, registration.ProviderSettings) = (ProviderTypes.Google, new Settings.Google());
                break;
            case IdentityProviderKind.Github:
                (registration.ProviderType, registration.ProviderSettings) = (ProviderTypes.GitHub, new Settings.GitHub());
                break;
            case IdentityProviderKind.Microsoft:
                (registration.ProviderType, registration.ProviderSettings) = (ProviderTypes.Microsoft,
                    new Settings.Microsoft { Tenant = provider.Tenant });
                break;
            default: registration.Issuer = new Uri(provider.Issuer); break;
        }

        if (provider.Kind != IdentityProviderKind.Github)
            registration.Scopes.UnionWith([Scopes.OpenId, Scopes.Profile, Scopes.Email]);

        else if (provider.AllowedOrganizations.Count > 0)
            registration.Scopes.Add("read:org");

        if (provider is { Kind: IdentityProviderKind.Github, AllowedEmailDomains.Count: > 0 })
            registration.Scopes.Add("user:email");

        registration.Scopes.UnionWith(provider.Scopes);
        return registration;
    }
}
