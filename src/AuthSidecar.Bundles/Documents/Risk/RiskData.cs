using System.Text.Json.Nodes;

namespace AuthSidecar.Bundles;

/// <summary>Risk settings and profiles.</summary>
internal sealed class RiskData : DataType<RiskSettings>, IEntryData
{
    /// <summary>The key of the entry with the settings, beside those with the profiles, which are uids.</summary>
    public const string SettingsKey = "settings";

    public static readonly RiskData Type = new();

    private RiskData()
        : base("risk", 6, RiskSettings.Default)
    {
    }

    public override IReadOnlyList<string> Contents => [RiskFile.FileName, ProfilesFile.FileName];
    public override IEnumerable<string> FilesIn(BundleFiles files) => [.. Contents, .. files.Paths.Where(RiskFile.IsGeoDatabase)];

    protected override RiskSettings Read(Snapshot snapshot, BundleChange change, List<Fault> faults)
    {
        var before = StartOf(snapshot, change);
        var settings = change.IsDelta && !change.Documents.TryRead(RiskFile.FileName, out _) ? before
            : RiskFile.Read(change.Documents, faults);
        var profiles = before.Profiles.ToDictionary();
        foreach (var subject in change.Removed)
            profiles.Remove(subject);

        foreach (var (subject, profile) in ProfilesFile.Read(change.Documents, faults))
            profiles[subject] = profile;

        return settings with { Profiles = profiles.ToFrozenDictionary() };
    }

    public Dictionary<string, byte[]> Write(IReadOnlyCollection<DataEntry> entries, string application, byte[] factorKey)
    {
        var profiles = entries.Where(
            e => e.Key != SettingsKey).DistinctBy(e => e.Key).Select(p => $"{JsonValue.Create(p.Key).ToJsonString()}: {p.Json}");
        var documents = new Dictionary<string, byte[]>
        {
            [ProfilesFile.FileName] = Encoding.UTF8.GetBytes($"{{\"profiles\": {{{string.Join(",\n", profiles)}}}}}"),
        };
        if (entries.FirstOrDefault(e => e.Key == SettingsKey) is { Json: { } settings })
            documents.Add(RiskFile.FileName, Encoding.UTF8.GetBytes(settings));

        return documents;
    }
}

internal static class RiskSnapshot
{
    extension(Snapshot snapshot)
    {
        public Revisioned<RiskSettings> Risk => snapshot.Get(RiskData.Type);
    }
}
