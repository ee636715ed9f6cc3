namespace AuthSidecar.Bundles;

/// <summary><c>factors.json</c>: enrolled second factors.</summary>
internal sealed record FactorsFile
{
    public const string FileName = "factors.json";
    private const int Sha256Bytes = 32;

    private static readonly StrictJsonFiles Json = new(FactorsJson.Default);

    public required IReadOnlyList<FactorEntry> Factors { get; set; }

    /// <param name="wrappingKey">The key that the secrets are wrapped with; null: it is not known here, and secrets are not
    /// unwrapped.</param>
    /// <param name="faults">Gets what is wrong.</param>
    public static FactorSet Read(BundleFiles files, byte[]? wrappingKey, List<Fault> faults)
    {
        var factors = new Dictionary<FactorKey, Factor>();
        foreach (var entry in files.TryRead(FileName, out var utf8) ? Json.Read<FactorsFile>(FileName, utf8, faults)?.Factors ?? [] : [])
        {
            var factor = BuildFactor(entry, wrappingKey, out var fault);
            if (factor is not null && !factors.TryAdd(factor.Key, factor))
                fault = "enrolled twice";

            if (fault is not null)
                faults.Add(new Fault(FileName, 0, 0, $"factor `{entry.Id}` of `{entry.Subject}`: {fault}"));
        }

        return new FactorSet(factors.Values, wrappingKey ?? []);
    }

    public byte[] Write() => Json.Write(this);

    private static Factor? BuildFactor(FactorEntry entry, byte[]? wrappingKey, out string? fault)
    {
        fault = null;
        if (!EntityUid.TryParse(entry.Subject, out var subject, out var uidFault))
        {
            fault = uidFault.Message;
            return null;
        }

        var key = new FactorKey(subject, entry.Id);
        switch (entry)
        {
            case { Id: "" }:
                fault = "`id` is empty";
                return null;
            case { TotpSecret: { } secret, BackupCodeSha256: null }:
                var wrapped = new WrappedSecret(secret);
                // Found out now rather than when somebody stands at the door.
                fault = wrappingKey is not null && wrapped.TryUnwrap(key, wrappingKey) is null
                    ? "failed to unwrap the secret: wrong key or corrupt data" : null;
                return fault is null ? new TotpFactor(key, wrapped) : null;
            case { TotpSecret: null, BackupCodeSha256: { Count: > 0 } hashes }:
                fault = hashes.All(h => h.Length == Sha256Bytes) ? null : "invalid hash in `backupCodeSha256`: expected 32 bytes";
                return fault is null ? new BackupCodesFactor(key, hashes) : null;
            default:
                fault = "exactly one of `totpSecret` and `backupCodeSha256` is required";
                return null;
        }
    }
}
