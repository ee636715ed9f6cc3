namespace AuthSidecar.ControlPlane.Identity.Passwords;

internal static class PasswordSetup
{
    public static IServiceCollection AddPasswords(this IServiceCollection services, PasswordOptions options) => services
        .AddSingleton<ILookupNormalizer, Nfkc>()
        .AddSingleton(s => new PasswordHashing(s.GetRequiredService<SecretStore>(), options.Scheme))
        .AddSingleton(_ => new PasswordRules(options.Policy, options.CommonPasswords, options.Breached));
}
