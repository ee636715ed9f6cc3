using System.Diagnostics;
using AuthSidecar.Cedar;
using AuthSidecar.Cli;
using AuthSidecar.Common;
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

    /// <summary>The same from outside, for processes of several binaries: such as the JIT and the native one.</summary>
    /// <param name="folder">An empty folder.</param>
    /// <param name="users">How many users.</param>
    /// <param name="port">The control plane's.</param>
    /// <param name="controlBinary">The control plane.</param>
    /// <param name="binaries">Names and sidecars, by turns.</param>
    public static async Task<int> RunBinariesAsync(string folder, int users, int port, string controlBinary, string[] binaries)
    {
        var load = new SidecarLoad(folder, users, port);
        using var control = new ControlPlaneProcess(controlBinary, folder, port, load._certificates);
        await load.ImportAsync(new EntityService.EntityServiceClient(control.Admin));
        var published = (await new PolicyService.PolicyServiceClient(control.Admin).PublishPoliciesAsync(Policies("", 0))).Revision;
        List<(string Name, SidecarFigures Figures)> all = [];
        foreach (var binary in binaries.Chunk(2))
        {
            (var figures, published) = await load.MeasureAsync(control, binary[0], binary[1], published);
            all.Add((binary[0], figures));
        }

        Console.WriteLine($"| | {string.Join(" | ", all.Select(a => a.Name))} |");
        Console.WriteLine($"| --- |{string.Concat(all.Select(_ => " --- |"))}");
        Row($"full sync of {users} users, from the start of the process to its first answer", f => $"{f.FullSync.TotalSeconds:F2} s");
        Row("one user added, from the answer of the write to a check that waits for its revision", f => $"p50 {Percentiles.Of(f.Changes, 0.5):F1} ms, p99 {Percentiles.Of(f.Changes, 0.99):F1} ms");
        Row("CheckPermission, p50 and p99, quiet", f => $"{Percentiles.Of(f.Quiet, 0.5) * 1000:F0} us, {Percentiles.Of(f.Quiet, 0.99) * 1000:F0} us");
        Row("the same while policies are swapped 10 times a second", f => $"{Percentiles.Of(f.Swapping, 0.5) * 1000:F0} us, {Percentiles.Of(f.Swapping, 0.99) * 1000:F0} us");
        Row("p99 swapped to quiet", f => $"{Percentiles.Of(f.Swapping, 0.99) / Percentiles.Of(f.Quiet, 0.99):F2}");
        return 0;

        void Row(string what, Func<SidecarFigures, string> of) => Console.WriteLine($"| {what} | {string.Join(" | ", all.Select(a => of(a.Figures)))} |");
    }

    private async Task<(SidecarFigures Figures, string Published)> MeasureAsync(ControlPlaneProcess control, string name, string binary, string published)
    {
        var directory = new EntityService.EntityServiceClient(control.Admin);
        var options = OptionsOf(name);
        var started = Stopwatch.GetTimestamp();
        using var process = Process.Start(binary,
        [
            "serve", "--control-plane", $"{options.ControlPlane!.Addresses[0]}", "--application", Application, "--certificate", options.ControlPlane.Certificate, "--certificate-key", options.ControlPlane.CertificateKey,
            "--ca", options.ControlPlane.Ca, "--pinned-keys", options.ControlPlane.PinnedKeys, "--state", options.State, "--socket", options.Socket!, "--log-level", "error",
        ]);
        try
        {
            while (!File.Exists(options.Socket))
            {
                await Task.Delay(5);
            }

            using var channel = SidecarClient.Connect($"unix:{options.Socket}");
            var client = new Wire.AuthSidecarService.AuthSidecarServiceClient(channel);
            Demand(await client.CheckPermissionAsync(Check("user-7", "read", published), deadline: DateTime.UtcNow.AddMinutes(2)));
            var fullSync = Stopwatch.GetElapsedTime(started);
            var changes = new List<double>();
            for (var i = 0; i < Deltas; i++)
            {
                var user = $"user-{i}-{name}";
                var response = await directory.WriteEntitiesAsync(new WriteEntitiesRequest
                {
                    Entities = { new StoredEntity { Json = $$"""{"uid": {"type": "User", "id": "{{user}}"}, "attrs": {"tenant": "tenant-1", "name": "User"}, "parents": [{"type": "Role", "id": "moderator"}]}""" } },
                });
                var committed = Stopwatch.GetTimestamp();
                Demand(await client.CheckPermissionAsync(Check(user, "write", response.Revision)));
                changes.Add(Stopwatch.GetElapsedTime(committed).TotalMilliseconds);
                await Task.Delay(20);
            }

            var (quiet, swapping, _, last) = await SwapPoliciesAsync(new PolicyService.PolicyServiceClient(control.Admin), options.Socket!, published);
            return (new SidecarFigures(fullSync, changes, quiet, swapping), last);
        }
        finally
        {
            process.Kill();
            await process.WaitForExitAsync();
        }
    }

    private async Task MeasureAsync(ControlPlaneProcess control)
    {
        var directory = new EntityService.EntityServiceClient(control.Admin);
        var policies = new PolicyService.PolicyServiceClient(control.Admin);
        Console.WriteLine("| | |");
        Console.WriteLine("| --- | --- |");

        // 1. Everybody, imported and then synced in full.
        var started = Stopwatch.GetTimestamp();
        await ImportAsync(directory);
        Console.WriteLine($"| {users} users imported in one call | {Stopwatch.GetElapsedTime(started).TotalSeconds:F1} s |");
        var published = (await policies.PublishPoliciesAsync(Policies("", 0))).Revision;
        await using var app = SidecarHost.Build(OptionsOf("one"));
        var snapshots = app.Services.GetRequiredService<SnapshotCache>();
        started = Stopwatch.GetTimestamp();
        await app.StartAsync();
        await snapshots.WaitForAsync(ControlPlaneProcess.RevisionOf(published), CancellationToken.None);
        Console.WriteLine($"| full sync of {users} users, from the sidecar's start to its first answer | {Stopwatch.GetElapsedTime(started).TotalSeconds:F2} s |");
        if (snapshots.Current!.Entities.Value.Store.Count < users)
        {
            throw new InvalidOperationException($"{snapshots.Current!.Entities.Value.Store.Count} entities");
        }

        // 2. One role at a time, while somebody asks without pause.
        await ChangeRolesAsync(control, directory, snapshots, app.Services.GetRequiredService<DecisionPoint>());

        // 3. Policies swapped ten times a second, and what callers see of it.
        var (quiet, swapping, swaps, _) = await SwapPoliciesAsync(policies, OptionsOf("one").Socket!, published);
        var seconds = 5 * Round.TotalSeconds;
        Console.WriteLine($"| CheckPermission, p50 and p99, quiet | {Percentiles.Of(quiet, 0.5) * 1000:F0} us, {Percentiles.Of(quiet, 0.99) * 1000:F0} us |");
        Console.WriteLine($"| the same while policies are swapped {swaps / seconds:F1} times a second | {Percentiles.Of(swapping, 0.5) * 1000:F0} us, {Percentiles.Of(swapping, 0.99) * 1000:F0} us |");
        Console.WriteLine($"| p99 swapped to quiet | {Percentiles.Of(swapping, 0.99) / Percentiles.Of(quiet, 0.99):F2} |");
        await app.StopAsync();
    }

    private async Task ChangeRolesAsync(ControlPlaneProcess control, EntityService.EntityServiceClient directory, SnapshotCache snapshots, DecisionPoint decisions)
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

    private static async Task<(List<double> Quiet, List<double> Swapping, int Swaps, string Published)> SwapPoliciesAsync(PolicyService.PolicyServiceClient policies, string socket, string published)
    {
        using var channel = SidecarClient.Connect($"unix:{socket}");
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

        return (quiet, swapping, swaps, published);
    }

    /// <summary>One caller that asks again as soon as it is answered.</summary>
    private static async Task AskAsync(Wire.AuthSidecarService.AuthSidecarServiceClient client, List<double> took)
    {
        var request = Check("user-7", "read");
        var started = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(started) < Round)
        {
            var before = Stopwatch.GetTimestamp();
            var response = await client.CheckPermissionAsync(request);
            took.Add(Stopwatch.GetElapsedTime(before).TotalMilliseconds);
            Demand(response);
        }
    }

    private async Task ImportAsync(EntityService.EntityServiceClient directory)
    {
        using var call = directory.ImportEntities(new CallOptions().WithWaitForReady());
        foreach (var some in Enumerable.Range(0, users).Chunk(2_000))
        {
            await call.RequestStream.WriteAsync(new ImportEntitiesRequest
            {
                Entities =
                {
                    some.Select(i => new StoredEntity
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

    private ServeOptions OptionsOf(string name)
    {
        if (!File.Exists(_certificates.In($"{name}.pem")))
        {
            using var certificate = _certificates.ForSidecar(name);
            File.WriteAllText(_certificates.In($"{name}.pem"), certificate.ExportCertificatePem());
            File.WriteAllText(_certificates.In($"{name}.key"), System.Security.Cryptography.X509Certificates.ECDsaCertificateExtensions.GetECDsaPrivateKey(certificate)!.ExportPkcs8PrivateKeyPem());
        }

        return new ServeOptions
        {
            ControlPlane = new ControlPlaneOptions
            {
                Addresses = [new Uri($"https://127.0.0.1:{port}")],
                Placement = new AuthSidecar.Sync.Stream.Placement(Application, ""),
                Certificate = _certificates.In($"{name}.pem"),
                CertificateKey = _certificates.In($"{name}.key"),
                Ca = _certificates.In("ca.pem"),
                PinnedKeys = Path.Combine(folder, "control", "bundle-keys.json"),
            },
            MaxStaleness = MaxStaleness.Default,
            State = Path.Combine(folder, $"state-{name}"),
            Socket = Path.Combine(folder, $"{name}.sock"),
            Log = LogFormat.None,
        };
    }

    private static Wire.CheckPermissionRequest Check(string user, string action, string revision = "") => new()
    {
        Principal = new Wire.EntityUid { Type = "User", Id = user },
        Action = new Wire.EntityUid { Id = action },
        Resource = new Wire.Entity { Uid = new Wire.EntityUid { Type = "Document", Id = "plan" } },
        AtLeastRevision = revision,
    };

    private static void Demand(Wire.CheckPermissionResponse response)
    {
        if (response.Decision != Wire.Decision.Allow)
        {
            throw new InvalidOperationException($"expected ALLOW, got {response}");
        }
    }

    /// <summary>Times in milliseconds, but for the first.</summary>
    private sealed record SidecarFigures(TimeSpan FullSync, List<double> Changes, List<double> Quiet, List<double> Swapping);
}
