namespace AuthSidecar.Bundles;

/// <summary><c>entities.json</c>, in Cedar's format.</summary>
internal static class EntitiesFile
{
    public const string FileName = "entities.json";

    /// <summary>The entities, and the actions of the schema; null beside faults.</summary>
    public static EntityStore? Read(BundleFiles files, Schema? schema, List<Fault> faults)
    {
        var text = files.TryRead(FileName, out var bytes) ? new SourceText(FileName, bytes) : SourceText.Of("[]", FileName);
        EntityStore.TryParse(text, schema, out var store, out var found);
        faults.AddRange(found);
        return store;
    }
}
