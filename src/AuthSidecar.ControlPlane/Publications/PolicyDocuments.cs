using System.Diagnostics.CodeAnalysis;
using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf;

namespace AuthSidecar.ControlPlane.Publications;

/// <summary>The documents that policies are published in: those of a bundle folder.</summary>
internal static class PolicyDocuments
{
    public const string Schema = "schema.cedarschema";
    public const string Links = "links.json";
    private const string Folder = "policies/";
    private const string Extension = ".cedar";
    private const int MaxBytes = 4 * 1024 * 1024;

    /// <summary>The documents of a folder.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static IReadOnlyList<Document> Load(string folder)
    {
        var policies = Path.Combine(folder, Folder);
        IEnumerable<string> files = System.IO.Directory.Exists(policies) ? System.IO.Directory.EnumerateFiles(policies, $"*{Extension}") : [];
        return
        [
            .. files.Select(p => Folder + Path.GetFileName(p)).Order(StringComparer.Ordinal).Concat([Schema, Links])
                .Where(n => File.Exists(Path.Combine(folder, n)))
                .Select(n => new Document { Path = n, Content = ByteString.CopyFrom(File.ReadAllBytes(Path.Combine(folder, n))) }),
        ];
    }

    /// <summary>Holds documents against everything that can be known of them here.</summary>
    public static (IReadOnlyList<Fault> Faults, IReadOnlyList<Fault> Warnings) Validate(IReadOnlyList<Document> documents)
    {
        var faults = new List<Fault>();
        CheckPaths(documents, faults);
        var schema = ReadSchema(documents, faults);
        if (!TryRead(documents, out var policies, out var policyFaults))
        {
            return ([.. faults, .. policyFaults], []);
        }

        if (schema is null)
        {
            return (faults, []);
        }

        var validation = new Validator(schema).Validate(policies);
        return ([.. faults, .. Distinct(validation.Errors)], Distinct(validation.Warnings));
    }

    /// <summary>The policies, with their links.</summary>
    public static bool TryRead(IReadOnlyList<Document> documents, [NotNullWhen(true)] out PolicySet? policies, out IReadOnlyList<Fault> faults)
    {
        var builder = new PolicySetBuilder();
        foreach (var document in documents.Where(d => IsPolicyFile(d.Path)))
        {
            builder.AddFile(new SourceText(document.Path, document.Content.ToByteArray()), document.Path[Folder.Length..^Extension.Length]);
        }

        if (documents.FirstOrDefault(d => d.Path == Links) is { } links)
        {
            builder.AddLinks(new SourceText(Links, links.Content.ToByteArray()));
        }

        return builder.TryBuild(out policies, out faults);
    }

    /// <summary>The schema; null without one, and beside a fault.</summary>
    public static Schema? ReadSchema(IReadOnlyList<Document> documents, List<Fault> faults)
    {
        if (documents.FirstOrDefault(d => d.Path == Schema) is not { } document)
        {
            return null;
        }

        Cedar.Schema.TryParse(new SourceText(Schema, document.Content.ToByteArray()), out var schema, out var found);
        faults.AddRange(found);
        return schema;
    }

    private static void CheckPaths(IReadOnlyList<Document> documents, List<Fault> faults)
    {
        var paths = new HashSet<string>(StringComparer.Ordinal);
        foreach (var document in documents)
        {
            if (!IsPolicyFile(document.Path) && document.Path is not (Schema or Links))
            {
                faults.Add(new Fault(document.Path, 0, 0, $"`{document.Path}` is no document of policies", $"they are `{Folder}NAME{Extension}`, `{Schema}` and `{Links}`"));
            }
            else if (!paths.Add(document.Path))
            {
                faults.Add(new Fault(document.Path, 0, 0, $"`{document.Path}` is given twice"));
            }
        }

        if (documents.Sum(d => (long)d.Content.Length) > MaxBytes)
        {
            faults.Add(new Fault("", 0, 0, $"the documents have more than {MaxBytes / (1024 * 1024)} MiB"));
        }
    }

    /// <summary>A name without folders, so that no path leads out of the bundle.</summary>
    private static bool IsPolicyFile(string path) =>
        path.StartsWith(Folder, StringComparison.Ordinal) && path.EndsWith(Extension, StringComparison.Ordinal)
        && path[Folder.Length..^Extension.Length] is { Length: > 0 } name && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') && name[0] != '.';

    /// <summary>The same mistake is one for every action it is made for; it is mended once.</summary>
    private static List<Fault> Distinct(IEnumerable<ValidationFinding> findings) => [.. findings.Select(f => f.Fault).Distinct()];
}
