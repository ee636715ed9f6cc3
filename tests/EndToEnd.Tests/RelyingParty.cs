using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

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
        (party._app, var address) = await TlsServer.StartAsync(TestCertificate.Create(party.CaFile, "localhost"), async context =>
        {
            party.LogoutTokens.Enqueue((await context.Request.ReadFormAsync(context.RequestAborted))["logout_token"].ToString());
            context.Response.StatusCode = party.Status;
            context.Response.Headers.Location = "/elsewhere";
        });
        party.LogoutUri = new Uri(address, "logout").ToString();
        return party;
    }

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }
}
