using System.Diagnostics;
using AuthSidecar.Cedar;
using AuthSidecar.Cli;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Decisions;
using AuthSidecar.Hosting;
using AuthSidecar.Snapshots;
using AuthSidecar.Sync.Stream;
using Google.Protobuf;
using Grpc.Core;
using Wire = AuthSidecar.V1;

namespace Benchmarks.Sync;

/// <summary>A whole sidecar that follows a control plane with very many users: how long it takes in, and whether anybody who asks notices.</summary>
internal sealed class SidecarLoad(string folder, int users, int port)
{
    private const string Application = "documents";
    private const int Deltas = 100;
    private static readonly TimeSpan Round = TimeSpan.FromSeconds(4);

    private readonly Certificates _certificates = new(folder);

    public static async Task<int> RunAsync(string folder, int users, int port, string controlBinary)
    {
        var load = new SidecarLoad(folder, users, port);
        using var control = new ControlPlaneProcess(controlBinary, folder, port, load._certificates);
        await load.MeasureAsync(control);
        return 0;
    }

    private async Task MeasureAsync(ControlPlaneProcess control)
    {
        var directory = new DirectoryService.DirectoryServiceClient(control.Admin);
        var policies = new PolicyService.PolicyServiceClient(control.Admin);
        Console.WriteLine("| | |");
        Console.WriteLine("| --- | --- |");

        // 1. Everybody, imported and then synced in full.
        var started = Stopwatch.GetTimestamp();
        await ImportAsync(directory);
        Console.WriteLine($"| {users} users imported in one call | {Stopwatch.GetElapsedTime(started).TotalSeconds:F1} s |");
        var published = (await policies.PublishPoliciesAsync(Policies("", 0))).Revision;
        await using var app = BuildSidecar();
        var snapshots = app.Services.GetRequiredService<SnapshotCache>();
        started = Stopwatch.GetTimestamp();
        await app.StartAsync();
        await snapshots.WaitForAsync(ControlPlaneProcess.RevisionOf(published), CancellationToken.None);
        Console.WriteLine($"| full sync of {users} users, from the sidecar's start to its first answer | {Stopwatch.GetElapsedTime(started).TotalSeconds:F2} s |");
        if (snapshots.Current!.Entities.Value.Count < users)
        {
            throw new InvalidOperationException($"{snapshots.Current.Entities.Value.Count} entities");
        }

        // 2. One role at a time, while somebody asks without pause.
        await ChangeRolesAsync(control, directory, snapshots, app.Services.GetRequiredService<DecisionPoint>());

        // 3. Policies swapped ten times a second, and what callers see of it.
        await SwapPoliciesAsync(policies, published);
        await app.StopAsync();
    }

    private async Task ChangeRolesAsync(ControlPlaneProcess control, DirectoryService.DirectoryServiceClient directory, SnapshotCache snapshots, DecisionPoint decisions)
    {
        using var asking = new CancellationTokenSource();
        var slow = new List<double>();
        var asked = 0L;
        var asker = new Thread(() =>
        {
            // A core of its own: what it waits for then is us, and not the scheduler.
            Affinity.OfThread(Affinity.SecondCore);
            var request = new CheckRequest { Principal = new EntityUid("User", "user-7"), Action = new EntityUid("Action", "read"), Resource = new EntityUid("Document", "plan") };
            while (!asking.IsCancellationRequested)
            {
                var before = Stopwatch.GetTimestamp();
                decisions.Check(request, snapshots.Current!, TimeProvider.System.GetUtcNow());
                asked++;
                if (Stopwatch.GetElapsedTime(before) is { TotalMilliseconds: > 1 } waited)
                {
                    slow.Add(waited.TotalMilliseconds);
                }
            }
        });
        KeepTo(Affinity.FirstCore);
        asker.Start();
        await Task.Delay(Round);
        var (quietAsked, quietSlow) = (asked, slow.ToArray());
        var (took, waitedFrom) = (new List<double>(), slow.Count);
        for (var i = 0; i < Deltas; i++)
        {
            var response = await directory.ChangeMembershipsAsync(new ChangeMembershipsRequest { Entity = $"User::\"user-{i}\"", Added = { "Role::\"moderator\"" } });
            var committed = Stopwatch.GetTimestamp();
            await snapshots.WaitForAsync(ControlPlaneProcess.RevisionOf(response.Revision), CancellationToken.None);
            took.Add(Stopwatch.GetElapsedTime(committed).TotalMilliseconds);
            await Task.Delay(20);
        }

        await asking.CancelAsync();
        asker.Join();
        KeepTo(Affinity.Both);
        var changing = slow.Skip(waitedFrom).ToArray();
        Console.WriteLine($"| one role changed, from the answer of the write to its being served | p50 {Percentiles.Of(took, 0.5):F1} ms, p99 {Percentiles.Of(took, 0.99):F1} ms |");
        Console.WriteLine($"| checks beside {Deltas} such changes that took more than 1 ms | {changing.Length} of {asked - quietAsked}, the longest {changing.DefaultIfEmpty().Max():F1} ms |");
        Console.WriteLine($"| the same with nothing changing | {quietSlow.Length} of {quietAsked}, the longest {quietSlow.DefaultIfEmpty().Max():F1} ms |");

        void KeepTo(ulong cores)
        {
            Affinity.OfProcess(Environment.ProcessId, cores);
            Affinity.OfProcess(control.Id, cores);
        }
    }

