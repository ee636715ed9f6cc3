using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Publications;

/// <summary>The documents that policies are published in: those of a bundle folder, held against what sidecars hold them against.</summary>
internal static class PolicyDocuments
{
    private const int MaxBytes = 4 * 1024 * 1024;

    /// <summary>Holds documents against everything that can be known of them here.</summary>
    public static (IReadOnlyList<Fault> Faults, IReadOnlyList<Fault> Warnings) Validate(IReadOnlyList<Document> documents)
    {
        var faults = new List<Fault>();
        CheckPaths(documents, faults);
        var files = ToFiles(documents);
        var rules = PolicyFiles.Build(BundleManifest.OfControlPlane, files, SchemaFile.Read(files, before: null, faults), faults);
        return (faults, rules?.Warnings ?? []);
    }

    /// <summary>The same of those that are for an application. For that of the control plane itself the schema must have administrators:
    /// with another, nobody would be one, and none could publish the right one over HTTPS.</summary>
    public static (IReadOnlyList<Fault> Faults, IReadOnlyList<Fault> Warnings) Validate(
        string application, IReadOnlyList<Document> documents)
    {
        var (faults, warnings) = Validate(documents);
        return faults.Count == 0 && application == Placement.ControlPlaneApplication
            && BuiltInPolicies.SchemaOf(application, documents)?.EntityTypes.ContainsKey(BuiltInPolicies.AdministratorType) is not true
            ? ([new Fault(SchemaFile.Name, 0, 0,
                $"the schema of application `{application}` (the control plane) must declare `{BuiltInPolicies.AdministratorType}`",
                "begin with the policies that `authsidecar-control policies write-built-in` writes")], warnings)
            : (faults, warnings);
    }

    /// <summary>The policies, with their links.</summary>
    public static bool TryRead(
        IReadOnlyList<Document> documents, [NotNullWhen(true)] out PolicySet? policies, out IReadOnlyList<Fault> faults)
    {
        var found = new List<Fault>();
        policies = PolicyFiles.Build(BundleManifest.OfControlPlane, ToFiles(documents), schema: null, found)?.Policies;
        faults = found;
        return policies is not null && found.Count == 0;
    }

    /// <summary>The schema; null without one, and beside a fault.</summary>
    public static Schema? ReadSchema(IReadOnlyList<Document> documents, List<Fault> faults) => SchemaFile.Read(ToFiles(documents), faults);

    private static BundleFiles ToFiles(IReadOnlyList<Document> documents) => new(new SortedDictionary<string, byte[]>(
        documents.DistinctBy(d => d.Path).ToDictionary(d => d.Path, d => d.Content.ToByteArray()), StringComparer.Ordinal));

    private static void CheckPaths(IReadOnlyList<Document> documents, List<Fault> faults)
    {
        var paths = new HashSet<string>(StringComparer.Ordinal);
        foreach (var document in documents)
        {
            if (!PolicyFiles.IsOfPolicies(document.Path))
            {
                faults.Add(new Fault(document.Path, 0, 0, $"unexpected document `{document.Path}`",
                    $"expected `{PolicyFiles.Folder}/….cedar`, `{SchemaFile.Name}` and `{PolicyFiles.Links}`"));
            }
            else if (!paths.Add(document.Path))
            {
                faults.Add(new Fault(document.Path, 0, 0, $"`{document.Path}` is given twice"));
            }
        }

        if (documents.Sum(d => (long)d.Content.Length) > MaxBytes)
            faults.Add(new Fault("", 0, 0, $"the documents have more than {MaxBytes / (1024 * 1024)} MiB"));
    }
}
