namespace AuthSidecar.Cli.Policies;

/// <summary>The policies of a command, with what stands beside them.</summary>
/// <param name="Rules">The policies, and what their annotations mean.</param>
/// <param name="Schema">The schema; null: none was given.</param>
/// <param name="SchemaName">The name of its file, or of its files.</param>
/// <param name="Bundle">The bundle they are of; null: they are of files.</param>
internal sealed record PolicyInput(PolicyRules Rules, Schema? Schema, string SchemaName, BundleFiles? Bundle)
{
    public PolicySet Policies => Rules.Policies;

    /// <summary>A warning for each template without links, which decides nothing.</summary>
    public IEnumerable<string> UnlinkedTemplates => Policies.Templates.Select(
        t => t.Id).Except(Policies.Policies.Select(p => p.TemplateId ?? ""), StringComparer.Ordinal)
        .Select(id => $"template `{id}` has no links and never applies; link it in `{PolicyFiles.Links}`, or with --links");

    /// <summary>The bundle's entities; none without a bundle.</summary>
    /// <exception cref="UsageException">They are not well-formed.</exception>
    public EntityStore? ReadBundleEntities()
    {
        if (Bundle is null)
            return null;

        var faults = new List<Fault>();
        return EntitiesFile.Read(Bundle, Schema, faults) is { } entities && faults.Count == 0 ? entities : throw Sources.Refused(faults);
    }
}

/// <summary>The options that tell where policies are: files, with a schema and links, or a bundle that has all of it.</summary>
internal sealed class PolicyOptions
{
    private readonly Option<string[]> _policies = CliOption.Of<string[]>("--policies", "FILE",
        "A file of policies, in Cedar syntax or a policy set in JSON; a folder, for the `.cedar` files in it; or a pattern, such as "
            + "'policies/**/*.cedar'. May be repeated.");
    private readonly Option<string[]> _schema = CliOption.Of<string[]>(
        "--schema", "FILE", "The file with the schema, in Cedar syntax or in JSON. May be repeated: the schemas are linked (RFC 116).");
    private readonly Option<string[]> _links = CliOption.Of<string[]>("--links", "FILE",
        "A file with links of templates: `links.json` of a bundle, or as Cedar's own command line has them. May be repeated.");
    private readonly Option<string> _bundle = CliOption.Of<string>("--bundle", "FOLDER",
        "A bundle folder, instead of --policies, --schema and --links: its policies with its packs, schema, links and entities.");
    private readonly Option<string> _compat = CompatOption.Create(ofBundle: true);

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _policies, _schema, _links, _bundle, _compat })
            command.Add(option);
    }

    /// <summary>The bundle's folder; null: there is none.</summary>
    public string? FolderOf(ParseResult parsed) => parsed.GetValue(_bundle);

    /// <exception cref="UsageException">Something is missing, contradicts something else, or is not well-formed.</exception>
    public PolicyInput Read(ParseResult parsed)
    {
        var (files, schemas, links) = (parsed.GetValue(_policies) ?? [], parsed.GetValue(_schema) ?? [], parsed.GetValue(_links) ?? []);
        if (parsed.GetValue(_bundle) is { } folder)
        {
            return files.Length == 0 && schemas.Length == 0 && links.Length == 0
                ? ReadBundle(folder, CompatOption.Read(parsed, _compat))
                : throw new UsageException(
                    $"{_bundle.Name} already has the policies, schema and links: omit {_policies.Name}, {_schema.Name} and {_links.Name}");
        }

        if (files.Length == 0)
            throw new UsageException($"either {_policies.Name} or {_bundle.Name} is required");

        var policies = Sources.ReadPolicies(files, links, CompatOption.Read(parsed, _compat) ?? CedarReleases.Latest);
        var schema = schemas.Length == 0 ? null : Sources.ReadSchema(schemas);
        var faults = new List<Fault>();
        var rules = PolicyRules.Read(policies, schema, isStrict: true, faults);
        return faults.Count == 0 ? new PolicyInput(rules, schema, string.Join(", ", schemas), Bundle: null) : throw Sources.Refused(faults);
    }

    /// <exception cref="UsageException">No schema was given.</exception>
    public PolicyInput ReadWithSchema(ParseResult parsed) => Read(parsed) is { Schema: not null } input
        ? input
        : throw new UsageException(
            parsed.GetValue(_bundle) is null ? $"{_schema.Name} is required" : $"the bundle has no `{SchemaFile.Name}`");

    private static PolicyInput ReadBundle(string folder, CedarRelease? release)
    {
        var (files, faults) = (new BundleFiles(FolderListing.Of(folder).Read(folder)), new List<Fault>());
        if (BundleReader.ReadManifest(files, faults) is not { } manifest)
            throw Sources.Refused(faults);

        var schema = SchemaFile.Read(files, faults);
        return faults.Count == 0 && PolicyFiles.Parse(manifest, release ?? manifest.Release, files, schema, faults) is { } rules
            && faults.Count == 0
            ? new PolicyInput(rules, schema, SchemaFile.Name, files)
            : throw Sources.Refused(faults);
    }
}
