namespace AuthSidecar.Common;

/// <summary>Certificate path validation (RFC 5280, section 6) against given CAs, without network access, and descriptions of its
/// failures.</summary>
internal static class CertificateChains
{
    /// <summary>Reads the certificates of CAs, in PEM.</summary>
    /// <exception cref="InvalidDataException">The file has no certificate, an invalid one, or one that is cut off; or none that is
    /// self-issued: paths end at those alone.</exception>
    public static X509Certificate2Collection ReadAuthorities(string path)
    {
        var (pem, authorities) = (File.ReadAllText(path), new X509Certificate2Collection());
        try
        {
            authorities.ImportFromPem(pem);
        }
        catch (CryptographicException e)
        {
            throw new InvalidDataException($"`{path}` has an invalid certificate: {e.Message}", e);
        }

        var begun = pem.AsSpan().Count("-----BEGIN CERTIFICATE-----");
        return begun == 0 && authorities.Count == 0 ? throw new InvalidDataException($"`{path}` has no certificate in PEM")
            : authorities.Count < begun ? throw new InvalidDataException($"`{path}` has a certificate in PEM that is not complete")
            : !authorities.Any(a => a.SubjectName.RawData.AsSpan().SequenceEqual(a.IssuerName.RawData))
                ? throw new InvalidDataException($"`{path}` has no root CA: at least one certificate must be self-signed")
            : authorities;
    }

    /// <summary>Reads the certificate of a server, those of its intermediate CAs behind it, and its key, in PEM.</summary>
    /// <exception cref="InvalidDataException">A file holds something else, or the key is that of another certificate.</exception>
    public static SslStreamCertificateContext ReadServer(string certificate, string key)
    {
        try
        {
            using var pem = X509Certificate2.CreateFromPemFile(certificate, key);
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(certificate);
            // Through PKCS #12: a key that is only in memory is not offered in handshakes on every platform.
            return SslStreamCertificateContext.Create(
                X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pfx), null), chain, offline: true);
        }
        catch (CryptographicException e)
        {
            throw new InvalidDataException($"`{certificate}`, `{key}`: not a certificate and its private key in PEM: {e.Message}", e);
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException($"the private key in `{key}` does not match the certificate in `{certificate}`", e);
        }
    }

    /// <summary>Whether one of the CAs issued the certificate. Validity periods are not checked.</summary>
    public static bool IsIssuedBy(X509Certificate2 certificate, X509Certificate2Collection authorities)
    {
        using var chain = ChainTo(authorities);
        chain.ChainPolicy.VerificationFlags = X509VerificationFlags.IgnoreNotTimeValid;
        return chain.Build(certificate);
    }

    /// <summary>Why a certificate is not one that one of the CAs issued for a TLS client, and that is valid now; null: it is. Revocation is
    /// not checked: certificates of workloads are short-lived.</summary>
    /// <param name="intermediates">Certificates that the client presented beside it.</param>
    /// <param name="end">When the first certificate of its path expires.</param>
    public static string? FindClientFault(X509Certificate2 certificate, X509Certificate2Collection intermediates,
        X509Certificate2Collection authorities, out DateTimeOffset end)
    {
        using var chain = ChainTo(authorities);
        chain.ChainPolicy.ExtraStore.AddRange(intermediates);
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.2", "clientAuth"));
        var isValid = chain.Build(certificate);
        end = chain.ChainElements.Select(e => new DateTimeOffset(e.Certificate.NotAfter)).DefaultIfEmpty().Min();
        return isValid ? null : $"invalid certificate: {string.Join(", ", chain.ChainStatus.Select(s => s.Status).Distinct())}";
    }

    /// <summary>For a handshake whose certificates are validated by a callback: nothing is fetched from addresses that a stranger's
    /// certificate names.</summary>
    public static X509ChainPolicy UncheckedPolicy() => new()
    {
        TrustMode = X509ChainTrustMode.CustomRootTrust,
        RevocationMode = X509RevocationMode.NoCheck,
        DisableCertificateDownloads = true,
    };

    private static X509Chain ChainTo(X509Certificate2Collection authorities)
    {
        var chain = new X509Chain { ChainPolicy = UncheckedPolicy() };
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        return chain;
    }

    /// <summary>Why the certificate of a control plane is rejected: the platform reports only a flag.</summary>
    /// <param name="certificate">The certificate it presented; null: none.</param>
    /// <param name="errors">The result of the validation, not <see cref="SslPolicyErrors.None"/>.</param>
    /// <param name="now">The local time.</param>
    /// <param name="untrusted">The message for a certificate of an unknown CA.</param>
    public static string Describe(X509Certificate? certificate, SslPolicyErrors errors, DateTimeOffset now, string untrusted) =>
        certificate is not X509Certificate2 its
        ? "the control plane presented no certificate"
        : DescribeValidity("the certificate of the control plane", its.NotBefore, its.NotAfter, now)
            ?? (errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)
                ? $"certificate name mismatch: the certificate of the control plane is for {Names(its)}" : untrusted);

    /// <summary>Why a certificate is not valid at a time; null: it is.</summary>
    public static string? DescribeValidity(string whose, DateTimeOffset from, DateTimeOffset until, DateTimeOffset now) =>
        now >= from && now < until
        ? null
        : string.Create(
            CultureInfo.InvariantCulture, $"{whose} is not valid now: valid from {from:u} until {until:u}, local clock {now:u}");

    private static string Names(X509Certificate2 certificate)
    {
        var names = certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().SelectMany(
            e => e.EnumerateDnsNames().Concat(e.EnumerateIPAddresses().Select(a => a.ToString()))).ToList();
        return names.Count == 0 ? "none" : string.Join(", ", names);
    }
}
