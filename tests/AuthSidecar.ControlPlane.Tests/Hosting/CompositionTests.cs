using System.Net;
using AuthSidecar.ControlPlane.Hosting;
using AuthSidecar.ControlPlane.Store;
using Grpc.AspNetCore.Server;
using Microsoft.AspNetCore.Mvc.RazorPages;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace AuthSidecar.ControlPlane.Tests.Hosting;

/// <summary>Whatever a node is told to listen on, everything that it answers with can be made.</summary>
public sealed class CompositionTests
{
    public static TheoryData<string> Shapes => ["socket alone", "sidecars", "administration", "certificates"];

    [Theory]
    [MemberData(nameof(Shapes))]
    public async Task Build_AnyShapeOfOptions_EveryServiceAndPageCanBeMade(string shape)
    {
        var folder = System.IO.Directory.CreateTempSubdirectory("composition-").FullName;
        try
        {
            var options = new ServeOptions { Database = Database.Parse($"sqlite:{folder}/control.db"), State = $"{folder}/state", AdminSocket = $"{folder}/c.sock", Names = ["127.0.0.1"] };
            var any = new IPEndPoint(IPAddress.Loopback, 0);
            options = shape switch
            {
                "sidecars" => options with { Listen = any },
                "administration" => options with { Listen = any, ListenHttps = any, Url = new Uri("https://127.0.0.1:8443") },
                "certificates" => options with { ListenHttps = any, Url = new Uri("https://127.0.0.1:8443"), ListenCertificates = any, CertificatesUrl = new Uri("https://127.0.0.1:8444") },
                _ => options,
            };
            await using var app = ControlPlaneHost.Build(options);
            await app.PrepareAsync(TestContext.Current.CancellationToken);
            var services = ((IEndpointRouteBuilder)app).DataSources.SelectMany(d => d.Endpoints).Select(e => e.Metadata.GetMetadata<GrpcMethodMetadata>()?.ServiceType).OfType<Type>().Distinct().ToList();
            // Pages are for those who sign in, which takes an address.
            var pages = options.Url is null ? [] : typeof(ControlPlaneHost).Assembly.GetTypes().Where(t => !t.IsAbstract && t.IsSubclassOf(typeof(PageModel))).ToList();
            Assert.True(services.Count >= 15, $"{services.Count} services");
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
}
