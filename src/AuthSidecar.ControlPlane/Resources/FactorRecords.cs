using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Secrets;
using OtpNet;

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
    /// <summary>RFC 4226, section 4: 160 bits.</summary>
    public const int TotpSecretBytes = 20;

    private const int BackupCodes = 10;
    private const int BackupCodeBytes = 16;
    private const int BackupCodeGroup = 4;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    public static List<FactorRecord> Read(string json) => json.Length == 0 ? [] : JsonSerializer.Deserialize<List<FactorRecord>>(json, Json)!;

    public static string Write(IEnumerable<FactorRecord> factors) => JsonSerializer.Serialize(factors, Json);

    /// <summary>Which there are, without their secrets.</summary>
    public static string Describe(string json) => string.Join(", ", Read(json).Select(f => $"{f.Id} ({f.Kind})"));

    /// <summary>An authenticator app's factor, its secret wrapped, and the URI to give to the app (Google's Key Uri Format).</summary>
    public static (FactorRecord Factor, string Uri) NewTotp(EntityUid subject, string id, string account, string service, byte[] wrappingKey)
    {
        var secret = RandomNumberGenerator.GetBytes(TotpSecretBytes);
        var uri = $"otpauth://totp/{Uri.EscapeDataString(service)}:{Uri.EscapeDataString(account)}?secret={ToBase32(secret)}&issuer={Uri.EscapeDataString(service)}&algorithm=SHA1&digits=6&period=30";
        return (new FactorRecord(subject.ToString(), id, SealedBox.Seal(wrappingKey, secret, ContextOf(subject, id)), null), uri);
    }

    /// <summary>The secret of an authenticator app's factor.</summary>
    /// <exception cref="KeyVaultException">It was altered, or is another's.</exception>
    public static byte[] OpenTotp(EntityUid subject, FactorRecord factor, byte[] wrappingKey) =>
        SealedBox.TryOpen(wrappingKey, factor.TotpSecret!, ContextOf(subject, factor.Id)) ?? throw new KeyVaultException($"the factor `{factor.Id}` of {subject} was altered");

    /// <summary>Backup codes, and what is kept of them: 128 random bits need no salt.</summary>
    public static (FactorRecord Factor, IReadOnlyList<string> Codes) NewBackupCodes(EntityUid subject, string id)
    {
        var codes = Enumerable.Range(0, BackupCodes).Select(_ => ToBase32(RandomNumberGenerator.GetBytes(BackupCodeBytes))).ToList();
        return (
            new FactorRecord(subject.ToString(), id, null, [.. codes.Select(c => SHA256.HashData(Encoding.ASCII.GetBytes(c)))]),
            [.. codes.Select(c => string.Join('-', c.Chunk(BackupCodeGroup).Select(g => new string(g))))]);
    }

    // Length first: two factors never share their context.
    private static byte[] ContextOf(EntityUid subject, string id) => Encoding.UTF8.GetBytes($"{subject.ToString().Length}:{subject}{id}");

    private static string ToBase32(byte[] bytes) => Base32Encoding.ToString(bytes).TrimEnd('=');
}
