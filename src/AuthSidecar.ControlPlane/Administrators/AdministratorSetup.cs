using AuthSidecar.ControlPlane.Administrators.Access;
using AuthSidecar.Tokens;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace AuthSidecar.ControlPlane.Administrators;

/// <summary>Registers administrators, and who may do what.</summary>
internal static class AdministratorSetup
{
    /// <summary>Of administrators, who are few.</summary>
    private const int MaxRememberedTokens = 1_000;

    public static IServiceCollection AddAdministrators(this IServiceCollection services)
    {
        services.TryAddSingleton<DpopVerifier>();
        return services
            .AddSingleton(s => new TokenValidator(new VerifiedTokenCache(MaxRememberedTokens), s.GetRequiredService<DpopVerifier>()))
            .AddSingleton<AccessPolicies>()
            .AddSingleton<BearerAuthentication>()
            .AddSingleton<AdministratorAccounts>()
            .AddSingleton<AccessInterceptor>();
    }
}
