namespace AuthSidecar.ControlPlane.Telemetry;

/// <summary>Registers metrics, and the log of authentications.</summary>
internal static class TelemetrySetup
{
    public static IServiceCollection AddTelemetry(this IServiceCollection services) => services
        .AddMetrics()
        .AddSingleton<AuthenticationLog>()
        .AddHostedService(s => s.GetRequiredService<AuthenticationLog>());
}