    private async Task SwapPoliciesAsync(PolicyService.PolicyServiceClient policies, string published)
    {
        using var channel = SidecarClient.Connect($"unix:{Path.Combine(folder, "s.sock")}");
        var client = new Wire.AuthSidecarService.AuthSidecarServiceClient(channel);
        var (quiet, swapping, swaps) = (new List<double>(), new List<double>(), 0);
        await AskAsync(client, []);
        for (var round = 0; round < 5; round++)
        {
            await AskAsync(client, quiet);
            using var ending = new CancellationTokenSource();
            var publisher = Task.Run(async () =>
            {
                using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(100));
                while (!ending.IsCancellationRequested)
                {
                    published = (await policies.PublishPoliciesAsync(Policies(published, ++swaps))).Revision;
                    await timer.WaitForNextTickAsync();
                }
            });
            await AskAsync(client, swapping);
            await ending.CancelAsync();
            await publisher;
        }

        var seconds = 5 * Round.TotalSeconds;
        Console.WriteLine($"| CheckPermission, p50 and p99, quiet | {Percentiles.Of(quiet, 0.5) * 1000:F0} us, {Percentiles.Of(quiet, 0.99) * 1000:F0} us |");
        Console.WriteLine($"| the same while policies are swapped {swaps / seconds:F1} times a second | {Percentiles.Of(swapping, 0.5) * 1000:F0} us, {Percentiles.Of(swapping, 0.99) * 1000:F0} us |");
        Console.WriteLine($"| p99 swapped to quiet | {Percentiles.Of(swapping, 0.99) / Percentiles.Of(quiet, 0.99):F2} |");
    }

    /// <summary>One caller that asks again as soon as it is answered.</summary>
    private static async Task AskAsync(Wire.AuthSidecarService.AuthSidecarServiceClient client, List<double> took)
    {
        var request = new Wire.CheckPermissionRequest
        {
            Principal = new Wire.EntityUid { Type = "User", Id = "user-7" },
            Action = new Wire.EntityUid { Id = "read" },
            Resource = new Wire.Entity { Uid = new Wire.EntityUid { Type = "Document", Id = "plan" } },
        };
        var started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < Round)
        {
            var before = Stopwatch.GetTimestamp();
            var response = await client.CheckPermissionAsync(request);
            took.Add(Stopwatch.GetElapsedTime(before).TotalMilliseconds);
            if (response.Decision != Wire.Decision.Allow)
            {
                throw new InvalidOperationException($"expected ALLOW, got {response}");
            }
        }
    }

    private async Task ImportAsync(DirectoryService.DirectoryServiceClient directory)
    {
        using var call = directory.ImportEntities(new CallOptions().WithWaitForReady());
        foreach (var some in Enumerable.Range(0, users).Chunk(2_000))
        {
            await call.RequestStream.WriteAsync(new ImportEntitiesRequest
            {
                Entities =
                {
                    some.Select(i => new DirectoryEntity
                    {
                        Json = $$"""{"uid": {"type": "User", "id": "user-{{i}}"}, "attrs": {"tenant": "tenant-{{i % 100}}", "name": "User {{i}}"}, "parents": [{"type": "Role", "id": "user"}, {"type": "Group", "id": "group-{{i % 1000}}"}]}""",
                    }),
                },
            });
        }

        await call.RequestStream.CompleteAsync();
        while (await call.ResponseStream.MoveNext(CancellationToken.None))
        {
        }
    }

    private static PublishPoliciesRequest Policies(string expectedRevision, int swap) => new()
    {
        Application = Application,
        ExpectedRevision = expectedRevision,
        Create = true,
        Documents =
        {
            new Document
            {
                Path = "policies/all.cedar",
                Content = ByteString.CopyFromUtf8(
                    $"""
                    @id("users-read") permit (principal in Role::"user", action == Action::"read", resource is Document);
                    @id("moderators-write") permit (principal in Role::"moderator", action == Action::"write", resource is Document);
                    @id("swap-{swap}") forbid (principal, action == Action::"delete", resource);
                    """),
            },
        },
    };

    private WebApplication BuildSidecar()
    {
        using var certificate = _certificates.ForSidecar("one");
        File.WriteAllText(_certificates.In("one.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(_certificates.In("one.key"), System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions.GetECDsaPrivateKey(certificate)!.ExportPkcs8PrivateKeyPem());
        return SidecarHost.Build(new ServeOptions
        {
            ControlPlane = new ControlPlaneOptions
            {
                Addresses = [new Uri($"https://127.0.0.1:{port}")],
                Scope = new SidecarScope(Application, ""),
                Certificate = _certificates.In("one.pem"),
                CertificateKey = _certificates.In("one.key"),
                Ca = _certificates.In("ca.pem"),
                PinnedKeys = Path.Combine(folder, "control", "bundle-keys.json"),
            },
            MaxStaleness = MaxStaleness.Default,
            State = Path.Combine(folder, "state"),
            Socket = Path.Combine(folder, "s.sock"),
            Log = LogFormat.None,
        });
    }
}
