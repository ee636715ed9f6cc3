namespace AuthSidecar.Hosting;

/// <summary>The listener beyond the pod: TLS 1.3, and client certificates where there is a CA for them.</summary>
internal sealed record TlsListener
{
    public required IPEndPoint Listen { get; init; }

    /// <summary>The file with the certificate, and those of intermediate CAs, in PEM.</summary>
    public required string Certificate { get; init; }

    /// <summary>The file with the private key of the certificate, in PEM.</summary>
    public required string CertificateKey { get; init; }

    /// <summary>The file with the CA of client certificates, in PEM, which clients then need; null: they need none.</summary>
    public string? ClientCa { get; init; }

    /// <summary>The trust domain of the X.509-SVIDs that client certificates have to be; null: they may be others.</summary>
    public string? TrustDomain { get; init; }

    /// <summary>The entity type of callers as the principals of requests that name none; null: requests have to name one.</summary>
    public string? PrincipalType { get; init; }

    public IEnumerable<string> Files => new[] { Certificate, CertificateKey, ClientCa }.OfType<string>();

    /// <summary>Every reason why these options cannot be served with.</summary>
    public IEnumerable<string> Validate()
    {
        foreach (var (option, path) in new[] { ("--tls-certificate", Certificate), ("--tls-certificate-key", CertificateKey),
            ("--tls-client-ca", ClientCa) })
        {
            if (path is not null && !File.Exists(path))
                yield return $"the file `{path}` of `{option}` does not exist";
        }

        if (TrustDomain is not null && ClientCa is null)
            yield return "`--tls-trust-domain` requires `--tls-client-ca`: the CA of the trust domain";

        if (TrustDomain is not null && !SpiffeId.IsTrustDomain(TrustDomain))
        {
            yield return $"--tls-trust-domain: `{TrustDomain}` is not a SPIFFE trust domain: expected lower-case letters, digits, `.`, `-` "
                + "and `_`, such as `acme.example`";
        }

        if (PrincipalType is not null && TrustDomain is null)
            yield return "`--tls-principal` requires `--tls-trust-domain`: nothing else names the caller";

        if (PrincipalType is not null && (!EntityType.IsValid(PrincipalType) || EntityType.IsAction(PrincipalType)))
            yield return $"--tls-principal: `{PrincipalType}` is not an entity type name such as `Workload`";
    }
}
