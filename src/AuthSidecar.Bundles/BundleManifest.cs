using System.Text.Json.Serialization;
using AuthSidecar.Cedar;

namespace AuthSidecar.Bundles;

/// <summary><c>bundle.json</c>: what the bundle holds.</summary>
internal sealed record BundleManifest
{
    public const string FileName = "bundle.json";

    private const int LayoutVersion = 1;

    private static readonly string[] KnownContents =
    [
        PolicyFiles.Folder, PolicyFiles.Links, PolicyFiles.Schema, EntitiesFile.FileName, IssuersFile.FileName, RevocationsFile.FileName,
        FactorsFile.FileName, RiskFile.FileName, ProfilesFile.FileName,
    ];

    /// <summary>The version of the layout.</summary>
    public required int Version { get; set; }

    /// <summary>
    /// The files and folders that belong to the bundle. What is listed must be there, and what is there must be listed: a file that gets
    /// lost, or is named wrongly, must not pass for an empty one.
    /// </summary>
    public required IReadOnlyList<string> Contents { get; set; }

    /// <summary>Built-in policies to begin with: <c>rbac</c>.</summary>
    public IReadOnlyList<string> Packs { get; set; } = [];

    /// <summary>Whether a forbid that errs denies.</summary>
    public bool StrictForbid { get; set; } = true;

    /// <summary>The release of Cedar that policies behave as: one of <see cref="CedarReleases.Names"/>.</summary>
    public string Compat { get; set; } = CedarReleases.Names[^1];

    /// <summary>The release of Cedar that policies behave as.</summary>
    [JsonIgnore]
    public CedarRelease Release => CedarReleases.TryParse(Compat, out var release) ? release : throw new InvalidOperationException($"unchecked release `{Compat}`");

    /// <summary>How policies of a control plane are read, which have no manifest.</summary>
    public static BundleManifest OfControlPlane { get; } = new() { Version = LayoutVersion, Contents = [] };

    /// <summary>Reads the manifest, and holds the names of the files against it; null beside faults.</summary>
    public static BundleManifest? Read(BundleFiles files, List<Fault> faults)
    {
        if (!files.TryRead(FileName, out var utf8))
        {
            faults.Add(new Fault(FileName, 0, 0, "bundle manifest not found", "a bundle is a folder with a `bundle.json`: see docs/bundle.md"));
            return null;
        }

        var before = faults.Count;
        var manifest = JsonFile.Read<BundleManifest>(FileName, utf8, faults);
        manifest?.CheckContents(files, faults);
        CheckNames(files, faults);
        return faults.Count == before ? manifest : null;
    }

    private void CheckContents(BundleFiles files, List<Fault> faults)
    {
        if (Version != LayoutVersion)
        {
            Fail($"unsupported layout version {Version}; supported: {LayoutVersion}");
        }

        if (!CedarReleases.TryParse(Compat, out _))
        {
            Fail($"unknown release of Cedar `{Compat}` in `compat`", $"known releases: {string.Join(", ", CedarReleases.Names.Select(n => $"`{n}`"))}");
        }

        foreach (var name in Contents)
        {
            if (!KnownContents.Contains(name, StringComparer.Ordinal))
            {
                Fail($"unknown entry `{name}` in `contents`", $"known entries: {string.Join(", ", KnownContents)}");
            }
            else if (!IsThere(name))
            {
                Fail($"`{name}` is listed in `contents` but not found in the bundle", "add the file, or remove the entry");
            }
        }

        foreach (var name in KnownContents.Where(n => IsThere(n) && !Contents.Contains(n, StringComparer.Ordinal)))
        {
            Fail($"`{name}` is in the bundle but not listed in `contents`", "add an entry, or remove the file");
        }

        CheckPacks(files, faults);

        bool IsThere(string name) => name == PolicyFiles.Folder ? files.Paths.Any(PolicyFiles.IsPolicyFile) : files.TryRead(name, out _);

        void Fail(string message, string? help = null) => faults.Add(new Fault(FileName, 0, 0, message, help));
    }

    private void CheckPacks(BundleFiles files, List<Fault> faults)
    {
        foreach (var pack in Packs.Distinct(StringComparer.Ordinal))
        {
            if (PolicyPacks.Find(pack) is null)
            {
                Fail($"unknown pack `{pack}`", $"known packs: {string.Join(", ", PolicyPacks.Names.Select(n => $"`{n}`"))}");
            }
            else if (files.TryRead(PolicyFiles.PathOfPack(pack), out _))
            {
                Fail($"pack `{pack}` and file `{PolicyFiles.PathOfPack(pack)}` have the same name", "remove the pack, or rename the file");
            }
        }

        if (Packs.GroupBy(p => p, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
        {
            Fail($"duplicate pack `{twice.Key}`", "list it once");
        }

        void Fail(string message, string help) => faults.Add(new Fault(FileName, 0, 0, message, help));
    }

    /// <summary>A file that would be passed over for its name, though it is hardly meant to be.</summary>
    public static void CheckNames(BundleFiles files, List<Fault> faults)
    {
        foreach (var path in files.Paths)
        {
            var first = path.Split('/')[0];
            if (first == PolicyFiles.Folder && !PolicyFiles.IsPolicyFile(path))
            {
                faults.Add(new Fault(path, 0, 0, $"unexpected file: policy files are named `{PolicyFiles.Folder}/….cedar`", "rename it, or move it out of the folder"));
            }
            else if (KnownContents.Append(FileName).FirstOrDefault(n => n.Equals(first, StringComparison.OrdinalIgnoreCase) && n != first) is { } meant)
            {
                faults.Add(new Fault(path, 0, 0, $"`{first}` is not `{meant}`: names are case-sensitive", "rename it"));
            }
        }
    }
}
