namespace AuthSidecar.ControlPlane.Publications;

/// <summary>Registers what reads publications.</summary>
internal static class PublicationSetup
{
    public static IServiceCollection AddPublications(this IServiceCollection services) => services.AddSingleton<SchemaSource>();
}
