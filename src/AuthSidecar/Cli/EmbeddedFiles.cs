using System.Reflection;

namespace AuthSidecar.Cli;

/// <summary>Folders of files that are a part of the program.</summary>
internal static class EmbeddedFiles
{
    /// <summary>Writes the files of an embedded folder.</summary>
    /// <param name="name">The folder's name in the program.</param>
    /// <param name="folder">Where they go; it is made, and so are the folders in it.</param>
    public static void WriteTo(string name, string folder)
    {
        var (assembly, prefix) = (Assembly.GetExecutingAssembly(), $"{name}/");
        foreach (var resource in assembly.GetManifestResourceNames().Where(n => n.StartsWith(prefix, StringComparison.Ordinal)))
        {
            var path = Path.Combine(folder, resource[prefix.Length..]);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            using var file = File.Create(path);
            assembly.GetManifestResourceStream(resource)!.CopyTo(file);
        }
    }
}
