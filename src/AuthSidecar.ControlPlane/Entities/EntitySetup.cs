namespace AuthSidecar.ControlPlane.Entities;

/// <summary>Registers the entities and their applications.</summary>
internal static class EntitySetup
{
    public static IServiceCollection AddEntities(this IServiceCollection services) => services
        .AddSingleton<Applications>()
        .AddSingleton<EntityCache>()
        .AddSingleton<EntityWriter>()
        .AddSingleton<EntityImport>();
}
