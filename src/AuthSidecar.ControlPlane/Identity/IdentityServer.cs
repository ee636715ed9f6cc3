using AuthSidecar.ControlPlane.Hosting;
using AuthSidecar.ControlPlane.Store;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Options;
using OpenIddict.Server;
using static OpenIddict.Server.OpenIddictServerEvents;

namespace AuthSidecar.ControlPlane.Identity;

/// <summary>The OAuth 2.0 server: OpenIddict, with our store, our keys and our answers.</summary>
internal static class IdentityServer
{
    public static readonly TimeSpan AccessTokenLifetime = TimeSpan.FromMinutes(15);

    public static IServiceCollection AddIdentityServer(this IServiceCollection services, ServeOptions options)
    {
        services.AddSingleton<KeyRing>();
        if (options.Url is null)
        {
            return services;
        }

        // Asked for by the framework; nothing is protected with it.
        services.AddDataProtection().UseEphemeralDataProtectionProvider();
        services.AddScoped(s => s.GetRequiredService<Database>().Open());
        services.AddOpenIddict()
            .AddCore(core => core.UseEntityFrameworkCore().UseDbContext<StoreContext>())
            .AddServer(server =>
            {
                server.SetIssuer(options.Url)
                    .SetTokenEndpointUris("oauth2/token")
                    .SetJsonWebKeySetEndpointUris(".well-known/jwks.json")
                    .AllowClientCredentialsFlow()
                    .SetAccessTokenLifetime(AccessTokenLifetime)
                    // Read by whoever they are for (RFC 9068).
                    .DisableAccessTokenEncryption()
                    .AddEventHandler<HandleTokenRequestContext>(handler => handler.UseSingletonHandler<TokenRequests>());
                server.UseAspNetCore();
            });
        // It is configured anew whenever our keys change.
        return services
            .AddSingleton<IConfigureOptions<OpenIddictServerOptions>>(s => s.GetRequiredService<KeyRing>())
            .AddSingleton<IOptionsChangeTokenSource<OpenIddictServerOptions>>(s => s.GetRequiredService<KeyRing>())
            .AddHostedService(s => s.GetRequiredService<KeyRing>());
    }

    /// <summary>Answers the server's endpoints, on the one listener where they are.</summary>
    public static void UseIdentityServer(this WebApplication app)
    {
        if (app.Services.GetRequiredService<ServeOptions>().Url is not null)
        {
            // Said here, or the framework adds another for all listeners, in front of everything.
            ((IApplicationBuilder)app).Properties["__AuthenticationMiddlewareSet"] = true;
            app.UseWhen(context => Listeners.Of(context) == Listener.Network, network => network.UseAuthentication());
        }
    }
}
