namespace AuthSidecar.ControlPlane.Secrets;

/// <summary>Registers the secrets and the vault that wraps their keys.</summary>
internal static class SecretSetup
{
    public static IServiceCollection AddSecrets(this IServiceCollection services, KeyVault keyVault) => services
        .AddSingleton(keyVault)
        .AddSingleton<SecretStore>();
}
