using AuthSidecar.ControlPlane.Sidecars.Enrolment;
using AuthSidecar.ControlPlane.Sidecars.Enrolment.Kubernetes;
using AuthSidecar.ControlPlane.Sidecars.Fleet;
using AuthSidecar.ControlPlane.Sidecars.Sync;
using AuthSidecar.ControlPlane.Sidecars.Trust;
using AuthSidecar.Tokens;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace AuthSidecar.ControlPlane.Sidecars.Management;

/// <summary>Registers the enrolment of sidecars, their trust anchors, their streams and their list.</summary>
internal static class SidecarSetup
{
    /// <param name="joinKubernetes">The file with the clusters whose pods may enrol; null: none.</param>
    public static IServiceCollection AddSidecars(this IServiceCollection services, string? joinKubernetes)
    {
        services.TryAddSingleton<DpopVerifier>();
        return services
            .AddSingleton<TrustRing>()
            .AddSingleton<TrustFollower>()
            .AddHostedService(s => s.GetRequiredService<TrustFollower>())
            .AddSingleton<SidecarAdmission>()
            .AddSingleton<SidecarRegistry>()
            .AddSingleton<JoinTokens>()
            .AddSingleton(s => new PodTokens(
                joinKubernetes, new TokenValidator(new VerifiedTokenCache(1), s.GetRequiredService<DpopVerifier>()),
                s.GetRequiredService<TimeProvider>(), s.GetRequiredService<ILogger<PodTokens>>()))
            .AddSingleton<UnsignedBundleReader>()
            .AddSingleton<UpdateBuilder>()
            .AddSingleton<SubscriptionReader>()
            .AddSingleton<SidecarFleet>()
            .AddSingleton<SidecarRoll>()
            .AddHostedService<Presence>();
    }
}
