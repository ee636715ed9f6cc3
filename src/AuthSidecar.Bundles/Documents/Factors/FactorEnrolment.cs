namespace AuthSidecar.Bundles;

/// <summary>How second factors are enrolled, and their secrets opened.</summary>
internal static class FactorEnrolment
{
    /// <summary>An authenticator app's factor, its secret wrapped, and the URI to give to the app.</summary>
    public static (FactorEntry Factor, string Uri) NewTotp(EntityUid subject, string id, string account, string service, byte[] wrappingKey)
    {
        var secret = RandomNumberGenerator.GetBytes(TotpCode.SecretBytes);
        var wrapped = WrappedSecret.Wrap(secret, new FactorKey(subject, id), wrappingKey);
        return (new FactorEntry { Subject = subject.ToString(), Id = id, TotpSecret = wrapped.Bytes },
            TotpCode.ToUri(secret, service, account));
    }

    /// <summary>The secret of an authenticator app's factor.</summary>
    /// <exception cref="CryptographicException">It was altered, or is another's.</exception>
    public static byte[] OpenTotp(EntityUid subject, FactorEntry factor, byte[] wrappingKey) =>
        new WrappedSecret(factor.TotpSecret!).TryUnwrap(new FactorKey(subject, factor.Id), wrappingKey)
            ?? throw new CryptographicException($"the factor `{factor.Id}` of {subject} was altered");

    /// <summary>Backup codes, and what is kept of them.</summary>
    public static (FactorEntry Factor, IReadOnlyList<string> Codes) NewBackupCodes(EntityUid subject, string id)
    {
        var codes = Enumerable.Range(0, BackupCode.PerSubject).Select(_ => BackupCode.Generate()).ToList();
        return (new FactorEntry { Subject = subject.ToString(), Id = id, BackupCodeSha256 = [.. codes.Select(BackupCode.Hash)] }, codes);
    }
}
