namespace AuthSidecar.Bundles;

/// <summary>Builds the policies of a bundle: packs, <c>policies/*.cedar</c>, <c>links.json</c>.</summary>
internal static class PolicyFiles
{
    public const string Folder = "policies";
    public const string Links = "links.json";
    private const string Extension = ".cedar";
    private const int MaxPathLength = 512;

    /// <summary>Whether it is a path such as <c>policies/team/readers.cedar</c>, which leads nowhere else.</summary>
    public static bool IsPolicyFile(string path) =>
        path.StartsWith($"{Folder}/", StringComparison.Ordinal) && path.EndsWith(Extension, StringComparison.Ordinal)
            && path.Length <= MaxPathLength
        && path.Split('/').All(s => s.Length > 0 && s[0] != '.' && !s.Any(c => char.IsControl(c) || c == '\\'));

    /// <summary>Whether it is one of the files that policies are published in.</summary>
    public static bool IsOfPolicies(string path) => IsPolicyFile(path) || path is SchemaFile.Name or Links;

    /// <summary>The file that a pack is published as: under the name that its policies without an id are called by.</summary>
    public static string PathOfPack(string pack) => $"{Folder}/{pack}{Extension}";

    /// <summary>The files that the policies of a bundle are published in, its packs among them: whoever follows a control plane has no
    /// others.</summary>
    /// <remarks>The packs are those of a manifest that was read without faults.</remarks>
    public static SortedDictionary<string, byte[]> DocumentsOf(BundleFiles files, IReadOnlyList<string> packs)
    {
        var documents = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var path in files.Paths.Where(IsOfPolicies))
        {
            files.TryRead(path, out var content);
            documents.Add(path, content!);
        }

        foreach (var pack in packs)
            documents.Add(PathOfPack(pack), PolicyPacks.Find(pack)!);

        return documents;
    }

    /// <summary>The rules, valid under the schema; null where the policies cannot be read, and otherwise of no use beside faults.</summary>
    public static PolicyRules? Build(BundleManifest manifest, BundleFiles files, SchemaDocument? schema, List<Fault> faults)
    {
        var rules = Parse(manifest, manifest.Release, files, schema?.Schema, faults);
        if (rules is null || schema is null)
            return rules;

        var validation = new Validator(schema.Schema).Validate(rules.Policies);
        faults.AddRange(Distinct(validation.Errors));
        return rules.With(schema, [.. Distinct(validation.Warnings)]);
    }

    /// <summary>The rules, not held against the schema; null where the policies cannot be read.</summary>
    public static PolicyRules? Parse(BundleManifest manifest, CedarRelease release, BundleFiles files, Schema? schema, List<Fault> faults)
    {
        var builder = new PolicySetBuilder(release);
        foreach (var pack in manifest.Packs)
            builder.AddFile(new SourceText($"{pack} pack", PolicyPacks.Find(pack)!), pack);

        var empty = new List<string>();
        foreach (var path in files.Paths.Where(IsPolicyFile))
        {
            files.TryRead(path, out var text);
            if (builder.AddFile(new SourceText(path, text!), path[(Folder.Length + 1)..^Extension.Length]) == 0)
                empty.Add(path);
        }

        if (files.TryRead(Links, out var links))
            builder.AddLinks(new SourceText(Links, links));

        if (!builder.TryBuild(out var policies, out var policyFaults))
        {
            faults.AddRange(policyFaults);
            return null;
        }

        // A file that lost its content must not pass for one that was meant to be empty: its forbids would be gone.
        faults.AddRange(empty.Select(p => new Fault(p, 1, 1, "the file contains no policy", "restore its content, or remove the file")));
        return PolicyRules.Read(policies, schema, manifest.StrictForbid, faults);
    }

    /// <summary>The same mistake is one for every action it is made for; it is mended once.</summary>
    private static IEnumerable<Fault> Distinct(IEnumerable<ValidationFinding> findings) => findings.Select(f => f.Fault).Distinct();
}
