namespace AuthSidecar.ControlPlane.Api;

/// <summary>Registers what all calls share.</summary>
internal static class ApiSetup
{
    public static IServiceCollection AddApi(this IServiceCollection services, AddressOptions addresses) => services
        .AddSingleton(addresses)
        .AddSingleton<AddressRateLimiter>()
        .AddSingleton<ErrorInterceptor>()
        .AddOpenApi();
}
