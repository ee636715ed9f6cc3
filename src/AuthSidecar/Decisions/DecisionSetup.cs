using AuthSidecar.Mfa;
using AuthSidecar.Risk;

namespace AuthSidecar.Decisions;

internal static class DecisionSetup
{
    public static IServiceCollection AddDecisions(this IServiceCollection services, RequestValidation validation) => services
        .AddSingleton(s => new ActivityTracker(s.GetRequiredService<TimeProvider>()))
        .AddSingleton(s => new DecisionPoint(
            s.GetRequiredService<TokenValidator>(), s.GetRequiredService<MfaProofs>(), s.GetRequiredService<ActivityTracker>(),
            s.GetRequiredService<MfaAttemptStore>(), validation));
}
