using AuthSidecar.Hosting;

namespace AuthSidecar.Cli;

/// <summary>The options of <c>serve</c> about its TLS listener.</summary>
internal sealed class TlsOptions
{
    public Option<string?> Listen { get; } = CliOption.Of<string?>("--listen-tls", "HOST:PORT",
        "An address and port to listen on beyond the pod, with TLS 1.3, such as `0.0.0.0:7443`. Default: none.");

    public Option<string?> Certificate { get; } = CliOption.Of<string?>("--tls-certificate", "FILE",
        "The certificate of --listen-tls, and those of its intermediate CAs, in PEM; read again when the file changes.");

    public Option<string?> CertificateKey { get; } = CliOption.Of<string?>("--tls-certificate-key", "FILE", "Its key, in PEM.");

    public Option<string?> ClientCa { get; } = CliOption.Of<string?>("--tls-client-ca", "FILE",
        "The root CA of client certificates, in PEM, which clients of --listen-tls need (mutual TLS); `none`: every client that can "
            + "connect may call.");

    public Option<string?> TrustDomain { get; } = CliOption.Of<string?>("--tls-trust-domain", "NAME",
        "The SPIFFE trust domain of --tls-client-ca: client certificates must be X.509-SVIDs of it, and name the caller "
            + "(`context.caller`).");

    public Option<string?> Principal { get; } = CliOption.Of<string?>("--tls-principal", "TYPE",
        "The entity type of the caller as the principal of requests that name neither a token nor a principal, such as `Workload`. "
            + "Default: such requests are invalid.");

    private const string None = "none";

    /// <summary>The listener; null: there is none, or a fault.</summary>
    /// <param name="fault">The option that is missing, of no effect or malformed; null: none is.</param>
    public TlsListener? Read(ParseResult parsed, out string? fault)
    {
        fault = null;
        if (parsed.GetValue(Listen) is not { } text)
        {
            fault = new Option[] { Certificate, CertificateKey, ClientCa, TrustDomain, Principal }
                .FirstOrDefault(o => parsed.GetResult(o) is { Implicit: false }) is { } stray
                    ? $"`{stray.Name}` requires `{Listen.Name}`" : null;
            return null;
        }

        if (parsed.GetValue(Certificate) is not { } certificate || parsed.GetValue(CertificateKey) is not { } key
            || parsed.GetValue(ClientCa) is not { } clientCa)
        {
            fault = $"`{Listen.Name}` requires `{Certificate.Name}`, `{CertificateKey.Name}` and `{ClientCa.Name}`";
            return null;
        }

        if (ListenAddress.TryParseEndPoint(text) is not { } endPoint)
        {
            fault = $"`{text}` is not an address and port such as `0.0.0.0:7443` or `[::]:7443`";
            return null;
        }

        return new TlsListener
        {
            Listen = endPoint,
            Certificate = certificate,
            CertificateKey = key,
            ClientCa = clientCa == None ? null : clientCa,
            TrustDomain = parsed.GetValue(TrustDomain),
            PrincipalType = parsed.GetValue(Principal),
        };
    }
}
