namespace AuthSidecar.State;

internal static class StateSetup
{
    public static IServiceCollection AddState(this IServiceCollection services, string folder) => services
        .AddSingleton(new StateFolder(folder))
        .AddSingleton(s => s.GetRequiredService<StateFolder>().TakeAlone());
}
