using System.Globalization;
using System.Reflection;
using AuthSidecar.Cedar;
using AuthSidecar.Policies;

namespace AuthSidecar.Sync.Bundles;

/// <summary>Builds the policies of a bundle: packs, <c>policies/*.cedar</c>, <c>links.json</c>.</summary>
internal static class PolicyFiles
{
    public const string Folder = "policies";
    public const string Links = "links.json";
    private const string Extension = ".cedar";

    public static bool IsPolicyFile(string path) =>
        path.StartsWith($"{Folder}/", StringComparison.Ordinal) && path.EndsWith(Extension, StringComparison.Ordinal);

    public static PolicyRules? Build(BundleManifest manifest, BundleFiles files, Schema? schema, List<Fault> faults)
    {
        var builder = new PolicySetBuilder();
        foreach (var pack in manifest.Packs)
        {
            AddPack(builder, pack, faults);
        }

        foreach (var path in files.Paths.Where(IsPolicyFile))
        {
            files.TryRead(path, out var text);
            builder.Add(new SourceText(path, text!), (index, annotations) => IdOf(path[(Folder.Length + 1)..^Extension.Length], index, annotations));
        }

        if (files.TryRead(Links, out var links))
        {
            AddLinks(builder, links, faults);
        }

        if (!builder.TryBuild(out var policies, out var policyFaults))
        {
            faults.AddRange(policyFaults);
            return null;
        }

        var validation = schema is null ? new ValidationResult([], []) : new Validator(schema).Validate(policies);
        faults.AddRange(Distinct(validation.Errors));

        var annotations = policies.Policies.ToDictionary(p => p.Id, p => PolicyAnnotations.Read(p, faults), StringComparer.Ordinal);
        return new PolicyRules(policies, annotations, schema, manifest.StrictForbid) { Warnings = [.. Distinct(validation.Warnings)] };
    }

    /// <summary>The same mistake is one for every action it is made for; it is mended once.</summary>
    private static IEnumerable<Fault> Distinct(IEnumerable<ValidationFinding> findings) => findings.Select(f => f.Fault).Distinct();

    /// <summary><c>@id("…")</c>; else the name of the file and the policy's place in it, from 0.</summary>
    private static string IdOf(string file, int index, IReadOnlyList<KeyValuePair<string, string?>> annotations)
    {
        foreach (var (key, text) in annotations)
        {
            if (key == "id" && !string.IsNullOrEmpty(text))
            {
                return text;
            }
        }

        return string.Create(CultureInfo.InvariantCulture, $"{file}#{index}");
    }

    private static void AddPack(PolicySetBuilder builder, string pack, List<Fault> faults)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"packs/{pack}.cedar");
        if (stream is null)
        {
            faults.Add(new Fault(BundleManifest.FileName, 0, 0, $"there is no pack `{pack}`", "the packs are: `rbac`"));
            return;
        }

        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        builder.Add(new SourceText($"{pack} pack", bytes.ToArray()), (index, annotations) => IdOf(pack, index, annotations));
    }

    private static void AddLinks(PolicySetBuilder builder, byte[] links, List<Fault> faults)
    {
        foreach (var link in JsonFile.Read<LinkEntry[]>(Links, links, faults) ?? [])
        {
            if (TryParse(link.Principal, out var principal) & TryParse(link.Resource, out var resource))
            {
                builder.Link(link.Template, link.Id, principal, resource, Links);
            }

            bool TryParse(string? text, out EntityUid? uid)
            {
                uid = null;
                if (text is null || EntityUid.TryParse(text, out uid, out var fault))
                {
                    return true;
                }

                faults.Add(new Fault(Links, 0, 0, $"link `{link.Id}`: `{text}`: {fault.Message}"));
                return false;
            }
        }
    }
}

/// <summary>A template linked to entities, which are written in Cedar syntax.</summary>
internal sealed record LinkEntry
{
    public required string Template { get; set; }

    public required string Id { get; set; }

    public string? Principal { get; set; }

    public string? Resource { get; set; }
}
