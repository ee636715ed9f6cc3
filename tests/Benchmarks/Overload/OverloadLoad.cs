using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using AuthSidecar;
using AuthSidecar.Cli;
using AuthSidecar.Cli.Quickstart;
using AuthSidecar.V1;
using Benchmarks.Sync;
using Grpc.Core;

namespace Benchmarks.Overload;

/// <summary>
/// A sidecar under one attack after another, and what two well-behaved callers notice: one with a new connection for each call, and one with a kept connection.
/// </summary>
internal static class OverloadLoad
{
    private const int Subjects = 200;
    private const long MiB = 1024 * 1024;

    private static readonly TimeSpan Phase = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Warmup = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan Recovery = TimeSpan.FromMinutes(1);

    /// <param name="folder">An empty folder.</param>
    /// <param name="slowDisk">A library that makes fsync take 200 ms.</param>
    /// <param name="binary">The sidecar.</param>
    /// <param name="filter">A part of the names of the attacks to run; empty: all.</param>
    public static async Task<int> RunAsync(string folder, string slowDisk, string binary, string filter)
    {
        var sample = new SampleApplication(folder);
        sample.Create();
        EnrolMany(sample);
        var socket = Path.Combine(folder, "s.sock");
        var start = new ProcessStartInfo("taskset", ["-c", "0", binary, "serve", "--bundle", sample.Bundle, "--state", sample.State, "--socket", socket, "--log", "text"])
        {
            RedirectStandardOutput = true,
            Environment = { ["LD_PRELOAD"] = slowDisk },
        };
        using var sidecar = Process.Start(start)!;
        var logged = 0L;
        _ = Task.Run(async () =>
        {
            while (await sidecar.StandardOutput.ReadLineAsync() is { } line)
            {
                Interlocked.Add(ref logged, line.Length);
            }
        });
        try
        {
            using var kept = SidecarClient.Connect($"unix:{socket}");
            await ReadyAsync(kept);
            await MeasureAsync(socket, kept, Warmup);
            var quiet = await MeasureAsync(socket, kept, 3 * Phase);
            var quietBytes = MemoryOf(sidecar);
            Console.WriteLine("| attack | failed calls | p99 of a call on a new connection, ms (times quiet) | p99 on a kept connection, ms (times quiet) | memory above quiet, MiB: at most; a minute later | log, KiB |");
            Console.WriteLine("| --- | --- | --- | --- | --- | --- |");
            Console.WriteLine($"| none | {quiet.Failed} | {Ms(quiet.New)} | {Ms(quiet.Kept)} | | |");
            foreach (var name in Attacks.Keys.Where(n => n.Contains(filter, StringComparison.Ordinal)))
            {
                using var attacking = new CancellationTokenSource();
                var (before, most) = (Interlocked.Read(ref logged), 0L);
                // A process of its own that yields to the callers: what they wait for is the sidecar, and not the attacker beside them.
                using var attacker = Process.Start("nice", ["-n", "19", Environment.ProcessPath!, "overload-attack", socket, name]);
                var watching = Task.Run(async () =>
                {
                    while (!attacking.IsCancellationRequested)
                    {
                        most = Math.Max(most, MemoryOf(sidecar));
                        await Task.Delay(50);
                    }
                });
                await Task.Delay(500);
                var under = await MeasureAsync(socket, kept, Phase);
                await attacking.CancelAsync();
                attacker.Kill(entireProcessTree: true);
                await watching;
                await Task.Delay(Recovery);
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {name} | {under.Failed} of {under.Calls} | {Ms(under.New)} ({under.New / quiet.New:F1}) | {Ms(under.Kept)} ({under.Kept / quiet.Kept:F1}) | {Math.Max(0, most - quietBytes) / MiB}; {Math.Max(0, MemoryOf(sidecar) - quietBytes) / MiB} | {(Interlocked.Read(ref logged) - before) / 1024} |"));
            }

            return 0;
        }
        finally
        {
            sidecar.Kill(entireProcessTree: true);
        }
    }

    // ------------------------------------------------------------------ the callers

