namespace AuthSidecar.Bundles;

/// <summary><c>schema.cedarschema</c>: the schema of policies, entities and requests.</summary>
internal static class SchemaFile
{
    public const string Name = "schema.cedarschema";

    /// <summary>The schema; null without one, and beside a fault.</summary>
    public static Schema? Read(BundleFiles files, List<Fault> faults) => Read(files, before: null, faults)?.Schema;

    /// <summary>The schema, and its document; the one before where the document is the same.</summary>
    public static SchemaDocument? Read(BundleFiles files, SchemaDocument? before, List<Fault> faults)
    {
        if (!files.TryRead(Name, out var utf8))
            return null;

        if (before is not null && utf8.AsSpan().SequenceEqual(before.Utf8))
            return before;

        var found = new List<Fault>();
        if (Schema.TryParse(new SourceText(Name, utf8), out var schema, out var syntax))
            ContextContract.Check(schema, Name, found);

        faults.AddRange([.. syntax, .. found]);
        return schema is null ? null : new SchemaDocument(utf8, schema);
    }

    /// <summary>Whether documents have this schema, to the byte.</summary>
    public static bool Has(BundleFiles files, SchemaDocument? schema)
    {
        files.TryRead(Name, out var utf8);
        return utf8.AsSpan().SequenceEqual(schema?.Utf8);
    }
}
