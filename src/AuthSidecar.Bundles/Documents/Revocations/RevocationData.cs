namespace AuthSidecar.Bundles;

/// <summary>Revoked tokens, sessions and subjects.</summary>
internal sealed class RevocationData : DataType<Revocations>, IEntryData
{
    public static readonly RevocationData Type = new();

    /// <summary>The lists of the document, by the member that names what is revoked.</summary>
    public static readonly IReadOnlyList<(string List, string Member)> Lists = [("tokens", "jti"), ("sessions", "sid"),
        ("subjects", "sub")];

    private RevocationData()
        : base("revocations", 4, Revocations.None)
    {
    }

    public override IReadOnlyList<string> Contents => [RevocationsFile.FileName];

    // Whatever was revoked since is accepted for as long.
    public override TimeSpan MaxStaleness => TimeSpan.FromMinutes(5);

    protected override Revocations Read(Snapshot snapshot, BundleChange change, List<Fault> faults) =>
        StartOf(snapshot, change).With(RevocationsFile.Read(change.Documents, faults), change.Now);

    // The issuer's length first: two revocations never share a key.
    public static string KeyOf(string list, string issuer, string id) => $"{list} {issuer.Length}:{issuer}{id}";

    public static string ListOf(string key) => key[..key.IndexOf(' ', StringComparison.Ordinal)];
    public bool AllowsDelta(bool hasRemovals) => !hasRemovals;
    public bool NamesRemoved => false;

    public Dictionary<string, byte[]> Write(IReadOnlyCollection<DataEntry> entries, string application, byte[] factorKey)
    {
        var lists = entries.ToLookup(e => ListOf(e.Key), e => e.Json);
        var json = $"{{{string.Join(", ", Lists.Select(l => $"\"{l.List}\": [{string.Join(",\n", lists[l.List])}]"))}}}";
        return new Dictionary<string, byte[]> { [RevocationsFile.FileName] = Encoding.UTF8.GetBytes(json) };
    }
}

internal static class RevocationSnapshot
{
    extension(Snapshot snapshot)
    {
        public Revisioned<Revocations> Revocations => snapshot.Get(RevocationData.Type);
    }
}
