using System.Collections.Concurrent;
using System.Diagnostics;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;

namespace Benchmarks.Sync;

/// <summary>
/// How long it takes from a write until a thousand sidecars have it, beside a bare broadcast of the same bytes. The sidecars are simulated in what they
/// do with it: each has a stream and a connection of its own, and acknowledges what it receives; but they would share this machine's cores to verify it,
/// which real ones do not.
/// </summary>
internal sealed class FleetLoad(string folder, int sidecars, int controlPort, int broadcastPort)
{
    private const int Rounds = 30;

    private readonly Certificates _certificates = new(folder);
    private readonly CancellationTokenSource _ending = new();
    private readonly ConcurrentQueue<long> _arrivals = new();
    private volatile TaskCompletionSource _all = new();
    private int _bytes;

    public static async Task<int> RunAsync(string folder, int sidecars, int controlPort, int broadcastPort, string controlBinary)
    {
        var load = new FleetLoad(folder, sidecars, controlPort, broadcastPort);
        using var control = new ControlPlaneProcess(controlBinary, folder, controlPort, load._certificates);
        using var broadcast = Process.Start(Environment.ProcessPath!, ["broadcast-host", folder, $"{broadcastPort}"]);
        try
        {
            await load.MeasureAsync(control.Admin);
            return 0;
        }
        finally
        {
            await load._ending.CancelAsync();
            broadcast.Kill();
        }
    }

    private async Task MeasureAsync(GrpcChannel admin)
    {
        var directory = new EntityService.EntityServiceClient(admin);
        await directory.WriteEntitiesAsync(
            new WriteEntitiesRequest { Entities = { new StoredEntity { Json = """{"uid": {"type": "User", "id": "alice"}, "attrs": {"tenant": "acme"}, "parents": [{"type": "Role", "id": "user"}]}""" } } },
            new CallOptions().WithWaitForReady());
        using var trigger = GrpcChannel.ForAddress($"https://127.0.0.1:{broadcastPort}", new GrpcChannelOptions { HttpHandler = _certificates.Handler(null) });
        var broadcaster = trigger.CreateCallInvoker();

        // 1. The thousand, on both servers.
        var connected = Stopwatch.StartNew();
        _all = new TaskCompletionSource();
        for (var i = 0; i < sidecars; i++)
        {
            _ = FollowAsync($"sidecar-{i}");
            _ = ReceiveAsync();
            // Not faster than handshakes are done.
            await Task.Delay(2);
        }

        await _all.Task.WaitAsync(TimeSpan.FromMinutes(3));
        Console.WriteLine($"{sidecars} streams in {connected.Elapsed.TotalSeconds:F1} s");

        // 2. By turns, so that what the machine does besides happens to both.
        var (ours, floor) = (new List<double>(), new List<double>());
        for (var round = -4; round < Rounds; round++)
        {
            string[] role = ["Role::\"moderator\""];
            var commit = await RoundAsync(() => directory.ChangeMembershipsAsync(new ChangeMembershipsRequest
            {
                Entity = "User::\"alice\"",
                Added = { round % 2 == 0 ? role : [] },
                Removed = { round % 2 == 0 ? [] : role },
            }).ResponseAsync);
            var bare = await RoundAsync(() => broadcaster.AsyncUnaryCall(BroadcastHost.Send, null, new CallOptions(), new Int32Value { Value = _bytes }).ResponseAsync);
            if (round >= 0)
            {
                ours.AddRange(commit);
                floor.AddRange(bare);
            }
        }

        Console.WriteLine("| | p50 ms | p99 ms | max ms |");
        Console.WriteLine("| --- | --- | --- | --- |");
        Report("a role changed, from the call to the sidecars having it", ours);
        Report($"a bare broadcast of the same {_bytes} bytes", floor);
        Console.WriteLine();
        Console.WriteLine($"p99: {Percentile(ours, 0.99) / Percentile(floor, 0.99):F2} times the bare broadcast");
    }

    /// <summary>One write, until everyone has it.</summary>
    private async Task<List<double>> RoundAsync(Func<Task> write)
    {
        _arrivals.Clear();
        _all = new TaskCompletionSource();
        var started = Stopwatch.GetTimestamp();
        await write();
        await _all.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await Task.Delay(100);
        return [.. _arrivals.Select(a => Stopwatch.GetElapsedTime(started, a).TotalMilliseconds)];
    }

    private void Arrived(bool isConnecting = false)
    {
        _arrivals.Enqueue(Stopwatch.GetTimestamp());
        if (_arrivals.Count == (isConnecting ? 2 * sidecars : sidecars))
        {
            _all.TrySetResult();
        }
    }

    private async Task FollowAsync(string name)
    {
        try
        {
            using var channel = GrpcChannel.ForAddress($"https://127.0.0.1:{controlPort}", new GrpcChannelOptions { HttpHandler = _certificates.Handler(_certificates.ForSidecar(name)) });
            using var call = new SyncService.SyncServiceClient(channel).Sync(cancellationToken: _ending.Token);
            await call.RequestStream.WriteAsync(new SyncRequest { Subscribe = new Subscribe { Version = "simulated" } });
            var bytes = 0;
            var isFirst = true;
            while (await call.ResponseStream.MoveNext(_ending.Token))
            {
                var response = call.ResponseStream.Current;
                bytes += response.Heartbeat is null ? response.CalculateSize() : 0;
                if (response.Update is { } update)
                {
                    var all = isFirst;
                    Arrived(all);
                    (_bytes, bytes, isFirst) = (bytes, 0, false);
                    foreach (var bundle in update.Bundles.Select(b => Bundle.Parser.ParseFrom(b.Content)))
                    {
                        await call.RequestStream.WriteAsync(new SyncRequest { Ack = new Ack { Type = bundle.Type, Revision = bundle.Revision } });
                    }
                }
            }
        }
        catch (Exception e) when (!_ending.IsCancellationRequested)
        {
            Console.Error.WriteLine($"{name}: {e.Message}");
        }
        catch (Exception)
        {
            // The end.
        }
    }

    private async Task ReceiveAsync()
    {
        try
        {
            using var channel = GrpcChannel.ForAddress($"https://127.0.0.1:{broadcastPort}", new GrpcChannelOptions { HttpHandler = _certificates.Handler(null) });
            using var call = channel.CreateCallInvoker().AsyncServerStreamingCall(BroadcastHost.Receive, null, new CallOptions(cancellationToken: _ending.Token).WithWaitForReady(), new Empty());
            await call.ResponseHeadersAsync;
            Arrived(isConnecting: true);
            while (await call.ResponseStream.MoveNext(_ending.Token))
            {
                Arrived();
            }
        }
        catch (Exception e) when (!_ending.IsCancellationRequested)
        {
            Console.Error.WriteLine($"broadcast: {e.Message}");
        }
        catch (Exception)
        {
            // The end.
        }
    }

    private static void Report(string what, List<double> ms) =>
        Console.WriteLine($"| {what} | {Percentile(ms, 0.5):F1} | {Percentile(ms, 0.99):F1} | {ms.Max():F1} |");

    private static double Percentile(List<double> values, double percentile) => Percentiles.Of(values, percentile);
}
