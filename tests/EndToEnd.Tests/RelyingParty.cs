using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace EndToEnd.Tests;

/// <summary>A client's own server, which is told of sessions that have ended.</summary>
internal sealed class RelyingParty : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("relying-party").FullName;
    private WebApplication _app = null!;

    public string CaFile => Path.Combine(_folder, "ca.pem");

    public string LogoutUri { get; private set; } = "";

    /// <summary>What it answers.</summary>
    public int Status { get; set; } = StatusCodes.Status200OK;

    /// <summary>What was posted to it.</summary>
    public ConcurrentQueue<string> LogoutTokens { get; } = [];

    public static async Task<RelyingParty> StartAsync()
    {
        var party = new RelyingParty();
        var certificate = TestCertificate.Create(party.CaFile, "localhost");
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        party._app = builder.Build();
        party._app.MapPost("/logout", async context =>
        {
            party.LogoutTokens.Enqueue((await context.Request.ReadFormAsync(context.RequestAborted))["logout_token"].ToString());
            context.Response.StatusCode = party.Status;
            context.Response.Headers.Location = "/elsewhere";
        });
        await party._app.StartAsync(TestContext.Current.CancellationToken);
        party.LogoutUri = party._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single() + "/logout";
        return party;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
