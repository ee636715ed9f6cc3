using Microsoft.Extensions.Options;
using OpenIddict.Client;
using Polly;
using static OpenIddict.Client.OpenIddictClientEvents;

namespace AuthSidecar.ControlPlane.Identity.Providers;

/// <summary>Us as a client of providers elsewhere: OpenIddict's, with our store, and with nothing left to what a provider says it can
/// do.</summary>
internal static class ProviderClient
{
    private const int MaxResponseBytes = 256 * 1024;

    /// <summary>Somebody is waiting, in front of a browser.</summary>
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    public static IServiceCollection AddIdentityProviders(this IServiceCollection services, IdentityServerOptions options)
    {
        services.AddOpenIddict().AddClient(client =>
        {
            client.SetClientUri(options.Url!)
                .AllowAuthorizationCodeFlow()
                // It insists on one also while there is no provider; no id of one is like that.
                .SetRedirectionEndpointUris(ProviderKinds.CallbackPathOf("-"))
                .AddEventHandler<HandleConfigurationResponseContext>(
                    h => h.UseSingletonHandler<DiscoveredEndpoints>().SetOrder(int.MaxValue - 50_000));
            var web = client.UseAspNetCore()
                .EnableRedirectionEndpointPassthrough()
                .EnableErrorPassthrough();
            web.Configure(o => (o.CookieBuilder.Name, o.CookieBuilder.SameSite) = ("__Host-identity-provider", SameSiteMode.Lax));
            client.UseSystemNetHttp()
                // A code is redeemed once, and whoever waits can try again themselves.
                .SetHttpResiliencePipeline(ResiliencePipeline<HttpResponseMessage>.Empty)
                .ConfigureHttpClientHandler(handler => handler.AllowAutoRedirect = false)
                .ConfigureHttpClient(http => (http.Timeout, http.MaxResponseContentBufferSize) = (Timeout, MaxResponseBytes));
            client.UseWebProviders();
        });
        services.AddHttpClient<AllowedUsers>(http =>
            {
                (http.BaseAddress, http.Timeout, http.MaxResponseContentBufferSize) = (new Uri("https://api.github.com"), Timeout,
                    MaxResponseBytes);
                // Without a name it answers nobody.
                http.DefaultRequestHeaders.UserAgent.ParseAdd("AuthSidecar");
                http.DefaultRequestHeaders.Accept.ParseAdd("application/vnd.github+json");
            })
            .ConfigurePrimaryHttpMessageHandler(() => new SocketsHttpHandler { AllowAutoRedirect = false });
        return services
            .AddSingleton<ConfiguredProviders>()
            .AddSingleton<IConfigureOptions<OpenIddictClientOptions>>(s => s.GetRequiredService<ConfiguredProviders>())
            .AddSingleton<IOptionsChangeTokenSource<OpenIddictClientOptions>>(s => s.GetRequiredService<ConfiguredProviders>())
            .AddHostedService(s => s.GetRequiredService<ConfiguredProviders>());
    }

    /// <summary>Looks at what a discovery document says before anything of it is used.</summary>
    internal sealed class DiscoveredEndpoints(ConfiguredProviders providers) : IOpenIddictClientHandler<HandleConfigurationResponseContext>
    {
        public ValueTask HandleAsync(HandleConfigurationResponseContext context)
        {
            var found = context.Configuration;
            if (providers.Find(context.Registration.RegistrationId!) is not { } provider
                || new[] { found.AuthorizationEndpoint, found.TokenEndpoint, found.UserInfoEndpoint,
                    found.JsonWebKeySetUri }.FirstOrDefault(e => e is not null && !ProviderKinds.MayAsk(provider, e)) is not null)
            {
                context.Reject(
                    Errors.ServerError, "the discovery document of the provider names endpoints on another host: see `endpoint_hosts`");
                return ValueTask.CompletedTask;
            }

            // Also from who does not say that it knows PKCE: whoever does not know it passes over it (RFC 9700, section 2.1.1).
            found.CodeChallengeMethodsSupported.Clear();
            found.CodeChallengeMethodsSupported.Add(CodeChallengeMethods.Sha256);
            return ValueTask.CompletedTask;
        }
    }
}
