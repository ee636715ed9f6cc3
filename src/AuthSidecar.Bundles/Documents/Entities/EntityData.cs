namespace AuthSidecar.Bundles;

/// <summary>Entities: users, groups, roles and their memberships, and what rarely changes about resources.</summary>
internal sealed class EntityData : DataType<EntitySet>
{
    public static readonly EntityData Type = new();

    private EntityData()
        : base("entities", 2, EntitySet.Empty)
    {
    }

    public override IReadOnlyList<string> Contents => [EntitiesFile.FileName];

    // What conforms to one schema may not conform to another.
    public override IEnumerable<string> FilesIn(BundleFiles files) => [EntitiesFile.FileName, SchemaFile.Name];

    protected override EntitySet? Read(Snapshot snapshot, BundleChange change, List<Fault> faults) =>
        change.IsFolder ? ReadFolder(change, faults) : ReadStream(snapshot.Entities.Value, change, faults);

    private static EntitySet? ReadFolder(BundleChange change, List<Fault> faults) =>
        EntitiesFile.Read(change.Documents, change.Schema?.Schema, faults) is { } store
        ? EntitySet.Empty with { Store = store, Schema = change.Schema }
        : null;

    private static EntitySet? ReadStream(EntitySet before, BundleChange change, List<Fault> faults)
    {
        if (!change.Documents.TryRead(EntitiesFile.FileName, out var json))
        {
            faults.Add(new Fault(EntitiesFile.FileName, 0, 0, $"missing `{EntitiesFile.FileName}`"));
            return null;
        }

        return (change.IsDelta ? before : EntitySet.Empty with { Schema = before.Schema }).With(new SourceText(EntitiesFile.FileName, json),
            change.Removed, faults);
    }
}

internal static class EntitySnapshot
{
    extension(Snapshot snapshot)
    {
        public Revisioned<EntitySet> Entities => snapshot.Get(EntityData.Type);

        /// <summary>With all entities, and no schema to conform to until policies bring one.</summary>
        public Snapshot WithoutSchema() => snapshot.Entities is { Value.Schema: not null } entities
            ? snapshot.With(EntityData.Type, entities with
            {
                Value = entities.Value.WithSchema(schema: null, [])
                    ?? throw new InvalidOperationException("entities that fit together do so without a schema"),
            })
            : snapshot;
    }
}
