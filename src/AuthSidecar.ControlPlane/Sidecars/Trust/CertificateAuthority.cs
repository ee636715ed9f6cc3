namespace AuthSidecar.ControlPlane.Sidecars.Trust;

/// <summary>The control plane's own CA: it certifies the control plane and the sidecars that enrol, for one another and nobody
/// else.</summary>
internal sealed class CertificateAuthority : IDisposable
{
    /// <summary>Short: a certificate that is lost is soon worth nothing.</summary>
    public static readonly TimeSpan SidecarLifetime = TimeSpan.FromHours(24);

    public static readonly TimeSpan ServerLifetime = TimeSpan.FromDays(30);

    private const int LifetimeYears = 10;
    private const int SerialBytes = 16;
    private const string ServerAuth = "1.3.6.1.5.5.7.3.1";
    private const string ClientAuth = "1.3.6.1.5.5.7.3.2";

    /// <summary>Clocks differ.</summary>
    public static readonly TimeSpan Backdated = TimeSpan.FromMinutes(5);

    private readonly X509Certificate2 _authority;

    /// <param name="pkcs12">What <see cref="Create"/> has made.</param>
    public CertificateAuthority(byte[] pkcs12)
    {
        _authority = X509CertificateLoader.LoadPkcs12(pkcs12, null);
        KeyId = Base64Url.EncodeToString(KeySha256);
    }

    /// <summary>The SHA-256 of its public key, base64url.</summary>
    public string KeyId { get; }

    /// <summary>The CA's certificate, without its key.</summary>
    public X509Certificate2 Certificate => X509CertificateLoader.LoadCertificate(_authority.RawData);

    public string CertificatePem => _authority.ExportCertificatePem();

    /// <summary>The SHA-256 of its public key (SubjectPublicKeyInfo).</summary>
    public byte[] KeySha256 => SHA256.HashData(_authority.PublicKey.ExportSubjectPublicKeyInfo());

    /// <summary>Makes a CA.</summary>
    /// <returns>It and its key, as PKCS #12.</returns>
    public static byte[] Create(DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var identifier = new X509SubjectKeyIdentifierExtension(new PublicKey(key), critical: false);
        // A name of its own: while one CA takes the place of another, chains are built by name.
        var request = new CertificateRequest($"CN=AuthSidecar control plane CA {identifier.SubjectKeyIdentifier![..8].ToLowerInvariant()}",
            key, HashAlgorithmName.SHA256);
        AddAuthorityExtensions(request);
        request.CertificateExtensions.Add(identifier);
        using var certificate = request.CreateSelfSigned(now - Backdated, now.AddYears(LifetimeYears));
        return certificate.Export(X509ContentType.Pkcs12);
    }

    /// <summary>Issues a cross-certificate for another CA ("new with old"; RFC 4210, section 4.4): clients that trust only this CA accept
    /// certificates of the other one.</summary>
    public X509Certificate2 Endorse(CertificateAuthority next)
    {
        var request = new CertificateRequest(next._authority.SubjectName, next._authority.PublicKey, HashAlgorithmName.SHA256);
        AddAuthorityExtensions(request);
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(next._authority.PublicKey, critical: false));
        return Sign(request, next._authority.NotBefore, next._authority.NotAfter);
    }

    /// <summary>Whether a certificate that is trusted already is one of this CA's.</summary>
    public bool HasIssued(X509Certificate2 certificate) => CertificateChains.IsIssuedBy(certificate, [_authority]);

    /// <summary>A certificate for the control plane itself, with its key.</summary>
    /// <param name="names">The addresses and names by which sidecars reach it.</param>
    /// <param name="now">From when on.</param>
    public X509Certificate2 IssueServer(IEnumerable<string> names, DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var alternatives = new SubjectAlternativeNameBuilder();
        foreach (var name in names)
        {
            if (ListenAddress.TryParse(name, out var address))
                alternatives.AddIpAddress(address);
            else
                alternatives.AddDnsName(name);
        }

        using var certificate = Issue("CN=authsidecar-control", new PublicKey(key), alternatives, ServerAuth, now, now + ServerLifetime);
        using var withKey = certificate.CopyWithPrivateKey(key);
        // Through PKCS #12: a key that is only in memory is not offered in handshakes on every platform.
        return X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pkcs12), null);
    }

    /// <summary>The key of a certificate request, of which nothing else counts; null: that is no request, or its key is not on
    /// P-256.</summary>
    public static PublicKey? TryReadKey(string requestPem)
    {
        try
        {
            var request = CertificateRequest.LoadSigningRequestPem(requestPem, HashAlgorithmName.SHA256);
            using var key = request.PublicKey.GetECDsaPublicKey();
            return key?.ExportParameters(false).Curve.Oid.Value == ECCurve.NamedCurves.nistP256.Oid.Value ? request.PublicKey : null;
        }
        catch (Exception e) when (e is CryptographicException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>A certificate for a sidecar.</summary>
    /// <param name="key">Its key, of <see cref="TryReadKey"/>.</param>
    /// <param name="now">From when on.</param>
    public X509Certificate2 IssueSidecar(SidecarIdentity identity, PublicKey key, DateTimeOffset now)
    {
        var alternatives = new SubjectAlternativeNameBuilder();
        alternatives.AddUri(new Uri(identity.ToUri()));
        return Issue($"CN={identity.Name}", key, alternatives, ClientAuth, now, now + SidecarLifetime);
    }

    public void Dispose() => _authority.Dispose();

    private X509Certificate2 Issue(
        string subject, PublicKey key, SubjectAlternativeNameBuilder names, string usage, DateTimeOffset now, DateTimeOffset until)
    {
        var request = new CertificateRequest(new X500DistinguishedName(subject), key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], critical: false));
        request.CertificateExtensions.Add(names.Build());
        return Sign(request, now - Backdated, until);
    }

    private static void AddAuthorityExtensions(CertificateRequest request)
    {
        request.CertificateExtensions.Add(
            new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(
            new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign | X509KeyUsageFlags.CrlSign, critical: true));
    }

    private X509Certificate2 Sign(CertificateRequest request, DateTimeOffset from, DateTimeOffset until)
    {
        request.CertificateExtensions.Add(X509AuthorityKeyIdentifierExtension.CreateFromCertificate(_authority, includeKeyIdentifier: true,
            includeIssuerAndSerial: false));
        var serial = RandomNumberGenerator.GetBytes(SerialBytes);
        // A positive number (RFC 5280, section 4.1.2.2).
        serial[0] &= 0x7f;
        using var key256 = _authority.GetECDsaPrivateKey()!;
        return request.Create(_authority.SubjectName, X509SignatureGenerator.CreateForECDsa(key256), from,
            until < _authority.NotAfter ? until : _authority.NotAfter, serial);
    }
}
