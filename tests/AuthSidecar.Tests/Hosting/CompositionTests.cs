using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AuthSidecar.Common;
using AuthSidecar.Hosting;
using AuthSidecar.Issuers;
using AuthSidecar.Snapshots;
using AuthSidecar.Sync.Folder;
using AuthSidecar.Sync.Stream;
using AuthSidecar.Tests.Testing;
using Grpc.AspNetCore.Server;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace AuthSidecar.Tests.Hosting;

/// <summary>Wherever a sidecar is told to listen and to have from what it decides, everything that it is made of can be made: a registration that is missing would be found out by the first call that needs it.</summary>
public sealed class CompositionTests : IDisposable
{
    private static readonly IPEndPoint AnyPort = new(IPAddress.Loopback, 0);

    private readonly TemporaryFolder _folder = new();
    private readonly TestBundle _bundle = new();

    [Theory]
    [InlineData("folder on a socket")]
    [InlineData("folder on a socket and a port")]
    [InlineData("folder on a port")]
    [InlineData("folder with a seal")]
    [InlineData("issuers that are asked")]
    [InlineData("development")]
    [InlineData("join token")]
    [InlineData("service account token")]
    [InlineData("enrolled")]
    [InlineData("certificate of an operator")]
    public async Task Build_AnyShapeOfOptions_EveryServiceCanBeMade(string shape)
    {
        var options = OptionsOf(shape);
        Assert.Empty(options.Validate());
        IServiceCollection registered = new ServiceCollection();
        await using var app = SidecarHost.Build(options, services => registered = services);
        using var scope = app.Services.CreateScope();
        var own = registered.Where(IsOwn).Select(d => d.ServiceType).Distinct().ToList();
        Assert.True(own.Count >= 25, $"{own.Count} services");
        Assert.All(own, service =>
        {
            var made = scope.ServiceProvider.GetServices(service).ToList();
            Assert.NotEmpty(made);
            Assert.All(made, Assert.NotNull);
        });

        var hosted = app.Services.GetServices<IHostedService>().ToList();
        Assert.True(hosted.Count >= 5, $"{hosted.Count} hosted services");
        Assert.All(hosted, Assert.NotNull);
        // From the one or the other, and never from both.
        Assert.Equal([options.ControlPlane is null ? typeof(FolderSource) : typeof(StreamSource)], hosted.Select(h => h.GetType()).Where(t => t == typeof(FolderSource) || t == typeof(StreamSource)));

        var answering = ((IEndpointRouteBuilder)app).DataSources.SelectMany(d => d.Endpoints).Select(e => e.Metadata.GetMetadata<GrpcMethodMetadata>()?.ServiceType).OfType<Type>().Distinct().ToList();
        Assert.Equal(options.IsDevelopment ? 2 : 1, answering.Count);
        Assert.All(answering, service => Assert.NotNull(scope.ServiceProvider.GetService(service)));
    }

    public void Dispose()
    {
        _bundle.Dispose();
        _folder.Dispose();
    }

    private static bool IsOwn(ServiceDescriptor descriptor) => !descriptor.IsKeyedService
        && new[] { descriptor.ServiceType, descriptor.ImplementationType, descriptor.ImplementationInstance?.GetType() }
            .Any(t => t?.Assembly.GetName().Name?.StartsWith("authsidecar", StringComparison.OrdinalIgnoreCase) is true);

    private ServeOptions OptionsOf(string shape)
    {
        var folder = new ServeOptions { Bundle = _bundle.Path, State = _folder["state"], Socket = _folder["s.sock"], Log = LogFormat.None };
        return shape switch
        {
            "folder on a socket and a port" => folder with { Listen = AnyPort },
            "folder on a port" => folder with { Socket = null, Listen = AnyPort, Log = LogFormat.Json },
            "folder with a seal" => folder with { Seals = new SealOptions(IsRequired: true, KeyFile: WriteSealKey()) },
            "issuers that are asked" => folder with
            {
                Issuers = new IssuerHosts { Hosts = ["login.example"], PrivateHosts = ["login.svc"], Ca = _folder.Write("ca.pem", NewCertificate().Certificate) },
                IntrospectionClients = _folder.Write("clients.json", """{"https://login.example": {"url": "https://login.example/introspect", "clientId": "sidecar", "clientSecret": "secret"}}"""),
            },
            "development" => folder with { IsDevelopment = true, Log = LogFormat.Text },
            "join token" => Following(folder, Joining(new JoinOptions(_folder.Write("token", "id.secret.hash"), "one"))),
            "service account token" => Following(folder, Joining(new JoinOptions(_folder.Write("token", "a.b.c"), "web-0", _folder.Write("ca.pem", NewCertificate().Certificate)))),
            "enrolled" => Following(folder, Enrolled()),
            "certificate of an operator" => Following(folder, Enrolled() with { Join = null }),
            _ => folder,
        };
    }

    private static ServeOptions Following(ServeOptions options, ControlPlaneOptions controlPlane) => options with { Bundle = null, ControlPlane = controlPlane, MaxStaleness = MaxStaleness.Default };

    private ControlPlaneOptions Joining(JoinOptions join) => ControlPlaneOptions.Joining([new Uri("https://control.example:7443")], new("documents", ""), join, _folder["state"]);

    /// <summary>With what a sidecar keeps of its enrolment, and no token any more.</summary>
    private ControlPlaneOptions Enrolled()
    {
        var options = Joining(new JoinOptions(_folder["spent"], "one"));
        var (certificate, key) = NewCertificate();
        _folder.Write(options.Certificate, $"{certificate}\n{key}\n");
        _folder.Write(options.Ca, certificate);
        using var signing = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        _folder.Write(options.PinnedKeys, TestControlPlane.KeySetOf(signing));
        return options;
    }

    private string WriteSealKey()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return _folder.Write("seal.pub", key.ExportSubjectPublicKeyInfoPem());
    }

    private static (string Certificate, string Key) NewCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=test", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(99));
        return (certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }
}
