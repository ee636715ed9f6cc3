using AuthSidecar.ControlPlane.Identity.Accounts;
using AuthSidecar.ControlPlane.Identity.Clients;
using AuthSidecar.ControlPlane.Identity.Grants;
using AuthSidecar.ControlPlane.Identity.Keys;
using AuthSidecar.ControlPlane.Identity.Pages;
using AuthSidecar.ControlPlane.Identity.Providers;
using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.Identity.SignIn;
using AuthSidecar.Tokens;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using static OpenIddict.Server.OpenIddictServerHandlers;

namespace AuthSidecar.ControlPlane.Identity.Server;

/// <summary>The OAuth 2.0 and OpenID Connect server: OpenIddict, with our store, our keys, our refresh tokens and our answers.</summary>
internal static class IdentityServer
{
    private const int MaxLogoutResponseBytes = 64 * 1024;

    public static IServiceCollection AddIdentityServer(this IServiceCollection services, IdentityServerOptions options)
    {
        services
            .AddSingleton(options)
            .AddSingleton<KeyRing>()
            .AddSingleton<GrantStore>()
            .AddAccounts();
        if (options.Url is null)
            return services;

        services.AddScoped(s => s.GetRequiredService<Database>().Open());
        services.AddOpenIddict()
            .AddCore(core => core.UseEntityFrameworkCore().UseDbContext<StoreContext>())
            .AddServer(server =>
            {
                server.SetIssuer(options.Url)
                    .SetAuthorizationEndpointUris(ServerConstants.AuthorizePath)
                    .SetTokenEndpointUris(ServerConstants.TokenPath)
                    .SetDeviceAuthorizationEndpointUris("oauth2/device_authorization")
                    .SetEndUserVerificationEndpointUris(ServerConstants.DevicePath)
                    .SetIntrospectionEndpointUris("oauth2/introspect")
                    .SetRevocationEndpointUris("oauth2/revoke")
                    .SetUserInfoEndpointUris(ServerConstants.UserInfoPath)
                    .SetEndSessionEndpointUris(ServerConstants.LogoutPath)
                    .SetJsonWebKeySetEndpointUris(".well-known/jwks.json")
                    .AllowClientCredentialsFlow()
                    .AllowAuthorizationCodeFlow()
                    .AllowDeviceAuthorizationFlow()
                    .AllowRefreshTokenFlow()
                    .RequireProofKeyForCodeExchange()
                    .Configure(o => o.CodeChallengeMethods.IntersectWith([CodeChallengeMethods.Sha256]))
                    // A page that submits itself has a script, which our pages have none of.
                    .Configure(o => o.ResponseModes.IntersectWith([ResponseModes.Query]))
                    .SetAccessTokenLifetime(ServerConstants.AccessTokenLifetime)
                    .SetRefreshTokenLifetime(GrantStore.RefreshTokenLifetime)
                    .RegisterScopes(Scopes.Profile, Scopes.Email, Scopes.OfflineAccess)
                    // We keep grants ourselves.
                    .DisableAuthorizationStorage()
                    // Each client has its own, which is looked at.
                    .DisableScopeValidation()
                    // Read by whoever they are for (RFC 9068).
                    .DisableAccessTokenEncryption()
                    .AddHandlers();
                server.UseAspNetCore()
                    .EnableAuthorizationEndpointPassthrough()
                    .EnableEndUserVerificationEndpointPassthrough()
                    .EnableEndSessionEndpointPassthrough();
            });
        services.AddHttpClient(BackchannelLogout.HttpClientName,
            http => (http.Timeout, http.MaxResponseContentBufferSize) = (BackchannelLogout.Timeout, MaxLogoutResponseBytes))
            .ConfigurePrimaryHttpMessageHandler(() => new SocketsHttpHandler
            {
                AllowAutoRedirect = false,
                UseProxy = false,
                ConnectCallback = (context, cancellation) => PublicAddresses.ConnectAsync(
                    context, options.LogoutPrivateHosts.Contains(
                        context.DnsEndPoint.Host, StringComparer.OrdinalIgnoreCase), "--logout-private-host", cancellation),
            });
        // It is configured anew whenever our keys change.
        return services
            .AddHostedService<BackchannelLogout>()
            .AddSingleton<IConfigureOptions<OpenIddictServerOptions>>(s => s.GetRequiredService<KeyRing>())
            .AddSingleton<IOptionsChangeTokenSource<OpenIddictServerOptions>>(s => s.GetRequiredService<KeyRing>())
            .AddHostedService(s => s.GetRequiredService<KeyRing>())
            .AddIdentityProviders(options)
            .AddPages();
    }

    /// <summary>Answers the server's endpoints, on the listeners where they are.</summary>
    public static void UseIdentityServer(this WebApplication app)
    {
        if (app.Services.GetRequiredService<IdentityServerOptions>().Url is { } url)
        {
            // Said here, or the framework adds another for all listeners, in front of everything.
            ((IApplicationBuilder)app).Properties["__AuthenticationMiddlewareSet"] = true;
            app.UseWhen(context => context.Listener is Listener.Network or Listener.Certificates, network =>
            {
                network.Use((context, next) =>
                {
                    // What we say of ourselves is what we are called, whatever somebody calls us: addresses in metadata and answers are
                    // made of it.
                    (context.Request.Scheme, context.Request.Host) = (url.Scheme, new HostString(url.Authority));
                    return next(context);
                });
                network.UseClientCertificates();
                network.UseAuthentication();
            });
        }
    }

