namespace AuthSidecar.Bundles;

/// <summary>Policies, templates and links, and the schema.</summary>
internal sealed class PolicyData : DataType<PolicyRules>
{
    public static readonly PolicyData Type = new();

    private PolicyData()
        : base("policies", 1, new PolicyRules(PolicySet.Empty, new Dictionary<string, PolicyAnnotations>(), schema: null, isStrict: true))
    {
    }

    public override IReadOnlyList<string> Contents => [PolicyFiles.Folder, PolicyFiles.Links, SchemaFile.Name];

    public override bool Has(BundleFiles files, string entry) => entry == PolicyFiles.Folder ? files.Paths.Any(PolicyFiles.IsPolicyFile)
        : base.Has(files, entry);

    public override IEnumerable<string> FilesIn(BundleFiles files) =>
        [BundleManifest.FileName, .. files.Paths.Where(PolicyFiles.IsOfPolicies)];

    protected override PolicyRules? Read(Snapshot snapshot, BundleChange change, List<Fault> faults)
    {
        // Most often the schema stays, and to validate a hundred thousand entities once more takes its time.
        var schema = change.IsFolder ? change.Schema : SchemaFile.Read(change.Documents, snapshot.Entities.Value.Schema, faults);
        return PolicyFiles.Build(change.Manifest ?? BundleManifest.OfControlPlane, change.Documents, schema, faults);
    }

    /// <summary>A new schema is one for the entities that are there as well.</summary>
    protected override Snapshot Link(Snapshot snapshot, List<Fault> faults) =>
        snapshot.Entities is var entities && entities.Value.Schema == snapshot.Policies.Value.Schema
        ? snapshot
        : snapshot.With(
            EntityData.Type, entities with { Value = entities.Value.WithSchema(snapshot.Policies.Value.Schema, faults) ?? entities.Value });
}

internal static class PolicySnapshot
{
    extension(Snapshot snapshot)
    {
        public Revisioned<PolicyRules> Policies => snapshot.Get(PolicyData.Type);
    }
}
