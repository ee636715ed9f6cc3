using AuthSidecar.Api.Wire;
using AuthSidecar.Telemetry;
using Grpc.Health.V1;
using Grpc.HealthCheck;
using Grpc.Reflection;

namespace AuthSidecar.Api.Calls;

/// <summary>The calls of the contract, the health of gRPC and, for development, its reflection.</summary>
internal static class CallsSetup
{
    public static IServiceCollection AddCalls(this IServiceCollection services, bool isDevelopment)
    {
        services.AddGrpc(grpc => grpc.MaxReceiveMessageSize = UnaryEndpoints.MaxHealthBytes);
        services.AddSingleton<DecisionCounter>();
        services.AddSingleton<MismatchLog>();
        services.AddSingleton<HealthServiceImpl>();
        services.AddSingleton<AuthSidecarService>();
        services.AddSingleton<RequestReader>();
        services.AddSingleton<UnaryEndpoints>();
        if (isDevelopment)
            services.AddSingleton(new ReflectionServiceImpl(V1.AuthSidecarService.Descriptor, Health.Descriptor));

        return services;
    }

    public static void MapCalls(this WebApplication app)
    {
        var calls = app.Services.GetRequiredService<UnaryEndpoints>();
        calls.Use(app);
        app.UseRouting();
        calls.UseOthers(app);
        app.MapGrpcService<HealthServiceImpl>();
        if (app.Environment.IsDevelopment())
            app.MapGrpcService<ReflectionServiceImpl>();
    }
}
