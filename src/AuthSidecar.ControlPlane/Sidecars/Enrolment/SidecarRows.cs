namespace AuthSidecar.ControlPlane.Sidecars.Enrolment;

/// <summary>What the rows of sidecars have in common for those who admit and those who enrol.</summary>
internal static class SidecarRows
{
    /// <summary>The certificates of streams in PEM: they are compared at each write and heartbeat.</summary>
    private static readonly ConditionalWeakTable<X509Certificate2, string> Pems = [];

    public static Task<SidecarRow?> FindAsync(StoreContext context, SidecarIdentity identity, CancellationToken cancellation) =>
        context.Sidecars.SingleOrDefaultAsync(
            s => s.Application == identity.Placement.Application && s.Tenant == identity.Placement.Tenant && s.Name == identity.Name,
            cancellation);

    /// <summary>Notes a certificate that was issued to a sidecar.</summary>
    /// <param name="row">Its row; null: it has none.</param>
    /// <param name="previousSha256">The digest of the certificate before, which stays good until this one is used; empty: none.</param>
    public static SidecarRow Register(
        StoreTransaction transaction, SidecarIdentity identity, SidecarRow? row, X509Certificate2 certificate, string previousSha256)
    {
        row ??= Add(transaction, identity);
        (row.Note, row.Serial, row.PreviousSha256, row.IsRemoved) = (transaction.Note, certificate.SerialNumber, previousSha256, false);
        (row.Certificate, row.KeySha256) = (certificate.ExportCertificatePem(), KeyOf(certificate));
        (row.ValidFromMs, row.ExpiresAtMs) = (ToMs(certificate.NotBefore), ToMs(certificate.NotAfter));
        return row;
    }

    /// <summary>Adds a sidecar without a certificate.</summary>
    public static SidecarRow Add(StoreTransaction transaction, SidecarIdentity identity)
    {
        var row = new SidecarRow
        {
            Application = identity.Placement.Application,
            Tenant = identity.Placement.Tenant,
            Name = identity.Name,
            Note = 0,
            Serial = "",
            PreviousSha256 = "",
            Certificate = "",
            KeySha256 = "",
            ValidFromMs = 0,
            ExpiresAtMs = 0,
            EnrolledAtMs = transaction.NowMs,
            IsRemoved = false,
        };
        transaction.Context.Sidecars.Add(row);
        return row;
    }

    /// <summary>Whether it is the registered certificate. The whole certificate is compared: with a stolen CA, an attacker can choose the
    /// serial number.</summary>
    public static bool Admits(SidecarRow row, X509Certificate2 certificate) =>
        !row.IsRemoved
            && ((row.Serial == certificate.SerialNumber && row.Certificate == Pems.GetValue(certificate, c => c.ExportCertificatePem()))
                || (row.PreviousSha256.Length > 0 && row.PreviousSha256 == DigestOf(certificate)));

    public static string DigestOf(X509Certificate2 certificate) => Base64Url.EncodeToString(SHA256.HashData(certificate.RawData));
    private static string KeyOf(X509Certificate2 certificate) => KeyOf(certificate.PublicKey);

    /// <summary>The digest of a public key.</summary>
    public static string KeyOf(PublicKey key) => Base64Url.EncodeToString(SHA256.HashData(key.ExportSubjectPublicKeyInfo()));

    public static long ToMs(DateTime time) => new DateTimeOffset(time.ToUniversalTime()).ToUnixTimeMilliseconds();
}
