using AuthSidecar.State;

namespace AuthSidecar.Mfa;

internal static class MfaSetup
{
    public static IServiceCollection AddMfa(this IServiceCollection services, TimeSpan proofLifetime) => services
        .AddSingleton(s => MfaAttemptStore.Open(s.GetRequiredService<StateFolder>().MfaAttempts, new MfaAttemptLimits()))
        .AddSingleton(s => new MfaProofs(
            s.GetRequiredService<StateFolder>().MfaProofKey(), s.GetRequiredService<TokenValidator>(), proofLifetime))
        .AddSingleton(s => new MfaVerifier(s.GetRequiredService<MfaAttemptStore>(), s.GetRequiredService<MfaProofs>()));
}
