namespace AuthSidecar.Bundles;

/// <summary><c>bundle.json</c>: what the bundle holds.</summary>
internal sealed record BundleManifest
{
    public const string FileName = "bundle.json";
    public const int LayoutVersion = 1;

    private static readonly StrictJsonFiles Json = new(BundleManifestJson.Default);

    /// <summary>The version of the layout.</summary>
    public required int Version { get; set; }

    /// <summary>The files and folders that belong to the bundle. What is listed must be there, and what is there must be listed: a file
    /// that gets lost, or is named wrongly, must not pass for an empty one.</summary>
    public required IReadOnlyList<string> Contents { get; set; }

    /// <summary>Built-in policies to begin with: <c>rbac</c>.</summary>
    public IReadOnlyList<string> Packs { get; set; } = [];

    /// <summary>Whether a forbid that errs denies.</summary>
    public bool StrictForbid { get; set; } = true;

    /// <summary>The release of Cedar that policies behave as: one of <see cref="CedarReleases.Names"/>.</summary>
    public string Compat { get; set; } = CedarReleases.Names[^1];

    /// <summary>The release of Cedar that policies behave as.</summary>
    [JsonIgnore]
    public CedarRelease Release => CedarReleases.TryParse(Compat, out var release) ? release
        : throw new InvalidOperationException($"unchecked release `{Compat}`");

    /// <summary>How policies of a control plane are read, which have no manifest.</summary>
    public static BundleManifest OfControlPlane { get; } = new() { Version = LayoutVersion, Contents = [] };

    /// <summary>Reads the file, and not whether it is true of the bundle; null beside faults.</summary>
    public static BundleManifest? Read(byte[] utf8, List<Fault> faults) => Json.Read<BundleManifest>(FileName, utf8, faults);

    public byte[] Write() => Json.Write(this);
}

[JsonSerializable(typeof(BundleManifest))]
internal sealed partial class BundleManifestJson : JsonSerializerContext;
