using System.Buffers;
using System.Diagnostics;
using AuthSidecar.Api.Calls;
using AuthSidecar.Api.Wire;
using AuthSidecar.Cedar;
using AuthSidecar.Cli.Quickstart;
using AuthSidecar.Common;
using AuthSidecar.Decisions;
using AuthSidecar.Hosting;
using AuthSidecar.Policies;
using AuthSidecar.Snapshots;
using AuthSidecar.Tokens;
using Google.Protobuf;

namespace Benchmarks;

/// <summary>Where the time of a check goes: each step by itself, in one thread, without a socket.</summary>
internal static class Parts
{
    /// <param name="folder">Where the sample application is made.</param>
    /// <param name="filter">Measure only the steps whose name contains this.</param>
    public static async Task<int> RunAsync(string folder, string filter)
    {
        var sample = new SampleApplication(folder);
        sample.Create();
        await using var app = SidecarHost.Build(new ServeOptions { Bundle = sample.Bundle, State = sample.State, Socket = Path.Combine(folder, "parts.sock"), Log = LogFormat.None });
        await app.StartAsync();
        var snapshot = await app.Services.GetRequiredService<SnapshotCache>().WaitForAsync(new Revision(default, 1), CancellationToken.None) ?? throw new InvalidOperationException("no snapshot");
        var decisions = app.Services.GetRequiredService<DecisionPoint>();
        var unvalidated = ActivatorUtilities.CreateInstance<DecisionPoint>(app.Services, RequestValidation.Off);
        foreach (var (step, act) in ValidationSteps(app.Services, snapshot, SampleRequests.ValidateToken(sample).ToByteArray()))
        {
            if ($"validate: {step}".Contains(filter, StringComparison.Ordinal))
            {
                Measure($"validate: {step}", act);
            }
        }

        foreach (var (name, message) in new[] { ("principal", SampleRequests.CheckPrincipal()), ("token", SampleRequests.CheckToken(sample)) })
        {
            foreach (var (step, act) in Steps(decisions, unvalidated, snapshot, message.ToByteArray()))
            {
                if ($"{name}: {step}".Contains(filter, StringComparison.Ordinal))
                {
                    Measure($"{name}: {step}", act);
                }
            }
        }

        await app.StopAsync();
        return 0;
    }

    private static IEnumerable<(string Step, Func<object?> Act)> ValidationSteps(IServiceProvider services, Snapshot snapshot, byte[] message)
    {
        var (now, payload, reader, validator) = (
            TimeProvider.System.GetUtcNow(), new ReadOnlySequence<byte>(message), services.GetRequiredService<RequestReader>(), services.GetRequiredService<TokenValidator>());
        var request = reader.ReadValidation(payload, default);
        var freshness = new AnswerFreshness(DataTypeSet.Of(IssuerData.Type, RevocationData.Type), snapshot, new DataAges(Confirmations.None.With(DataTypeSet.All, now, now, TimeProvider.System.GetTimestamp()), now, TimeProvider.System));
        var result = validator.Validate(request.Token, snapshot.Issuers.Value, snapshot.Revocations.Value, now);
        yield return ("read the request", () => reader.ReadValidation(payload, default));
        yield return ("validate", () => validator.Validate(request.Token, snapshot.Issuers.Value, snapshot.Revocations.Value, now).IsValid ? result.Token : null);
        yield return ("write the answer", () => AnswerWriter.Write(result, freshness));
        yield return ("of which the clock", () => TimeProvider.System.GetUtcNow().Ticks > 0 ? result.Token : null);
    }

    private static IEnumerable<(string Step, Func<object?> Act)> Steps(DecisionPoint decisions, DecisionPoint unvalidated, Snapshot snapshot, byte[] message)
    {
        var now = TimeProvider.System.GetUtcNow();
        var payload = new ReadOnlySequence<byte>(message);
        var reader = new RequestReader(new VerifiedTokenCache(1));
        var request = reader.ReadCheck(payload, default);
        var answer = decisions.Check(request, snapshot, now);
        var freshness = new AnswerFreshness(DataTypeSet.Of(PolicyData.Type, EntityData.Type), snapshot, new DataAges(Confirmations.None.With(DataTypeSet.All, now, now, TimeProvider.System.GetTimestamp()), now, TimeProvider.System));
        yield return ("read the request", () => reader.ReadCheck(payload, default));
        yield return ("decide, not validated", () => unvalidated.Check(request, snapshot, now));
        yield return ("decide", () => decisions.Check(request, snapshot, now));
        yield return ("write the answer", () => AnswerWriter.Write(answer, DecisionId.Create(now), freshness));

        var principal = new RequestEntity(new EntityUid("User", "alice"), ValueRecord.Empty, []);
        var context = RequestContext.Create(request.Context, null, null, null, null, now);
        EntityOverlay.TryCreate(snapshot.Entities.Value.Store, principal, request.Entities, out var entities, out _);
        var cedar = new Request(principal.Uid, request.Action, request.Resource, context);
        yield return ("of which the overlay", () => EntityOverlay.TryCreate(snapshot.Entities.Value.Store, principal, request.Entities, out var laid, out _) ? laid : null);
        yield return ("of which the context", () => RequestContext.Create(request.Context, null, null, null, null, now));
        yield return ("of which Cedar", () => Authorizer.IsAuthorized(snapshot.Policies.Value.Policies, entities!, cedar));
    }

    private static void Measure(string name, Func<object?> step)
    {
        // Until the code is what it stays.
        var warm = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(warm) < TimeSpan.FromSeconds(1.5))
        {
            step();
        }

        const int Times = 500_000;
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
