namespace AuthSidecar.ControlPlane.Policies;

/// <summary>Registers the publishing of policies.</summary>
internal static class PolicySetup
{
    public static IServiceCollection AddPolicies(this IServiceCollection services) => services.AddSingleton<PolicyPublisher>();
}
