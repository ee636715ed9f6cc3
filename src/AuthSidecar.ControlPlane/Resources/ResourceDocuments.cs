using System.Text;
using System.Text.Json.Nodes;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf;

namespace AuthSidecar.ControlPlane.Resources;

/// <summary>Rows of resources as the documents of a bundle (docs/bundle.md).</summary>
internal sealed class ResourceDocuments(SecretStore secrets)
{
    /// <summary>The key of an application's risk settings, beside those of the profiles, which are uids.</summary>
    public const string RiskSettings = "settings";

    /// <summary>With every field that has a default: documents are read by those who know none.</summary>
    public static readonly JsonFormatter Json = new(JsonFormatter.Settings.Default.WithFormatDefaultValues(true));

    /// <summary>The documents of some rows of a type, all of them live, for an application.</summary>
    public Dictionary<string, byte[]> Of(ResourceType type, string application, IReadOnlyCollection<ResourceRow> rows) => type switch
    {
        ResourceType.Keys => OfIssuers(application, rows),
        ResourceType.Revocations => OfRevocations(rows),
        ResourceType.Factors => OfFactors(rows),
        ResourceType.Risk => OfRisk(rows),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "a type that is kept row by row"),
    };

    private static Dictionary<string, byte[]> OfIssuers(string application, IReadOnlyCollection<ResourceRow> rows)
    {
        var (documents, issuers) = (new Dictionary<string, byte[]>(StringComparer.Ordinal), new JsonArray());
        foreach (var row in rows)
        {
            var (issuer, jwks) = IssuerRecords.Read(row.Json);
            if (jwks is not null)
            {
                var path = $"keys/{issuers.Count}.jwks.json";
                documents.Add(path, Utf8(jwks));
                issuer["jwks"] = path;
            }

            if (issuer["audiences"] is not JsonArray { Count: > 0 })
            {
                // Ourselves, whose tokens name the application that they are for.
                issuer["audiences"] = new JsonArray(application);
            }

            issuers.Add(issuer);
        }

        documents.Add("issuers.json", Utf8(new JsonObject { ["issuers"] = issuers }));
        return documents;
    }

    private static Dictionary<string, byte[]> OfRevocations(IReadOnlyCollection<ResourceRow> rows)
    {
        var lists = rows.ToLookup(RevocationRecords.ListOf, r => r.Json);
        return One("revocations.json", $"{{{string.Join(", ", RevocationRecords.Lists.Select(l => $"\"{l.List}\": [{string.Join(",\n", lists[l.List])}]"))}}}");
    }

    private Dictionary<string, byte[]> OfFactors(IReadOnlyCollection<ResourceRow> rows)
    {
        // Where a subject has one of the same id for all applications and for this one, this one's counts.
        var factors = rows.SelectMany(r => FactorRecords.Read(r.Json)).DistinctBy(f => (f.Subject, f.Id));
        var documents = One("factors.json", $"{{\"factors\": {FactorRecords.Write(factors)}}}");
        documents.Add("factors.key", secrets.FactorWrappingKey);
        return documents;
    }

    private static Dictionary<string, byte[]> OfRisk(IReadOnlyCollection<ResourceRow> rows)
    {
        var profiles = rows.Where(r => r.Key != RiskSettings).DistinctBy(r => r.Key);
        var documents = One("profiles.json", $"{{\"profiles\": {{{string.Join(",\n", profiles.Select(p => $"{JsonValue.Create(p.Key).ToJsonString()}: {p.Json}"))}}}}}");
        if (rows.FirstOrDefault(r => r.Key == RiskSettings) is { } settings)
        {
            documents.Add("risk.json", Encoding.UTF8.GetBytes(settings.Json));
        }

        return documents;
    }

    private static Dictionary<string, byte[]> One(string path, string content) => new(StringComparer.Ordinal) { [path] = Encoding.UTF8.GetBytes(content) };

    private static byte[] Utf8(JsonNode node) => Encoding.UTF8.GetBytes(node.ToJsonString());
}
