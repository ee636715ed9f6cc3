namespace AuthSidecar.Bundles;

/// <summary>Enrolled second factors, their secrets wrapped.</summary>
internal sealed class FactorData : DataType<FactorSet>, IEntryData
{
    /// <summary>In a bundle of a control plane: the key that the secrets are wrapped with.</summary>
    public const string KeyFile = "factors.key";

    public static readonly FactorData Type = new();

    private FactorData()
        : base("factors", 5, FactorSet.Empty)
    {
    }

    public override IReadOnlyList<string> Contents => [FactorsFile.FileName];

    protected override FactorSet Read(Snapshot snapshot, BundleChange change, List<Fault> faults)
    {
        if (change.IsFolder)
            return FactorsFile.Read(change.Documents, change.FactorKey, faults);

        if (!change.Documents.TryRead(KeyFile, out var key) || key.Length != AesGcmEnvelope.KeyBytes)
        {
            faults.Add(new Fault(KeyFile, 0, 0, $"missing or invalid factor key: expected {AesGcmEnvelope.KeyBytes} bytes"));
            return FactorSet.Empty;
        }

        var given = FactorsFile.Read(change.Documents, key, faults);
        if (!change.IsDelta)
            return given;

        var before = snapshot.Factors.Value;
        if (!given.SharesKeyWith(before))
            faults.Add(new Fault(KeyFile, 0, 0, "the factor key differs from that of the factors that the bundle changes"));

        return before.With(given, change.Removed);
    }

    /// <summary>An entry has all factors of a subject.</summary>
    public Dictionary<string, byte[]> Write(IReadOnlyCollection<DataEntry> entries, string application, byte[] factorKey)
    {
        // Where a subject has one of the same id for all applications and for this one, this one's counts.
        var factors = entries.SelectMany(e => FactorEntry.ReadAll(e.Json)).DistinctBy(f => (f.Subject, f.Id));
        return new Dictionary<string, byte[]>
        {
            [FactorsFile.FileName] = Encoding.UTF8.GetBytes($"{{\"factors\": {FactorEntry.WriteAll(factors)}}}"),
            [KeyFile] = factorKey,
        };
    }

    public string Describe(string json) => string.Join(", ", FactorEntry.ReadAll(json).Select(f => $"{f.Id} ({f.Kind})"));
}

internal static class FactorSnapshot
{
    extension(Snapshot snapshot)
    {
        public Revisioned<FactorSet> Factors => snapshot.Get(FactorData.Type);
    }
}