    private static async Task<(int Calls, int Failed, double New, double Kept)> MeasureAsync(string socket, Grpc.Net.Client.GrpcChannel kept, TimeSpan duration)
    {
        var (newMs, keptMs, failed) = (new List<double>(), new List<double>(), 0);
        var watch = Stopwatch.StartNew();
        while (watch.Elapsed < duration)
        {
            using (var connection = SidecarClient.Connect($"unix:{socket}"))
            {
                failed += await CallAsync(connection, newMs);
            }

            failed += await CallAsync(kept, keptMs);
            await Task.Delay(5);
        }

        return (newMs.Count + keptMs.Count, failed, Percentiles.Of(newMs, 0.99), Percentiles.Of(keptMs, 0.99));
    }

    private static async Task<int> CallAsync(Grpc.Net.Client.GrpcChannel channel, List<double> ms)
    {
        var started = Stopwatch.GetTimestamp();
        try
        {
            var answer = await new AuthSidecarService.AuthSidecarServiceClient(channel).CheckPermissionAsync(SampleRequests.CheckPrincipal(), new CallOptions().WithDeadline(DateTime.UtcNow.AddSeconds(5)));
            return answer.Decision == Decision.Allow ? 0 : 1;
        }
        catch (RpcException e)
        {
            Console.Error.WriteLine($"{e.StatusCode}: {e.Status.Detail}");
            return 1;
        }
        finally
        {
            ms.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        }
    }

    private static async Task ReadyAsync(Grpc.Net.Client.GrpcChannel channel)
    {
        for (var i = 0; i < 600; i++)
        {
            try
            {
                await new AuthSidecarService.AuthSidecarServiceClient(channel).CheckPermissionAsync(SampleRequests.CheckPrincipal());
                return;
            }
            catch (RpcException)
            {
                await Task.Delay(100);
            }
        }

        throw new InvalidOperationException("the sidecar does not answer");
    }

    // ------------------------------------------------------------------ the attacks

    private static readonly Dictionary<string, Func<string, CancellationToken, Task>> Attacks = new()
    {
        ["idle connections to the limit and beyond"] = IdleConnectionsAsync,
        ["150 unfinished messages of 1 MiB"] = UnfinishedMessagesAsync,
        ["batches of 200 checks with a set whose elements are made to collide"] = CollidingSetsAsync,
        ["200 second factors at once, on a disk with 200 ms fsync"] = SecondFactorsAsync,
        ["streams that are reset at once"] = RapidResetAsync,
    };

    /// <summary>Attacks until it is killed.</summary>
    public static async Task<int> AttackAsync(string socket, string name)
    {
        await Attacks[name](socket, CancellationToken.None);
        return 0;
    }

    private static async Task IdleConnectionsAsync(string socket, CancellationToken stop)
    {
        var held = new Queue<Socket>();
        while (!stop.IsCancellationRequested)
        {
            for (var i = 0; i < 100 && held.Count < 1_500; i++)
            {
                var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    connection.Connect(new UnixDomainSocketEndPoint(socket));
                    held.Enqueue(connection);
                }
                catch (SocketException)
                {
                    connection.Dispose();
                }
            }

            // Those that were closed are opened again.
            for (var i = held.Count; i > 0; i--)
            {
                var connection = held.Dequeue();
                if (connection.Poll(0, SelectMode.SelectRead) && connection.Available == 0)
                {
                    connection.Dispose();
                }
                else
                {
                    held.Enqueue(connection);
                }
            }

            await Task.Delay(50, CancellationToken.None);
        }

