using System.Text.Json;

namespace AuthSidecar.Bundles;

/// <summary>A factor: a TOTP secret, or backup codes. Bytes are base64.</summary>
internal sealed record FactorEntry
{
    /// <summary>Whose it is, in Cedar syntax.</summary>
    public required string Subject { get; set; }

    public required string Id { get; set; }

    /// <summary>The secret, wrapped for this subject and id: see <see cref="WrappedSecret"/>.</summary>
    public byte[]? TotpSecret { get; set; }

    public IReadOnlyList<byte[]>? BackupCodeSha256 { get; set; }

    [JsonIgnore]
    public string Kind => TotpSecret is null ? "backup_codes" : "totp";

    /// <summary>Reads an array of them; an empty text has none.</summary>
    public static List<FactorEntry> ReadAll(string json) => json.Length == 0 ? []
        : JsonSerializer.Deserialize(json, FactorsJson.Default.ListFactorEntry)!;

    public static string WriteAll(IEnumerable<FactorEntry> factors) => JsonSerializer.Serialize(
        [.. factors], FactorsJson.Default.ListFactorEntry);
}

[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(FactorsFile))]
[JsonSerializable(typeof(List<FactorEntry>))]
internal sealed partial class FactorsJson : JsonSerializerContext;
