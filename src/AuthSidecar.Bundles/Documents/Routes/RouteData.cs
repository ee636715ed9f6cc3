namespace AuthSidecar.Bundles;

/// <summary>Which HTTP requests are which actions on which resources.</summary>
internal sealed class RouteData : DataType<RouteTable>, IEntryData
{
    public static readonly RouteData Type = new();

    private RouteData()
        : base("routes", 7, RouteTable.Empty)
    {
    }

    public override IReadOnlyList<string> Contents => [RoutesFile.FileName];

    protected override RouteTable Read(Snapshot snapshot, BundleChange change, List<Fault> faults) =>
        RoutesFile.Read(change.Documents, faults);

    public Dictionary<string, byte[]> Write(IReadOnlyCollection<DataEntry> entries, string application, byte[] factorKey) => new()
    {
        [RoutesFile.FileName] = Encoding.UTF8.GetBytes($"{{\"routes\": [{string.Join(",\n", entries.Select(e => e.Json))}]}}"),
    };
}

internal static class RouteSnapshot
{
    extension(Snapshot snapshot)
    {
        public Revisioned<RouteTable> Routes => snapshot.Get(RouteData.Type);
    }
}
