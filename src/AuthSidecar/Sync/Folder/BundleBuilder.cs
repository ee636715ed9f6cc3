using System.Collections.Frozen;
using AuthSidecar.Cedar;
using AuthSidecar.Common;
using AuthSidecar.Snapshots;

namespace AuthSidecar.Sync.Folder;

/// <summary>
/// Turns the files of a bundle into a snapshot, or into the list of everything that is wrong with them. What has not changed since the
/// last snapshot is taken over as it is: so keys that stay keep their epoch, and verified tokens stay verified.
/// </summary>
/// <param name="mfaWrappingKey">What the secrets of second factors are wrapped with; null: nobody here has it.</param>
internal sealed class BundleBuilder(byte[]? mfaWrappingKey)
{
    private readonly Dictionary<Type, (string Digest, object Resource)> _last = [];

    /// <summary>Builds a snapshot; null with faults, and then nothing of it is kept.</summary>
    public Snapshot? Build(BundleFiles files, Revision revision, List<Fault> faults)
    {
        if (BundleManifest.Read(files, faults) is not { } manifest)
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
                () => PolicyFiles.Build(manifest, files, schema, faults)),
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
}
