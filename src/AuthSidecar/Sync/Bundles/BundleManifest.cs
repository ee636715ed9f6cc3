namespace AuthSidecar.Sync.Bundles;

/// <summary><c>bundle.json</c>: what the bundle holds.</summary>
internal sealed record BundleManifest
{
    public const string FileName = "bundle.json";

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
}
