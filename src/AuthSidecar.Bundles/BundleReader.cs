namespace AuthSidecar.Bundles;

/// <summary>Turns the files of a bundle folder into a snapshot, or into the list of everything that is wrong with them. What has not
/// changed since the last snapshot is taken over as it is: so keys that stay keep their epoch, and verified tokens stay verified.</summary>
/// <param name="factorKey">The key that the secrets of second factors are wrapped with; null: not known here.</param>
internal sealed class BundleReader(byte[]? factorKey)
{
    private readonly Dictionary<DataType, string> _digests = [];
    private Snapshot _last = Snapshot.Empty;

    /// <summary>Reads a bundle; null beside faults, and then nothing of it is remembered.</summary>
    public Snapshot? Read(BundleFiles files, Revision revision, DateTimeOffset now, List<Fault> faults)
    {
        if (ReadManifest(files, faults) is not { } manifest)
            return null;

        var before = faults.Count;
        var change = new BundleChange
        {
            Documents = files,
            Revision = revision,
            Now = now,
            Manifest = manifest,
            Schema = SchemaFile.Read(files, _last.Entities.Value.Schema, faults),
            FactorKey = factorKey,
        };
        var digests = DataTypes.All.ToDictionary(t => t, t => files.DigestOf(t.FilesIn(files)));
        var found = DataTypes.All.ToDictionary(t => t, _ => new List<Fault>());
        var next = Snapshot.Empty.At(revision);
        // Entities first: policies are validated with the schema that these conform to.
        foreach (var type in DataTypes.All.OrderBy(t => t == PolicyData.Type))
        {
            next = (_digests.GetValueOrDefault(type) == digests[type] ? type.Copy(_last, next) : type.Apply(next, change, found[type]))
                ?? next;
        }

        faults.AddRange(DataTypes.All.SelectMany(t => found[t]));
        if (faults.Count > before)
            return null;

        foreach (var (type, digest) in digests)
            _digests[type] = digest;

        return _last = next;
    }

    /// <summary>Reads the manifest, and compares its contents with the files; null beside faults.</summary>
    public static BundleManifest? ReadManifest(BundleFiles files, List<Fault> faults)
    {
        if (!files.TryRead(BundleManifest.FileName, out var utf8))
        {
            faults.Add(new Fault(BundleManifest.FileName, 0, 0, "bundle manifest not found",
                "a bundle is a folder with a `bundle.json`: see docs/bundle.md"));
            return null;
        }

        var before = faults.Count;
        var manifest = BundleManifest.Read(utf8, faults);
        if (manifest is not null)
        {
            CheckContents(manifest, files, faults);
            CheckPacks(manifest, files, faults);
        }

        CheckNames(files, faults);
        return faults.Count == before ? manifest : null;
    }

    /// <summary>Reports files that would be passed over for their names, though they are hardly meant to be.</summary>
    public static void CheckNames(BundleFiles files, List<Fault> faults)
    {
        foreach (var path in files.Paths)
        {
            var first = path.Split('/')[0];
            if (first == PolicyFiles.Folder && !PolicyFiles.IsPolicyFile(path))
            {
                faults.Add(new Fault(path, 0, 0, $"unexpected file: policy files are named `{PolicyFiles.Folder}/….cedar`",
                    "rename it, or move it out of the folder"));
            }
            else if (Known.FirstOrDefault(n => n.Equals(first, StringComparison.OrdinalIgnoreCase) && n != first) is { } meant)
            {
                faults.Add(new Fault(path, 0, 0, $"`{first}` is not `{meant}`: names are case-sensitive", "rename it"));
            }
            else if (first == path && !Known.Contains(first, StringComparer.Ordinal)
                && new Suggestions().For(first, Known, most: 1) is { } suggestion)
            {
                // By one letter: `users.json` and `issuer.jwks.json` may be meant as they are.
                faults.Add(new Fault(path, 0, 0, "unexpected file", suggestion));
            }
            else if (path.EndsWith(".cedar", StringComparison.Ordinal) && first != PolicyFiles.Folder)
            {
                faults.Add(new Fault(path, 0, 0, $"unexpected file: policy files are named `{PolicyFiles.Folder}/….cedar`",
                    "rename it, or move it out of the bundle"));
            }
        }
    }

    private static IEnumerable<string> Known => Entries.Append(BundleManifest.FileName).Append(BundleSeal.FileName);
    private static IEnumerable<string> Entries => DataTypes.All.SelectMany(t => t.Contents);

    private static void CheckContents(BundleManifest manifest, BundleFiles files, List<Fault> faults)
    {
        if (manifest.Version != BundleManifest.LayoutVersion)
            Fail($"unsupported layout version {manifest.Version}; supported: {BundleManifest.LayoutVersion}");

        if (!CedarReleases.TryParse(manifest.Compat, out _))
        {
            Fail($"unknown release of Cedar `{manifest.Compat}` in `compat`",
                $"known releases: {string.Join(", ", CedarReleases.Names.Select(n => $"`{n}`"))}");
        }

        foreach (var name in manifest.Contents.Where(n => !Entries.Contains(n, StringComparer.Ordinal)))
            Fail($"unknown entry `{name}` in `contents`", $"known entries: {string.Join(", ", Entries)}");

        foreach (var (type, name) in DataTypes.All.SelectMany(t => t.Contents.Select(n => (t, n))))
        {
            switch (type.Has(files, name), manifest.Contents.Contains(name, StringComparer.Ordinal))
            {
                case (false, true):
                    Fail($"`{name}` is listed in `contents` but not found in the bundle", "add the file, or remove the entry");
                    break;
                case (true, false):
                    Fail($"`{name}` is in the bundle but not listed in `contents`", "add an entry, or remove the file");
                    break;
            }
        }

        void Fail(string message, string? help = null) => faults.Add(new Fault(BundleManifest.FileName, 0, 0, message, help));
    }

    private static void CheckPacks(BundleManifest manifest, BundleFiles files, List<Fault> faults)
    {
        foreach (var pack in manifest.Packs.Distinct(StringComparer.Ordinal))
        {
            if (PolicyPacks.Find(pack) is null)
                Fail($"unknown pack `{pack}`", $"known packs: {string.Join(", ", PolicyPacks.Names.Select(n => $"`{n}`"))}");
            else if (files.TryRead(PolicyFiles.PathOfPack(pack), out _))
                Fail($"pack `{pack}` and file `{PolicyFiles.PathOfPack(pack)}` have the same name", "remove the pack, or rename the file");
        }

        if (manifest.Packs.GroupBy(p => p, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
            Fail($"duplicate pack `{twice.Key}`", "list it once");

        void Fail(string message, string help) => faults.Add(new Fault(BundleManifest.FileName, 0, 0, message, help));
    }
}
