using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace AuthSidecar.Tests.Testing;

/// <summary>An issuer's server, over TLS, that answers what a test wants.</summary>
internal sealed class TlsServer : IAsyncDisposable
{
    /// <summary>A name that its certificate has, and no resolver knows.</summary>
    public const string Host = "issuer.example";

    private readonly TemporaryFolder _folder = new();
    private readonly WebApplication _app;
    private int _requests;

    public TlsServer()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, false, 0, critical: true));
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        names.AddDnsName(Host);
        request.CertificateExtensions.Add(names.Build());
        var certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(99));
        File.WriteAllText(CaFile, certificate.ExportCertificatePem());

        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        _app = builder.Build();
        _app.Run(context =>
        {
            Interlocked.Increment(ref _requests);
            return Answer(context);
        });
    }

    public string CaFile => _folder["ca.pem"];

    /// <summary>How often it was asked.</summary>
    public int Requests => Volatile.Read(ref _requests);

    public Func<HttpContext, Task> Answer { get; set; } = Status(StatusCodes.Status404NotFound);

    public static Func<HttpContext, Task> Status(int status) => context =>
    {
        context.Response.StatusCode = status;
        return Task.CompletedTask;
    };

    public Uri UrlOf(string path) => new($"{_app.Urls.Single()}/{path}");

    public Task StartAsync() => _app.StartAsync(TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _folder.Dispose();
    }
}