        foreach (var connection in held)
        {
            connection.Dispose();
        }
    }

    private static async Task UnfinishedMessagesAsync(string socket, CancellationToken stop)
    {
        // A message of 1 MiB that lacks its end.
        var part = new byte[MiB - 10];
        BinaryPrimitives.WriteInt32BigEndian(part.AsSpan(1), (int)MiB - 5);
        using var http = new HttpClient(new SocketsHttpHandler
        {
            EnableMultipleHttp2Connections = true,
            ConnectCallback = async (_, cancellation) =>
            {
                var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), cancellation);
                return new NetworkStream(connection, ownsSocket: true);
            },
        });
        await Task.WhenAll(Enumerable.Range(0, 150).Select(async _ =>
        {
            while (!stop.IsCancellationRequested)
            {
                using var request = new HttpRequestMessage(HttpMethod.Post, "http://localhost/authsidecar.v1.AuthSidecarService/CheckPermission")
                {
                    Version = HttpVersion.Version20,
                    VersionPolicy = HttpVersionPolicy.RequestVersionExact,
                    Content = new UnfinishedContent(part),
                };
                try
                {
                    using var response = await http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stop);
                }
                catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
                {
                    // Refused, or the end.
                }
            }
        }));
    }

    private static async Task CollidingSetsAsync(string socket, CancellationToken stop)
    {
        using var channel = SidecarClient.Connect($"unix:{socket}");
        var client = new AuthSidecarService.AuthSidecarServiceClient(channel);
        var set = new SetValue();
        for (var i = 0; i < 1_000; i++)
        {
            // wrap^a(1), wrap^b(2), wrap^c(3): as many as there are numbers a, b, c.
            set.Items.Add(new Value { Set = new SetValue { Items = { Wrap(1, i % 10), Wrap(2, i / 10 % 10), Wrap(3, i / 100) } } });
        }

        var batch = new CheckPermissionsRequest { Defaults = SampleRequests.CheckPrincipal() };
        batch.Defaults.Context["s"] = new Value { Set = set };
        batch.Checks.AddRange(Enumerable.Range(0, 200).Select(_ => new CheckPermissionRequest()));
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await client.CheckPermissionsAsync(batch, deadline: DateTime.UtcNow.AddSeconds(1), cancellationToken: CancellationToken.None);
            }
            catch (RpcException)
            {
                // Refused, or too late: as the sidecar likes.
            }

            await Task.Delay(20, CancellationToken.None);
        }

        static Value Wrap(long number, int times) => times == 0 ? new Value { Long = number } : new Value { Set = new SetValue { Items = { Wrap(number, times - 1) } } };
    }

    private static async Task SecondFactorsAsync(string socket, CancellationToken stop)
    {
        using var channel = SidecarClient.Connect($"unix:{socket}");
        var client = new AuthSidecarService.AuthSidecarServiceClient(channel);
        while (!stop.IsCancellationRequested)
        {
            await Task.WhenAll(Enumerable.Range(0, Subjects).Select(async i =>
            {
                try
                {
                    await client.VerifyMfaAsync(
                        new VerifyMfaRequest { Subject = new EntityUid { Type = "User", Id = $"user-{i}" }, FactorId = "backup", Code = "wrong" }, deadline: DateTime.UtcNow.AddSeconds(3));
                }
                catch (RpcException)
                {
                    // As the sidecar likes.
                }
            }));
        }
    }

    private static async Task RapidResetAsync(string socket, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                using var attacker = new Http2Attacker(socket);
                for (var i = 0; !stop.IsCancellationRequested; i++)
                {
                    var stream = attacker.Begin("CheckPermission");
                    attacker.Write(stream, [0, 0, 0, 1, 0, 1, 2, 3], ends: false);
                    attacker.Reset(stream);
                    if (i % 100 == 0)
                    {
                        await Task.Delay(1, CancellationToken.None);
                    }
                }
            }
            catch (SocketException)
            {
                await Task.Delay(5, CancellationToken.None);
            }
        }
    }

    // ------------------------------------------------------------------ helpers

    /// <summary>As many subjects with a second factor as fail at once.</summary>
    private static void EnrolMany(SampleApplication sample)
    {
        var factors = new FactorsFile
        {
            Factors = [.. Enumerable.Range(0, Subjects).Select(i => new FactorEntry { Subject = $"User::\"user-{i}\"", Id = "backup", BackupCodeSha256 = [BackupCode.Hash(BackupCode.Generate())] })],
        };
        File.WriteAllBytes(Path.Combine(sample.Bundle, FactorsFile.FileName), factors.Write());
    }

    private static long MemoryOf(Process process)
    {
        process.Refresh();
        return process.WorkingSet64;
    }

    private static string Ms(double ms) => ms.ToString("F1", CultureInfo.InvariantCulture);
}
