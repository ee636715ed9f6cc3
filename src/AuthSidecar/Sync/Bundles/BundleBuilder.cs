using AuthSidecar.Cedar;
using AuthSidecar.Mfa;
using AuthSidecar.Risk;
using AuthSidecar.Snapshots;
using AuthSidecar.Tokens;

namespace AuthSidecar.Sync.Bundles;

/// <summary>
/// Turns the files of a bundle into a snapshot, or into the list of everything that is wrong with them. What has not changed since the
/// last snapshot is taken over as it is: so keys that stay keep their epoch, and verified tokens stay verified.
/// </summary>
internal sealed class BundleBuilder(byte[] mfaWrappingKey)
{
    private const int LayoutVersion = 1;
    private const string EntitiesFile = "entities.json";
    private const string SchemaFile = "schema.cedarschema";

    private static readonly string[] KnownContents =
        [PolicyFiles.Folder, PolicyFiles.Links, SchemaFile, EntitiesFile, RevocationsFile.FileName, FactorsFile.FileName, RiskFile.FileName];

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
        string[] policyPaths = [BundleManifest.FileName, SchemaFile, PolicyFiles.Links, .. files.Paths.Where(PolicyFiles.IsPolicyFile)];
        var schema = ReadSchema(files, faults);
        string[] issuerPaths = [BundleManifest.FileName, .. manifest.Issuers.Select(i => i.Jwks)];
        var snapshot = new Snapshot
        {
            Revision = revision,
            Policies = Take(policyPaths, () => PolicyFiles.Build(manifest.Packs, manifest.StrictForbid, files, schema, faults)),
            Entities = Take([EntitiesFile, SchemaFile], () => BuildEntities(files, schema, faults)),
            Issuers = Take(issuerPaths, () => BuildIssuers(manifest, files, faults)),
            Revocations = Take([RevocationsFile.FileName], () => files.TryRead(RevocationsFile.FileName, out var bytes) ? RevocationsFile.Build(bytes, faults) : Revocations.None),
            Factors = Take([FactorsFile.FileName], () => files.TryRead(FactorsFile.FileName, out var bytes) ? FactorsFile.Build(bytes, mfaWrappingKey, faults) : FactorSet.Empty),
            Risk = Take([RiskFile.FileName, .. files.Paths.Where(p => p.EndsWith(".mmdb", StringComparison.Ordinal))], () => files.TryRead(RiskFile.FileName, out var bytes) ? RiskFile.Build(bytes, files, faults) : RiskSettings.Default),
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

    /// <summary>The bundle's entities, and the actions of its schema.</summary>
    private static EntityStore? BuildEntities(BundleFiles files, Schema? schema, List<Fault> faults)
    {
        var text = files.TryRead(EntitiesFile, out var bytes) ? new SourceText(EntitiesFile, bytes) : SourceText.Of("[]", EntitiesFile);
        EntityStore.TryParse(text, schema, out var store, out var entityFaults);
        faults.AddRange(entityFaults);
        return store;
    }

    private static IssuerSet? BuildIssuers(BundleManifest manifest, BundleFiles files, List<Fault> faults)
    {
        var issuers = new Dictionary<string, Issuer>(StringComparer.Ordinal);
        foreach (var entry in manifest.Issuers)
        {
            if (entry.Build(files, faults) is { } issuer && !issuers.TryAdd(issuer.Name, issuer))
            {
                faults.Add(new Fault(BundleManifest.FileName, 0, 0, $"issuer `{issuer.Name}`: configured twice"));
            }
        }

        return new IssuerSet(issuers.Values);
    }

    /// <summary>The bundle's schema; null without one, and beside a fault.</summary>
    private static Schema? ReadSchema(BundleFiles files, List<Fault> faults)
    {
        if (!files.TryRead(SchemaFile, out var bytes))
        {
            return null;
        }

        Cedar.Schema.TryParse(new SourceText(SchemaFile, bytes), out var schema, out var schemaFaults);
        faults.AddRange(schemaFaults);
        return schema;
    }
}
