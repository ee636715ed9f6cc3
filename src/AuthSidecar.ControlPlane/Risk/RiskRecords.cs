namespace AuthSidecar.ControlPlane.Risk;

/// <summary>Risk settings and profiles as rows: what `risk.json` and `profiles.json` have of them (docs/bundle.md).</summary>
internal static class RiskRecords
{
    /// <summary>With every field that has a default: documents are read by those who know none.</summary>
    private static readonly JsonFormatter Json = new(JsonFormatter.Settings.Default.WithFormatDefaultValues(true));

    public static string Write(V1.RiskSettings settings) => Json.Format(settings);
    public static string Write(V1.RiskProfile profile) => Json.Format(profile);

    /// <summary>What a sidecar would refuse of settings: its own reader says so.</summary>
    public static IReadOnlyList<Fault> FaultsOfSettings(string json) => FaultsOf(
        "settings", RiskFile.FileName, json, (files, faults) => RiskFile.Read(files, faults));

    /// <summary>What a sidecar would refuse of a profile.</summary>
    public static IReadOnlyList<Fault> FaultsOfProfile(EntityUid subject, string json)
    {
        var document = $"{{\"profiles\": {{{System.Text.Json.Nodes.JsonValue.Create(subject.ToString())!.ToJsonString()}: {json}}}}}";
        return FaultsOf("profile", ProfilesFile.FileName, document, (files, faults) =>
        {
            var found = new List<Fault>();
            ProfilesFile.Read(files, found);
            // Of all profiles there is one.
            faults.AddRange(found.Select(f => f with { Field = null }));
        });
    }

    private static IReadOnlyList<Fault> FaultsOf(string message, string name, string json, Action<BundleFiles, List<Fault>> read)
    {
        var faults = new List<Fault>();
        read(new BundleFiles(new SortedDictionary<string, byte[]>(StringComparer.Ordinal) { [name] = Encoding.UTF8.GetBytes(json) }),
            faults);
        return [.. faults.Select(f => RequestFaults.In(message, f))];
    }
}
