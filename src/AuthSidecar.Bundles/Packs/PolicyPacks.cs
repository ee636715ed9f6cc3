using System.Reflection;

namespace AuthSidecar.Bundles;

/// <summary>The built-in policies to begin with.</summary>
internal static class PolicyPacks
{
    public static readonly IReadOnlyList<string> Names = ["rbac"];

    /// <summary>A pack's text in UTF-8; null when there is none of this name.</summary>
    public static byte[]? Find(string name)
    {
        using var stream = Names.Contains(name, StringComparer.Ordinal)
            ? Assembly.GetExecutingAssembly().GetManifestResourceStream($"packs/{name}.cedar") : null;
        if (stream is null)
            return null;

        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }
}
