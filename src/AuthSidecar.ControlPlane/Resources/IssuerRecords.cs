using System.Text.Json.Nodes;
using AuthSidecar.ControlPlane.V1;

namespace AuthSidecar.ControlPlane.Resources;

/// <summary>Issuers as rows: the entry of `issuers.json` (docs/bundle.md), and beside it the key set.</summary>
internal static class IssuerRecords
{
    public static string Write(Issuer issuer, string jwks) =>
        new JsonObject { ["issuer"] = JsonNode.Parse(ResourceDocuments.Json.Format(issuer)), ["jwks"] = jwks.Length == 0 ? null : JsonNode.Parse(jwks) }.ToJsonString();

    /// <returns>The issuer, and its key set; null: it publishes it.</returns>
    public static (JsonObject Issuer, JsonNode? Jwks) Read(string json)
    {
        var record = JsonNode.Parse(json)!.AsObject();
        var (issuer, jwks) = (record["issuer"]!.AsObject(), record["jwks"]);
        record.Clear();
        return (issuer, jwks);
    }
}
