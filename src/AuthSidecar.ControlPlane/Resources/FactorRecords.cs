using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using AuthSidecar.Bundles;
using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Secrets;

namespace AuthSidecar.ControlPlane.Resources;

/// <summary>A second factor as it is stored, which is how `factors.json` has it (docs/bundle.md).</summary>
internal sealed record FactorRecord(string Subject, string Id, byte[]? TotpSecret, IReadOnlyList<byte[]>? BackupCodeSha256)
{
    [JsonIgnore]
    public string Kind => TotpSecret is null ? "backup_codes" : "totp";
}

/// <summary>The second factors of a subject, and how new ones are made.</summary>
internal static class FactorRecords
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    public static List<FactorRecord> Read(string json) => json.Length == 0 ? [] : JsonSerializer.Deserialize<List<FactorRecord>>(json, Json)!;

    public static string Write(IEnumerable<FactorRecord> factors) => JsonSerializer.Serialize(factors, Json);

    /// <summary>Which there are, without their secrets.</summary>
    public static string Describe(string json) => string.Join(", ", Read(json).Select(f => $"{f.Id} ({f.Kind})"));

    /// <summary>An authenticator app's factor, its secret wrapped, and the URI to give to the app.</summary>
    public static (FactorRecord Factor, string Uri) NewTotp(EntityUid subject, string id, string account, string service, byte[] wrappingKey)
    {
        var secret = RandomNumberGenerator.GetBytes(TotpCode.SecretBytes);
        var wrapped = WrappedSecret.Wrap(secret, new FactorKey(subject, id), wrappingKey);
        return (new FactorRecord(subject.ToString(), id, wrapped.Bytes, null), TotpCode.ToUri(secret, service, account));
    }

    /// <summary>The secret of an authenticator app's factor.</summary>
    /// <exception cref="KeyVaultException">It was altered, or is another's.</exception>
    public static byte[] OpenTotp(EntityUid subject, FactorRecord factor, byte[] wrappingKey) =>
        new WrappedSecret(factor.TotpSecret!).TryUnwrap(new FactorKey(subject, factor.Id), wrappingKey) ?? throw new KeyVaultException($"the factor `{factor.Id}` of {subject} was altered");

    /// <summary>Backup codes, and what is kept of them.</summary>
    public static (FactorRecord Factor, IReadOnlyList<string> Codes) NewBackupCodes(EntityUid subject, string id)
    {
        var codes = Enumerable.Range(0, BackupCode.PerSubject).Select(_ => BackupCode.Generate()).ToList();
        return (new FactorRecord(subject.ToString(), id, null, [.. codes.Select(BackupCode.Hash)]), codes);
    }
}
