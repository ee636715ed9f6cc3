using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Cli;

/// <summary>Reads bundle folders for what is sent to a control plane, with the rules that sidecars read them by.</summary>
internal static class BundleFolder
{
    /// <summary>All files of a folder.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="InvalidDataException">The folder does not exist.</exception>
    public static BundleFiles Read(string folder) => System.IO.Directory.Exists(folder)
        ? new BundleFiles(FolderListing.Of(folder).Read(folder))
        : throw new InvalidDataException(
            File.Exists(folder) ? $"`{folder}` is a file, not a folder" : $"the folder `{folder}` does not exist");

    /// <summary>The documents of policies in a folder: its policies, the packs they build on, the schema, the links.</summary>
    /// <param name="mayBeEmpty">Whether there may be none.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="InvalidDataException">There is nothing to publish, or a file would be ignored.</exception>
    public static IReadOnlyList<Document> ReadPolicies(string folder, bool mayBeEmpty)
    {
        var (files, faults) = (Read(folder), new List<Fault>());
        BundleReader.CheckNames(files, faults);
        if (faults.Count > 0)
            throw new InvalidDataException(string.Join('\n', faults));

        var documents = PolicyDocumentsOf(files);
        return documents.Count > 0 || mayBeEmpty
            ? documents
            : throw new InvalidDataException(
                $"`{folder}` has no `{PolicyFiles.Folder}/….cedar` and no `{SchemaFile.Name}`: publishing it would remove all policies; "
                    + "specify `--empty` to do that");
    }

    private static List<Document> PolicyDocumentsOf(BundleFiles files)
    {
        var faults = new List<Fault>();
        var manifest = files.TryRead(BundleManifest.FileName, out _) ? BundleReader.ReadManifest(files, faults) : null;
        return faults.Count == 0
            ? [.. PolicyFiles.DocumentsOf(
                files, manifest?.Packs ?? []).Select(d => new Document { Path = d.Key, Content = ByteString.CopyFrom(d.Value) })]
            : throw new InvalidDataException(string.Join('\n', faults));
    }
}
