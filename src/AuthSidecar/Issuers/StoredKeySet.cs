using System.Text.Json.Serialization;

namespace AuthSidecar.Issuers;

/// <summary>A key set as it is kept for the next start.</summary>
internal sealed record StoredKeySet
{
    public required string Url { get; set; }
    public string? ETag { get; set; }
    public required DateTimeOffset FetchedAt { get; set; }
    public required string Jwks { get; set; }
}

[JsonSerializable(typeof(StoredKeySet))]
internal sealed partial class StoredKeySetJson : JsonSerializerContext;
