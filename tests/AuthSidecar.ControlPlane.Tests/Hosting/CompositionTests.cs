using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.Api;
using AuthSidecar.ControlPlane.Hosting;
using AuthSidecar.ControlPlane.Identity;
using AuthSidecar.ControlPlane.Identity.Passwords;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Tests.Testing;
using Grpc.AspNetCore.Server;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace AuthSidecar.ControlPlane.Tests.Hosting;

/// <summary>Whatever a node is told, of listeners and certificates, passwords, proxies and clusters, everything that it answers with can be made.</summary>
public sealed class CompositionTests(PostgresServer postgres)
{
    public static TheoryData<string, bool> Shapes =>
        [.. from shape in new[] { "socket alone", "sidecars", "administration", "certificates", "clusters", "another CA", "passwords", "proxies" } from isPostgres in new[] { false, true } select (shape, isPostgres)];

    [Theory]
    [MemberData(nameof(Shapes))]
    public async Task Build_AnyShapeOfOptions_EveryServiceAndPageCanBeMade(string shape, bool isPostgres)
    {
        Assert.SkipWhen(isPostgres && postgres.Missing is not null, postgres.Missing ?? "");
        var folder = System.IO.Directory.CreateTempSubdirectory("composition-").FullName;
        try
        {
            await File.WriteAllTextAsync($"{folder}/master.key", Convert.ToBase64String(new byte[32]), TestContext.Current.CancellationToken);
            var database = isPostgres ? $"postgres:{await postgres.CreateDatabaseAsync()}" : $"sqlite:{folder}/control.db";
            var options = new ServeOptions { Database = Database.Parse(database), KeyVault = isPostgres ? KeyVault.Parse($"file:{folder}/master.key", null) : null, State = $"{folder}/state", AdminSocket = $"{folder}/c.sock", Names = ["127.0.0.1"] };
            var any = new IPEndPoint(IPAddress.Loopback, 0);
            var administered = options with { ListenHttps = any, Identity = new IdentityServerOptions { Url = new Uri("https://127.0.0.1:8443") } };
            options = shape switch
            {
                "sidecars" => options with { Listen = any },
                "administration" => options with { Listen = any, ListenHttps = any, Identity = new IdentityServerOptions { Url = new Uri("https://127.0.0.1:8443") } },
                "certificates" => options with { ListenHttps = any, ListenCertificates = any, Identity = new IdentityServerOptions { Url = new Uri("https://127.0.0.1:8443"), CertificatesUrl = new Uri("https://127.0.0.1:8444") } },
                "clusters" => options with { Listen = any, JoinKubernetes = WriteClusters(folder) },
                "another CA" => WithCertificate(administered with { Listen = any, Names = [] }, folder),
                "passwords" => administered with { Passwords = new PasswordOptions { Scheme = PasswordScheme.Pbkdf2Sha512, Policy = PasswordPolicy.Classes, CommonPasswords = ["acme"], Breached = BreachedPasswords.Open(WriteBreached(folder)) } },
                "proxies" => administered with { Addresses = new AddressOptions { TrustedProxies = [new IPNetwork(IPAddress.Loopback, 32), new IPNetwork(IPAddress.IPv6Loopback, 128)], AttemptsPerMinute = 0 } },
                _ => options,
            };
            Assert.Empty(options.Validate());
            using var breached = options.Passwords.Breached;
            await using var app = ControlPlaneHost.Build(options);
            await app.PrepareAsync(TestContext.Current.CancellationToken);
            var services = ((IEndpointRouteBuilder)app).DataSources.SelectMany(d => d.Endpoints).Select(e => e.Metadata.GetMetadata<GrpcMethodMetadata>()?.ServiceType).OfType<Type>().Distinct().ToList();
            // Pages are for those who sign in, which takes an address.
            var pages = options.Identity.Url is null ? [] : typeof(ControlPlaneHost).Assembly.GetTypes().Where(t => !t.IsAbstract && t.IsSubclassOf(typeof(PageModel))).ToList();
            Assert.True(services.Count >= 15, $"{services.Count} services");
            Assert.All(app.Services.GetServices<IHostedService>(), Assert.NotNull);
            Assert.True(app.Services.GetServices<IHostedService>().Count() >= 8, "hosted services");
            using var scope = app.Services.CreateScope();
            foreach (var type in services.Concat(pages))
            {
                Assert.NotNull(ActivatorUtilities.CreateInstance(scope.ServiceProvider, type));
            }
        }
        finally
        {
            System.IO.Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>One that is asked about each token, and one whose keys are known.</summary>
    private static string WriteClusters(string folder)
    {
        File.WriteAllText($"{folder}/ca.pem", NewCertificate().Certificate);
        File.WriteAllText($"{folder}/token", "a.b.c");
        File.WriteAllText($"{folder}/keys.json", """{"keys": []}""");
        File.WriteAllText($"{folder}/clusters.json", $$"""
            {
              "clusters": [
                {
                  "issuer": "https://one.svc",
                  "tokenReview": "https://one.svc/apis/authentication.k8s.io/v1/tokenreviews",
                  "ca": "{{folder}}/ca.pem",
                  "tokenFile": "{{folder}}/token",
                  "serviceAccounts": [{"namespace": "apps", "name": "web", "application": "documents"}]
                },
                {
                  "issuer": "https://two.svc",
                  "keySet": "{{folder}}/keys.json",
                  "serviceAccounts": [{"namespace": "apps", "name": "web", "application": "documents", "tenant": "acme"}]
                }
              ]
            }
            """);
        return $"{folder}/clusters.json";
    }

    private static ServeOptions WithCertificate(ServeOptions options, string folder)
    {
        var (certificate, key) = NewCertificate();
        File.WriteAllText($"{folder}/tls.pem", certificate);
        File.WriteAllText($"{folder}/tls.key", key);
        File.WriteAllText($"{folder}/clients.pem", NewCertificate().Certificate);
        return options with { Certificate = $"{folder}/tls.pem", CertificateKey = $"{folder}/tls.key", ClientCa = $"{folder}/clients.pem" };
    }

    private static string WriteBreached(string folder)
    {
        File.WriteAllLines($"{folder}/breached.txt", Enumerable.Range(0, 10).Select(i => $"{new string((char)('0' + i), 40)}:{i + 1}"));
        return $"{folder}/breached.txt";
    }

    private static (string Certificate, string Key) NewCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = new CertificateRequest("CN=test", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UnixEpoch.AddYears(50), DateTimeOffset.UnixEpoch.AddYears(99));
        return (certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }
}
