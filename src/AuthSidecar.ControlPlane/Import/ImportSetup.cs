namespace AuthSidecar.ControlPlane.Import;

/// <summary>Registers the import of bundles.</summary>
internal static class ImportSetup
{
    public static IServiceCollection AddImport(this IServiceCollection services) => services.AddSingleton<BundleImporter>();
}
