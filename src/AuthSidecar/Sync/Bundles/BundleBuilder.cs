using System.Collections.Frozen;
using AuthSidecar.Cedar;
using AuthSidecar.Snapshots;

namespace AuthSidecar.Sync.Bundles;

/// <summary>
/// Turns the files of a bundle into a snapshot, or into the list of everything that is wrong with them. What has not changed since the
/// last snapshot is taken over as it is: so keys that stay keep their epoch, and verified tokens stay verified.
/// </summary>
internal sealed class BundleBuilder(byte[] mfaWrappingKey)
{
    private const int LayoutVersion = 1;

    private static readonly string[] KnownContents =
    [
        PolicyFiles.Folder, PolicyFiles.Links, PolicyFiles.Schema, EntitiesFile.FileName, IssuersFile.FileName, RevocationsFile.FileName,
        FactorsFile.FileName, RiskFile.FileName, ProfilesFile.FileName,
    ];

    private readonly Dictionary<Type, (string Digest, object Resource)> _last = [];

    /// <summary>Builds a snapshot; null with faults, and then nothing of it is kept.</summary>
    public Snapshot? Build(BundleFiles files, Revision revision, List<Fault> faults)
    {
        if (!files.TryRead(BundleManifest.FileName, out var manifestBytes))
        {
            faults.Add(new Fault(BundleManifest.FileName, 0, 0, "the bundle has no manifest", "a bundle is a folder with a `bundle.json`: see docs/bundle.md"));
            return null;
        }

        if (JsonFile.Read<BundleManifest>(BundleManifest.FileName, manifestBytes, faults) is not { } manifest || !CheckContents(manifest, files, faults))
        {
            return null;
        }

        var built = new Dictionary<Type, (string Digest, object Resource)>();
        var schema = PolicyFiles.ReadSchema(files, faults);
        var snapshot = new Snapshot
        {
            Revision = revision,
            Policies = Take(
                [BundleManifest.FileName, PolicyFiles.Schema, PolicyFiles.Links, .. files.Paths.Where(PolicyFiles.IsPolicyFile)],
                () => PolicyFiles.Build(manifest.Packs, manifest.StrictForbid, files, schema, faults)),
            Entities = Take([EntitiesFile.FileName, PolicyFiles.Schema], () => EntitiesFile.Read(files, schema, faults)),
            Issuers = Take([IssuersFile.FileName, .. files.Paths.Where(IssuersFile.IsKeySet)], () => IssuersFile.Read(files, faults)),
            Revocations = Take([RevocationsFile.FileName], () => RevocationsFile.Read(files, faults)),
            Factors = Take([FactorsFile.FileName], () => FactorsFile.Read(files, mfaWrappingKey, faults)),
            Risk = Take(
                [RiskFile.FileName, ProfilesFile.FileName, .. files.Paths.Where(RiskFile.IsGeoDatabase)],
                () => RiskFile.Read(files, faults) with { Profiles = ProfilesFile.Read(files, faults).ToFrozenDictionary() }),
        };
        if (faults.Count > 0)
        {
            return null;
        }

        foreach (var (type, resource) in built)
        {
            _last[type] = resource;
        }

        return snapshot;

        Revisioned<T> Take<T>(IEnumerable<string> paths, Func<T?> build)
            where T : class
        {
            var digest = files.DigestOf(paths);
            if (_last.TryGetValue(typeof(T), out var last) && last.Digest == digest)
            {
                return (Revisioned<T>)last.Resource;
            }

            // Null only beside a fault, and then the snapshot is thrown away.
            var resource = new Revisioned<T>(build()!, revision);
            built.Add(typeof(T), (digest, resource));
            return resource;
        }
    }

    private static bool CheckContents(BundleManifest manifest, BundleFiles files, List<Fault> faults)
    {
        var before = faults.Count;
        if (manifest.Version != LayoutVersion)
        {
            Fail($"the version of the layout is {manifest.Version}, and this sidecar reads {LayoutVersion}");
        }

        foreach (var name in manifest.Contents)
        {
            if (!KnownContents.Contains(name, StringComparer.Ordinal))
            {
                Fail($"`contents` lists `{name}`, which means nothing", $"known are: {string.Join(", ", KnownContents)}");
            }
            else if (!IsThere(name))
            {
                Fail($"`contents` lists `{name}`, which is not in the bundle", "put it there, or take it off the list");
            }
        }

        foreach (var name in KnownContents.Where(n => IsThere(n) && !manifest.Contents.Contains(n, StringComparer.Ordinal)))
        {
            Fail($"`{name}` is in the bundle, but `contents` does not list it", "list it, or remove it");
        }

        return faults.Count == before;

        bool IsThere(string name) => name == PolicyFiles.Folder ? files.Paths.Any(PolicyFiles.IsPolicyFile) : files.TryRead(name, out _);

        void Fail(string message, string? help = null) => faults.Add(new Fault(BundleManifest.FileName, 0, 0, message, help));
    }
}
