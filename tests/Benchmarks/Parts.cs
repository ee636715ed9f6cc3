using System.Diagnostics;
using AuthSidecar.Cedar;
using AuthSidecar.Cli.Quickstart;
using AuthSidecar.Decisions;
using AuthSidecar.Hosting;
using AuthSidecar.Services;
using AuthSidecar.Snapshots;
using AuthSidecar.V1;
using Google.Protobuf;

namespace Benchmarks;

/// <summary>Where the time of a check goes: each step by itself, in one thread, without a socket.</summary>
internal static class Parts
{
    public static async Task<int> RunAsync(string folder)
    {
        var sample = new SampleApplication(folder);
        sample.Create();
        await using var app = SidecarHost.Build(new ServeOptions { Bundle = sample.Bundle, State = sample.State, Socket = Path.Combine(folder, "parts.sock"), Log = LogFormat.None });
        await app.StartAsync();
        var cache = app.Services.GetRequiredService<SnapshotCache>();
        var snapshot = await cache.WaitForAsync(new Revision(1), CancellationToken.None);
        var decisions = app.Services.GetRequiredService<DecisionPoint>();
        var now = TimeProvider.System.GetUtcNow();
        foreach (var (name, file) in new[] { ("principal", "check-principal.grpc"), ("token", "check-token.grpc") })
        {
            var bytes = (await File.ReadAllBytesAsync(Path.Combine(folder, file)))[5..];
            var message = CheckPermissionRequest.Parser.ParseFrom(bytes);
            var request = RequestReader.Read(message);
            var answer = decisions.Check(request, snapshot, now);
            var freshness = new Freshness { Policies = new ResourceFreshness { Revision = 1, AgeMs = 1 }, Entities = new ResourceFreshness { Revision = 1, AgeMs = 1 } };
            var response = AnswerWriter.Write(answer, freshness, now);
            Measure($"{name}: parse the message", () => CheckPermissionRequest.Parser.ParseFrom(bytes));
            Measure($"{name}: read the request", () => RequestReader.Read(message));
            Measure($"{name}: decide", () => decisions.Check(request, snapshot, now));
            Measure($"{name}: write the answer", () => AnswerWriter.Write(answer, freshness, now));
            Measure($"{name}: serialize", () => response.ToByteArray());
            var cedar = new Request(new AuthSidecar.Cedar.EntityUid("User", "alice"), request.Action, request.Resource, RequestContext.Create([], null, null, null, now));
            AuthSidecar.Policies.EntityOverlay.TryCreate(snapshot.Entities.Value, new AuthSidecar.Policies.GivenEntity(cedar.Principal, ValueRecord.Empty, []), request.Entities, out var entities, out _);
            Measure($"{name}: of which Cedar", () => Authorizer.IsAuthorized(snapshot.Policies.Value.Policies, entities!, cedar));
        }

        await app.StopAsync();
        return 0;
    }

    private static void Measure(string name, Func<object?> step)
    {
        for (var i = 0; i < 50_000; i++)
        {
            step();
        }

        const int Times = 200_000;
        var allocated = GC.GetAllocatedBytesForCurrentThread();
        var started = Stopwatch.GetTimestamp();
        for (var i = 0; i < Times; i++)
        {
            step();
        }

        var ns = Stopwatch.GetElapsedTime(started).TotalNanoseconds / Times;
        Console.WriteLine($"{name,-32} {ns,8:F0} ns {(GC.GetAllocatedBytesForCurrentThread() - allocated) / Times,8} B");
    }
}
