using AuthSidecar.ControlPlane.V1;
using IssuerSet = AuthSidecar.Tokens.IssuerSet;

namespace AuthSidecar.ControlPlane.Issuers;

/// <summary>Issuers as rows: the entry of `issuers.json` (docs/bundle.md), and beside it the key set.</summary>
internal static class IssuerRecords
{
    public static string Write(Issuer issuer, string jwks) => IssuerData.Join(JsonFormatter.Default.Format(issuer), jwks);

    /// <summary>What a sidecar would refuse of an issuer: its own reader says so.</summary>
    /// <param name="read">As it reads it, with what it would pass over; empty beside faults.</param>
    public static IReadOnlyList<Fault> FaultsOf(Issuer issuer, string jwks, out IssuerSet read)
    {
        const string KeySet = "jwks.jwks.json";
        var (entry, faults) = (JsonNode.Parse(JsonFormatter.Default.Format(issuer))!.AsObject(), new List<Fault>());
        var files = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        // Left out by the formatter when there are none, and nothing that a reader could do without.
        entry["audiences"] ??= new JsonArray();
        if (jwks.Length > 0)
        {
            entry["jwks"] = KeySet;
            files.Add(KeySet, Encoding.UTF8.GetBytes(jwks));
        }

        files.Add(IssuersFile.FileName, Encoding.UTF8.GetBytes(new JsonObject { ["issuers"] = new JsonArray(entry) }.ToJsonString()));
        read = IssuersFile.Read(new BundleFiles(files), faults);
        return [.. faults.Select(f => f.Source == KeySet || f.Field == "jwks" ? f with { Source = "jwks", Line = 0, Column = 0 }
            : RequestFaults.In("issuer", f))];
    }

    public static Issuer ToIssuer(EntryRow row) => Issuer.Parser.ParseJson(IssuerData.Split(row.Json).Issuer.ToJsonString());

    /// <summary>What a sidecar would refuse of the issuers of an application together, such as a name, a trust domain or a prefix of opaque
    /// tokens that two have; null: nothing.</summary>
    /// <param name="written">The rows that are to be written, by key: they replace what is stored.</param>
    public static async Task<Fault?> FindConflictAsync(
        StoreContext store, string application, IReadOnlyDictionary<string, string> written, CancellationToken cancellation)
    {
        var faults = new List<Fault>();
        await ReadAsync(store, application, written, faults, cancellation);
        return faults.FirstOrDefault();
    }

    /// <summary>The issuers of an application, as its sidecars read them.</summary>
    public static Task<IssuerSet> ReadAsync(StoreContext store, string application, CancellationToken cancellation) =>
        ReadAsync(store, application, written: new Dictionary<string, string>(), faults: [], cancellation);

    private static async Task<IssuerSet> ReadAsync(StoreContext store, string application, IReadOnlyDictionary<string, string> written,
        List<Fault> faults, CancellationToken cancellation)
    {
        // Those of every application are the control plane itself.
        var stored = await store.Entries.AsNoTracking().Where(r => r.Type == DataType.Keys && !r.IsRemoved
            && (r.Application == application || r.Application == "")).ToListAsync(cancellation);
        var entries = stored.Where(r => r.Application.Length == 0 || !written.ContainsKey(r.Key)).Select(r => new DataEntry(r.Key, r.Json))
            .Concat(written.Select(w => new DataEntry(w.Key, w.Value)));
        var documents = IssuerData.Type.Write([.. entries], application, factorKey: []);
        return IssuersFile.Read(new BundleFiles(new SortedDictionary<string, byte[]>(documents, StringComparer.Ordinal)), faults);
    }
}