    private static OpenIddictServerBuilder AddHandlers(this OpenIddictServerBuilder server) => server
        .AddEventHandler<HandleTokenRequestContext>(h => h.UseSingletonHandler<TokenRequests>())
        .AddEventHandler<HandleUserInfoRequestContext>(h => h.UseSingletonHandler<UserInfoRequests>())
        .AddEventHandler<HandleIntrospectionRequestContext>(h => h.UseSingletonHandler<IntrospectionRequests>())
        .AddEventHandler<HandleRevocationRequestContext>(
            h => h.UseSingletonHandler<RevocationRequests>().SetOrder(Revocation.RevokeToken.Descriptor.Order - 500))
        .AddEventHandler<GenerateTokenContext>(h => h.UseSingletonHandler<TokenWriter>().SetOrder(int.MinValue + 50_000))
        .AddEventHandler<ValidateTokenContext>(h => h.UseSingletonHandler<ClientAssertions.Types>().SetOrder(
            Protection.ResolveTokenValidationParameters.Descriptor.Order + 500))
        .AddEventHandler<ValidateTokenContext>(
            h => h.UseSingletonHandler<ClientAssertions.Meaning>().SetOrder(Protection.ValidateIdentityModelToken.Descriptor.Order + 500))
        .AddEventHandler<ValidateTokenContext>(
            h => h.UseSingletonHandler<ClientAssertions.Use>().SetOrder(Protection.ValidateExpirationDate.Descriptor.Order + 500))
        .AddEventHandler<ValidateTokenContext>(
            h => h.UseSingletonHandler<RefreshTokenReader>().SetOrder(Protection.ValidateReferenceTokenIdentifier.Descriptor.Order - 500))
        .AddEventHandler<ValidateTokenContext>(
            h => h.UseSingletonHandler<TokenStateReader>().SetOrder(Protection.RestoreTokenEntryProperties.Descriptor.Order - 500))
        .AddEventHandler<ValidateTokenRequestContext>(h => h.UseSingletonHandler<PossessionProofs>())
        .AddEventHandler<ExtractUserInfoRequestContext>(
            h => h.UseSingletonHandler<PossessionProofs.Extraction>().SetOrder(int.MaxValue - 50_000))
        .AddEventHandler<ProcessSignInContext>(h => h.UseSingletonHandler<DeviceRequests>().SetOrder(int.MinValue + 50_000))
        .AddEventHandler<ApplyDeviceAuthorizationResponseContext>(
            h => h.UseSingletonHandler<DeviceRequests>().SetOrder(int.MinValue + 30_000))
        .AddEventHandler<ApplyTokenResponseContext>(h => h.UseSingletonHandler<DeviceRequests>().SetOrder(int.MinValue + 30_000))
        .AddEventHandler<ApplyAuthorizationResponseContext>(h => h.UseSingletonHandler<EndpointResponses>().SetOrder(int.MinValue + 40_000))
        .AddEventHandler<ApplyConfigurationResponseContext>(h => h.UseSingletonHandler<EndpointResponses>().SetOrder(int.MinValue + 40_000))
        .AddEventHandler<ApplyDeviceAuthorizationResponseContext>(
            h => h.UseSingletonHandler<EndpointResponses>().SetOrder(int.MinValue + 40_000))
        .AddEventHandler<ApplyEndUserVerificationResponseContext>(
            h => h.UseSingletonHandler<EndpointResponses>().SetOrder(int.MinValue + 40_000))
        .AddEventHandler<ApplyJsonWebKeySetResponseContext>(h => h.UseSingletonHandler<EndpointResponses>().SetOrder(int.MinValue + 40_000))
        .AddEventHandler<ApplyEndSessionResponseContext>(h => h.UseSingletonHandler<EndpointResponses>().SetOrder(int.MinValue + 40_000))
        .AddEventHandler<ApplyIntrospectionResponseContext>(h => h.UseSingletonHandler<EndpointResponses>().SetOrder(int.MinValue + 40_000))
        .AddEventHandler<ApplyRevocationResponseContext>(h => h.UseSingletonHandler<EndpointResponses>().SetOrder(int.MinValue + 40_000))
        .AddEventHandler<ApplyTokenResponseContext>(h => h.UseSingletonHandler<EndpointResponses>().SetOrder(int.MinValue + 40_000))
        .AddEventHandler<ApplyUserInfoResponseContext>(h => h.UseSingletonHandler<EndpointResponses>().SetOrder(int.MinValue + 40_000))
        .AddEventHandler<ApplyTokenResponseContext>(h => h.UseSingletonHandler<PossessionProofs.Response>().SetOrder(int.MinValue + 50_000))
        .AddEventHandler<HandleConfigurationRequestContext>(h => h.UseSingletonHandler<Metadata>().SetOrder(int.MaxValue - 50_000));

    private static IServiceCollection AddAccounts(this IServiceCollection services)
    {
        services.AddOptions<IdentityOptions>();
        services.TryAddSingleton<DpopVerifier>();
        return services
            .AddSingleton<IdentityErrorDescriber>()
            .AddSingleton<IUserValidator<Account>, UserValidator<Account>>()
            .AddSingleton<AccountManagers>()
            .AddSingleton<AccountDirectory>()
            .AddSingleton<SessionStore>()
            .AddSingleton<SecondFactors>()
            .AddSingleton<ProviderLogins>()
            .AddSingleton<SignInAttempts>()
            .AddSingleton<ResetLinks>()
            .AddSingleton<SpentTokens>()
            .AddSingleton<FailedSignIns>()
            .AddHostedService(s => s.GetRequiredService<FailedSignIns>())
            .AddSingleton<SignInService>();
    }
}
