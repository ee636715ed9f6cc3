using System.Buffers.Text;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Hosting;
using Grpc.Net.Client;

namespace AuthSidecar.Sync.Streams;

/// <summary>
/// Gets the sidecar its certificate from the control plane's own CA: the first for a join token, and the next while the one before is still good.
/// What it gets lies in the same files as what an operator would put there.
/// </summary>
internal sealed partial class Enrolment(ControlPlaneOptions options, TimeProvider time, ILogger<Enrolment> logger)
{
    private static readonly TimeSpan ConnectWithin = TimeSpan.FromSeconds(5);

    /// <summary>Sees to it that there is a certificate to connect with.</summary>
    /// <exception cref="InvalidDataException">There is none, and there is none to be had.</exception>
    /// <exception cref="Grpc.Core.RpcException">The control plane does not give one.</exception>
    public async Task EnsureAsync(Uri address, CancellationToken cancellation)
    {
        if (options.Join is not { } join)
        {
            return;
        }

        if (!JoinOptions.HasEnrolled(options) || ReadCertificate() is var certificate && time.GetUtcNow() >= certificate.NotAfter)
        {
            await EnrolAsync(address, join, cancellation);
        }
        else if (time.GetUtcNow() >= RenewAt(certificate))
        {
            await RenewAsync(address, cancellation);
        }
    }

    /// <summary>When the certificate that there is should be replaced: after two thirds of its life. Null: somebody else sees to that.</summary>
    public DateTimeOffset? NextRenewal => options.Join is not null && JoinOptions.HasEnrolled(options) ? RenewAt(ReadCertificate()) : null;

    private async Task EnrolAsync(Uri address, JoinOptions join, CancellationToken cancellation)
    {
        var text = (await File.ReadAllTextAsync(join.TokenFile, cancellation)).Trim();
        if (text.Split('.') is not ["join", { Length: > 0 } id, { Length: > 0 } secret, var authority] || !Base64Url.IsValid(authority))
        {
            throw new InvalidDataException($"`{join.TokenFile}` does not hold a join token");
        }

        var authorityKey = Base64Url.DecodeFromChars(authority);
        using var channel = Connect(address, new SslClientAuthenticationOptions
        {
            EnabledSslProtocols = SslProtocols.Tls13,
            RemoteCertificateValidationCallback = (_, certificate, chain, errors) => certificate is not null && chain is not null && IsBy(authorityKey, new X509Certificate2(certificate), chain, errors),
        });
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var response = await new EnrolmentService.EnrolmentServiceClient(channel).EnrolAsync(
            new EnrolRequest { TokenId = id, TokenSecret = secret, Name = join.Name, CertificateRequest = RequestFor(key) }, cancellationToken: cancellation);
        Write(key, response.Certificate, response.Ca, response.BundleKeys);
        Log.Enrolled(logger, join.Name);
    }

    private async Task RenewAsync(Uri address, CancellationToken cancellation)
    {
        using var channel = Connect(address, options.ToTls());
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var response = await new EnrolmentService.EnrolmentServiceClient(channel).RenewAsync(new RenewRequest { CertificateRequest = RequestFor(key) }, cancellationToken: cancellation);
        Write(key, response.Certificate, response.Ca, response.BundleKeys);
        Log.Renewed(logger);
    }

    /// <summary>Whether a certificate, with all its names and times, is by the CA whose key a join token has named.</summary>
    private static bool IsBy(byte[] authorityKeySha256, X509Certificate2 certificate, X509Chain sent, SslPolicyErrors errors)
    {
        // Of its CA nobody here knows anything yet; of its name, the handshake does.
        if ((errors & ~SslPolicyErrors.RemoteCertificateChainErrors) != SslPolicyErrors.None)
        {
            return false;
        }

        var authority = sent.ChainPolicy.ExtraStore.Concat(sent.ChainElements.Select(e => e.Certificate))
            .FirstOrDefault(c => SHA256.HashData(c.PublicKey.ExportSubjectPublicKeyInfo()).AsSpan().SequenceEqual(authorityKeySha256));
        if (authority is null)
        {
            return false;
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.Add(authority);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.1", "serverAuth"));
        return chain.Build(certificate);
    }

    private static string RequestFor(ECDsa key) => new CertificateRequest("CN=authsidecar", key, HashAlgorithmName.SHA256).CreateSigningRequestPem();

    private static GrpcChannel Connect(Uri address, SslClientAuthenticationOptions tls) => GrpcChannel.ForAddress(address, new GrpcChannelOptions
    {
        HttpHandler = new SocketsHttpHandler { SslOptions = tls, ConnectTimeout = ConnectWithin },
        DisposeHttpClient = true,
    });

    /// <summary>The certificate last: with it, all is there.</summary>
    private void Write(ECDsa key, string certificate, string ca, string bundleKeys)
    {
        StateFolder.CreateOwned(Path.GetDirectoryName(options.Certificate)!);
        StateFolder.WriteSecret(options.CertificateKey, key.ExportPkcs8PrivateKeyPem());
        StateFolder.WriteSecret(options.Ca, ca);
        StateFolder.WriteSecret(options.PinnedKeys, bundleKeys);
        StateFolder.WriteSecret(options.Certificate, certificate);
    }

    private X509Certificate2 ReadCertificate() => X509CertificateLoader.LoadCertificateFromFile(options.Certificate);

    private static DateTimeOffset RenewAt(X509Certificate2 certificate) => new DateTimeOffset(certificate.NotBefore) + ((certificate.NotAfter - certificate.NotBefore) * 2 / 3);

    private static partial class Log
    {
        [LoggerMessage(50, LogLevel.Information, "enrolled as {Name}", EventName = "Enrolled")]
        public static partial void Enrolled(ILogger logger, string name);

        [LoggerMessage(51, LogLevel.Information, "the certificate is renewed", EventName = "CertificateRenewed")]
        public static partial void Renewed(ILogger logger);
    }
}
