using System.Text.Json.Nodes;

namespace AuthSidecar.Bundles;

/// <summary>Issuers and their keys. They are few, and always come in full.</summary>
internal sealed class IssuerData : DataType<IssuerSet>, IEntryData
{
    public static readonly IssuerData Type = new();

    private IssuerData()
        : base("keys", 3, IssuerSet.Empty)
    {
    }

    public override IReadOnlyList<string> Contents => [IssuersFile.FileName];
    public override IEnumerable<string> FilesIn(BundleFiles files) => [IssuersFile.FileName, .. files.Paths.Where(IssuersFile.IsKeySet)];

    protected override IssuerSet Read(Snapshot snapshot, BundleChange change, List<Fault> faults) =>
        IssuersFile.Read(change.Documents, faults);

    public bool AllowsDelta(bool hasRemovals) => false;

    /// <summary>An entry has the <c>issuer</c> as the document does, and beside it its key set, <c>jwks</c>; null: the issuer publishes
    /// it.</summary>
    public Dictionary<string, byte[]> Write(IReadOnlyCollection<DataEntry> entries, string application, byte[] factorKey)
    {
        var (documents, issuers) = (new Dictionary<string, byte[]>(StringComparer.Ordinal), new JsonArray());
        foreach (var entry in entries)
        {
            var (issuer, jwks) = Split(entry.Json);
            if (jwks is not null)
            {
                var path = $"keys/{issuers.Count}.jwks.json";
                documents.Add(path, Encoding.UTF8.GetBytes(jwks.ToJsonString()));
                issuer["jwks"] = path;
            }

            if (issuer["audiences"] is not JsonArray { Count: > 0 } && issuer["preset"] is null)
            {
                // The control plane itself, whose tokens name the application that they are for. All others say their audiences, or have
                // a preset whose audiences are the tenants.
                issuer["audiences"] = new JsonArray(application);
            }

            issuers.Add((JsonNode)issuer);
        }

        documents.Add(IssuersFile.FileName, Encoding.UTF8.GetBytes(new JsonObject { ["issuers"] = issuers }.ToJsonString()));
        return documents;
    }

    /// <summary>The two parts of an entry.</summary>
    public static (JsonObject Issuer, JsonNode? Jwks) Split(string json)
    {
        var entry = JsonNode.Parse(json)!.AsObject();
        var (issuer, jwks) = (entry["issuer"]!.AsObject(), entry["jwks"]);
        entry.Clear();
        return (issuer, jwks);
    }

    /// <summary>An entry.</summary>
    /// <param name="issuer">The issuer as the document has it, in JSON.</param>
    /// <param name="jwks">Its key set; empty: it publishes it.</param>
    public static string Join(string issuer, string jwks) =>
        new JsonObject { ["issuer"] = JsonNode.Parse(issuer), ["jwks"] = jwks.Length == 0 ? null : JsonNode.Parse(jwks) }.ToJsonString();
}

internal static class IssuerSnapshot
{
    extension(Snapshot snapshot)
    {
        public Revisioned<IssuerSet> Issuers => snapshot.Get(IssuerData.Type);
    }
}
