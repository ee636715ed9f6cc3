using AuthSidecar.ControlPlane.Tests.Testing;
using AuthSidecar.ControlPlane.V1;
using Google.Rpc;
using Grpc.Core;
using static EndToEnd.Tests.Writes;
using static Grpc.Health.V1.HealthCheckResponse.Types;
using Decision = AuthSidecar.V1.Decision;

namespace EndToEnd.Tests;

/// <summary>What breaks: processes, databases, networks, disks. Nothing is half-applied, nothing that was acknowledged is lost, and nobody is let in.</summary>
public sealed class FaultTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Killed (-9) sooner or later after it was asked: what is in force afterwards is one of the two, and the newer one if it said so.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(10)]
    [InlineData(30)]
    [InlineData(100)]
    public async Task ControlPlaneKilledDuringAPublish_OldOrNewIsInForce_AndTheNewIfItWasAcknowledged(int msAfter)
    {
        await using var fleet = await Fleet.StartAsync();
        var sidecar = await fleet.StartSidecarAsync("one");
        await WriteAsync(fleet, User("alice", "reader"));
        var old = await PublishAsync(fleet, "", ReadersRead);
        Assert.Equal(Decision.Allow, await AskAsync(sidecar, "alice", old.Revision));

        var publishing = PublishAsync(fleet, old.Revision, "forbid (principal, action, resource);");
        await Task.Delay(msAfter, Cancellation);
        fleet.KillControlPlane();
        var acknowledged = await Task.WhenAny(publishing) == publishing && publishing.IsCompletedSuccessfully;
        await fleet.StartControlPlaneAsync();
        var inForce = (await fleet.Policies.GetPoliciesAsync(new GetPoliciesRequest { Application = "documents" }, cancellationToken: Cancellation)).Publication.Revision;
        Assert.True(inForce == old.Revision || inForce == After(old.Revision), $"{inForce} after {old.Revision}");
        Assert.True(!acknowledged || inForce == After(old.Revision));
        Assert.Equal(inForce == old.Revision ? Decision.Allow : Decision.Deny, await AskAsync(sidecar, "alice", inForce));
    }

    [Fact]
    public async Task TwoAdministratorsAtOnce_OneOfThemPublishes_TheOtherIsToldTheRevision()
    {
        await using var fleet = await Fleet.StartAsync();
        var before = await PublishAsync(fleet, "", ReadersRead);
        var results = await Task.WhenAll(Enumerable.Range(0, 8).Select(async i =>
        {
            try
            {
                return ((string?)(await PublishAsync(fleet, before.Revision, $"@id(\"by{i}\") {ReadersRead}")).Revision, (RpcException?)null);
            }
            catch (RpcException e)
            {
                return (null, e);
            }
        }));
        var winner = Assert.Single(results, r => r.Item1 is not null).Item1;
        Assert.All(results.Where(r => r.Item2 is not null), r =>
        {
            Assert.Equal(StatusCode.Aborted, r.Item2!.StatusCode);
            Assert.Equal($"{winner}", r.Item2.GetRpcStatus()!.GetDetail<ErrorInfo>()!.Metadata["revision"]);
        });
    }

    [Fact]
    public async Task SidecarStartedWithoutItsControlPlane_AnswersFromWhatItHad_AndSaysHowOldThatIs()
    {
        await using var fleet = await Fleet.StartAsync();
        var sidecar = await fleet.StartSidecarAsync("one");
        await WriteAsync(fleet, User("alice", "reader"), User("bob", "reader"));
        var published = await PublishAsync(fleet, "", ReadersRead);
        Assert.Equal(Decision.Allow, await AskAsync(sidecar, "alice", published.Revision));
        var removed = await RemoveRoleAsync(fleet.Directories, "bob");
        Assert.Equal(Decision.Deny, await AskAsync(sidecar, "bob", removed));
        await fleet.UntilKeptAsync("one", $"entities-{removed}-change");

        fleet.KillControlPlane();
        fleet.KillSidecar("one");
        fleet.StartSidecar("one");
        await Fleet.UntilAsync(async () => await AskAsync(sidecar, "alice") == Decision.Allow);
        Assert.Equal(Decision.Deny, await AskAsync(sidecar, "bob"));
        var answer = await sidecar.CheckPermissionAsync(Fleet.Check("User", "alice"), cancellationToken: Cancellation);
        Assert.Equal(removed, answer.Freshness.Entities.Revision);
        Assert.InRange(answer.Freshness.Policies.AgeMs, 1UL, 60_000UL);

        // And follows again when it is back.
        await fleet.StartControlPlaneAsync();
        Assert.Equal(Decision.Deny, await AskAsync(sidecar, "alice", await RemoveRoleAsync(fleet.Directories, "alice")));

        // What was altered on disk is not used: then there is nothing to answer from.
        fleet.KillControlPlane();
        fleet.KillSidecar("one");
        var index = fleet.In("one/last-known-good/index");
        var bytes = await File.ReadAllBytesAsync(index, Cancellation);
        bytes[^1] ^= 1;
        await File.WriteAllBytesAsync(index, bytes, Cancellation);
        fleet.StartSidecar("one");
        var none = await Assert.ThrowsAsync<RpcException>(async () =>
        {
            while (true)
            {
                try
                {
                    await AskAsync(sidecar, "alice");
                }
                catch (RpcException e) when (e.GetRpcStatus() is null)
                {
                    await Task.Delay(50, Cancellation);
                }
            }
        });
        Assert.Equal("ERROR_REASON_NO_SNAPSHOT", none.GetRpcStatus()!.GetDetail<ErrorInfo>()!.Reason);
    }

    /// <summary>Longer than heartbeats take: what is too old is refused, and nobody is let in by what may have been taken back since.</summary>
    [Fact]
    public async Task NetworkCut_AnswersEndWhenTheirDataIsTooOld_AndComeBackWithWhatHappenedMeanwhile()
    {
        await using var fleet = await Fleet.StartAsync();
        await using var network = new TcpRelay(fleet.Port);
        fleet.Addresses = [$"https://127.0.0.1:{network.Port}"];
        fleet.SidecarArguments = ["--max-staleness", "policies=8s", "--max-staleness", "entities=unlimited"];
        var sidecar = await fleet.StartSidecarAsync("one");
        await WriteAsync(fleet, User("alice", "reader"));
        var published = await PublishAsync(fleet, "", ReadersRead);
        Assert.Equal(Decision.Allow, await AskAsync(sidecar, "alice", published.Revision));

        network.Cut();
        var removed = await RemoveRoleAsync(fleet.Directories, "alice");
        Assert.Equal(Decision.Allow, await AskAsync(sidecar, "alice"));
        var stale = await Assert.ThrowsAsync<RpcException>(async () =>
        {
            while (true)
            {
                await AskAsync(sidecar, "alice");
                await Task.Delay(100, Cancellation);
            }
        });
        Assert.Equal((StatusCode.FailedPrecondition, "ERROR_REASON_STALE"), (stale.StatusCode, stale.GetRpcStatus()!.GetDetail<ErrorInfo>()!.Reason));
        network.Mend();
        await Fleet.UntilAsync(async () => await AskAsync(sidecar, "alice", removed) == Decision.Deny);
    }

    [Fact]
    public async Task DiskFullAtTheSidecar_ItGoesOn_AndBeginsWithWhatItCouldKeep()
    {
        await using var fleet = await Fleet.StartAsync();
        fleet.SidecarDiskKiB = 200;
        var sidecar = await fleet.StartSidecarAsync("one");
        await WriteAsync(fleet, User("alice", "reader"));
        var published = await PublishAsync(fleet, "", ReadersRead);
        Assert.Equal(Decision.Allow, await AskAsync(sidecar, "alice", published.Revision));
        await fleet.UntilKeptAsync("one", $"policies-{published.Revision}");

        // More than it can write; it is applied all the same.
        var many = await WriteAsync(fleet, [.. Enumerable.Range(0, 5_000).Select(i => User($"user-{i}", "reader"))]);
        Assert.Equal(Decision.Allow, await AskAsync(sidecar, "user-4999", many.Revision));
        Assert.Equal(Decision.Deny, await AskAsync(sidecar, "alice", await RemoveRoleAsync(fleet.Directories, "alice")));
        await Task.Delay(2_500, Cancellation);
        Assert.Equal(Decision.Deny, await AskAsync(sidecar, "alice"));
        Assert.False(File.Exists(fleet.In($"one/last-known-good/entities-{many.Revision}-change")));

        // Begun anew without a control plane: what it has is whole, and of one moment.
        fleet.KillControlPlane();
        fleet.KillSidecar("one");
        fleet.StartSidecar("one");
        await Fleet.UntilAsync(async () => await AskAsync(sidecar, "alice") == Decision.Allow);
        Assert.Equal(Decision.Deny, await AskAsync(sidecar, "user-4999"));
        await fleet.StartControlPlaneAsync();
        await Fleet.UntilAsync(async () => await AskAsync(sidecar, "alice") == Decision.Deny);
    }

    /// <summary>Two nodes on one PostgreSQL: what one commits reaches those who follow the other, and whoever loses theirs goes to the other.</summary>
    [Fact]
    public async Task TwoNodes_ShareWhatIsWritten_AndSidecarsMoveWhenOneIsGone()
    {
        await using var postgres = await StartPostgresAsync();
        await using var fleet = await Fleet.StartAsync(database: $"postgres:{await postgres.CreateDatabaseAsync()}", nodes: 2);
        var all = fleet.Addresses;
        fleet.Addresses = [all[1], all[0]];
        var sidecars = new[] { await fleet.StartSidecarAsync("one"), await fleet.StartSidecarAsync("two"), await fleet.StartSidecarAsync("three") };
        await WriteAsync(fleet, User("alice", "reader"));
        var published = await PublishAsync(fleet, "", ReadersRead);
        foreach (var sidecar in sidecars)
        {
            Assert.Equal(Decision.Allow, await AskAsync(sidecar, "alice", published.Revision));
        }

        var removed = await RemoveRoleAsync(fleet.EntityServiceAt(1), "alice");
        foreach (var sidecar in sidecars)
        {
            Assert.Equal(Decision.Deny, await AskAsync(sidecar, "alice", removed));
        }

        fleet.KillControlPlane(1);
        await WriteAsync(fleet, User("alice", "reader"));
        foreach (var sidecar in sidecars)
        {
            await Fleet.UntilAsync(async () => await AskAsync(sidecar, "alice") == Decision.Allow);
        }
    }

    [Fact]
    public async Task PostgresRestarted_WritesFailMeanwhile_AndEverythingGoesOnAfterwards()
    {
        await using var postgres = await StartPostgresAsync();
        await using var fleet = await Fleet.StartAsync(database: $"postgres:{await postgres.CreateDatabaseAsync()}");
        var sidecar = await fleet.StartSidecarAsync("one");
        await WriteAsync(fleet, User("alice", "reader"));
        var published = await PublishAsync(fleet, "", ReadersRead);
        Assert.Equal(Decision.Allow, await AskAsync(sidecar, "alice", published.Revision));

        await postgres.StopAsync();
        await UntilHealthIsAsync(ServingStatus.NotServing);
        var failed = await Assert.ThrowsAsync<RpcException>(() => RemoveRoleAsync(fleet.Directories, "alice"));
        Assert.Equal((StatusCode.Unavailable, "ERROR_REASON_STORE_UNAVAILABLE"), (failed.StatusCode, failed.GetRpcStatus()!.GetDetail<ErrorInfo>()!.Reason));
        Assert.Equal(Decision.Allow, await AskAsync(sidecar, "alice"));
        await postgres.StartAsync();
        var removed = "";
        await Fleet.UntilAsync(async () => NumberOf(removed = await RemoveRoleAsync(fleet.Directories, "alice")) > NumberOf(published.Revision));
        Assert.Equal(Decision.Deny, await AskAsync(sidecar, "alice", removed));
        await UntilHealthIsAsync(ServingStatus.Serving);

        Task UntilHealthIsAsync(ServingStatus status) => Fleet.UntilAsync(async () => await fleet.HealthAsync() == status);
    }

    /// <summary>What is gone is forgotten after a month: whoever was away for longer gets everything, and not what has changed since.</summary>
    [Fact]
    public async Task SidecarAwayForFortyDays_OfWhatWasRemovedAndForgotten_HasNothingLeft()
    {
        const string FakeTime = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
        Assert.SkipUnless(File.Exists(FakeTime), $"there is no {FakeTime}; ./test.sh installs it, as Debian's `faketime`");
        var clock = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(clock, "-40d\n", Cancellation);
            var environment = new Dictionary<string, string> { ["LD_PRELOAD"] = FakeTime, ["FAKETIME_TIMESTAMP_FILE"] = clock, ["FAKETIME_NO_CACHE"] = "1", ["DONT_FAKE_MONOTONIC"] = "1", ["FAKETIME_DONT_FAKE_MONOTONIC"] = "1" };
            await using var fleet = await Fleet.StartAsync(environment: environment);
            (fleet.SidecarEnvironment, fleet.SidecarArguments) = (environment, ["--max-staleness", "entities=unlimited", "--max-staleness", "policies=unlimited"]);
            await WriteAsync(fleet, User("alice", "reader"), User("bob", "reader"));
            await PublishAsync(fleet, "", ReadersRead);
            fleet.StartSidecar("one");
            await Fleet.UntilAsync(async () => await AskAsync(fleet.ClientOf("one"), "alice") == Decision.Allow);
            // As long as it takes to keep it.
            var kept = fleet.In("one/last-known-good");
            await Fleet.UntilAsync(() => Task.FromResult(Directory.Exists(kept) && Directory.EnumerateFiles(kept, "entities-*").Any()));
            await fleet.UntilKeptAsync("one", Path.GetFileName(Directory.EnumerateFiles(kept, "entities-*").Single()));
            fleet.KillSidecar("one");
            await fleet.Directories.WriteEntitiesAsync(new WriteEntitiesRequest { Removed = { "User::\"alice\"" } }, cancellationToken: Cancellation);
            await WriteAsync(fleet, User("carol", "reader"));
            fleet.KillControlPlane();

            await File.WriteAllTextAsync(clock, "+0\n", Cancellation);
            await fleet.StartControlPlaneAsync();
            await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf().Any(l => l.Contains("removed 1 expired rows: tombstones", StringComparison.Ordinal))));
            fleet.StartSidecar("one");
            await Fleet.UntilAsync(async () => await AskAsync(fleet.ClientOf("one"), "carol") == Decision.Allow);
            Assert.Contains(fleet.OutputOf("one"), l => l.Contains("restored last-known-good revision", StringComparison.Ordinal));
            Assert.Equal((Decision.Deny, Decision.Allow), (await AskAsync(fleet.ClientOf("one"), "alice"), await AskAsync(fleet.ClientOf("one"), "bob")));
        }
        finally
        {
            File.Delete(clock);
        }
    }

    /// <summary>What cannot be used is said in one line, before anything is begun.</summary>
    [Fact]
    public async Task Serve_OnAnAddressThatIsTakenOrAStateFolderThatIsAFile_EndsWithOneLine()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        var taken = await Binary.RunControlAsync("serve", "--state", fleet.In("other"), "--admin-socket", fleet.In("other.sock"), "--listen", $"127.0.0.1:{fleet.Port}", "--name", "x");
        Assert.Equal((2, $"authsidecar-control: failed to listen on 127.0.0.1:{fleet.Port}: Address already in use\n", ""), (taken.ExitCode, taken.Error, taken.Output));
        await File.WriteAllTextAsync(fleet.In("file"), "", TestContext.Current.CancellationToken);
        // A second process on what one alone may have: nodes do not hear of each other's writes there.
        var inUse = await Binary.RunControlAsync("serve", "--state", fleet.In("control"), "--admin-socket", fleet.In("other.sock"));
        Assert.Equal((2, $"authsidecar-control: the state folder `{fleet.In("control")}` is in use by another process\n", ""), (inUse.ExitCode, inUse.Error, inUse.Output));
        var database = await Binary.RunControlAsync("serve", "--state", fleet.In("other"), "--admin-socket", fleet.In("other.sock"), "--database", $"sqlite:{fleet.In("control/control.db")}");
        Assert.Equal((2, $"authsidecar-control: the database `{fleet.In("control/control.db")}` is in use by another process\n", ""), (database.ExitCode, database.Error, database.Output));
        var file = await Binary.RunControlAsync("serve", "--state", fleet.In("file"), "--admin-socket", fleet.In("other.sock"));
        Assert.Equal((2, $"authsidecar-control: failed to create the state folder `{fleet.In("file")}`: it is a file\n", ""), (file.ExitCode, file.Error, file.Output));

        // A sidecar's likewise.
        Directory.CreateDirectory(fleet.In("nothing"));
        await fleet.CreateApplicationAsync();
        fleet.StartSidecar("one");
        await Fleet.UntilAsync(() => Task.FromResult(File.Exists(fleet.In("one/lock"))));
        foreach (var (state, why) in new[] { ("one", $"the state folder `{fleet.In("one")}` is in use by another process"), ("file", $"failed to create the state folder `{fleet.In("file")}`: it is a file") })
        {
            var refused = await Binary.RunAsync("serve", "--bundle", fleet.In("nothing"), "--state", fleet.In(state), "--socket", fleet.In("two.sock"));
            Assert.Equal((2, $"authsidecar: {why}\n", ""), (refused.ExitCode, refused.Error, refused.Output));
        }
    }

    /// <summary>Whoever restores a database and forgets its key must not be given another one: the next backup would save that.</summary>
    [Fact]
    public async Task MasterKey_Missing_IsNeverMadeAnewForADatabaseThatHasOne()
    {
        await using var fleet = await Fleet.StartAsync(ownCa: true);
        fleet.KillControlPlane();
        var (key, kept) = (fleet.In("control/master.key"), fleet.In("kept.key"));
        File.Move(key, kept);
        var refused = await Binary.RunControlAsync("serve", "--state", fleet.In("control"), "--admin-socket", fleet.In("other.sock"));
        Assert.Equal(2, refused.ExitCode);
        Assert.Matches("^authsidecar-control: `[^`]*/master\\.key` does not exist, and the database is encrypted with the master key [0-9a-f]{16}: restore the `master\\.key` that belongs to this database\n$", refused.Error);
        Assert.False(File.Exists(key));
        File.Move(kept, key);
        await fleet.StartControlPlaneAsync();
    }

    /// <summary>In a cluster that starts, everything does at once: who needs the database waits for it.</summary>
    [Fact]
    public async Task PostgresThatIsNotThereYet_IsWaitedFor()
    {
        await using var postgres = await StartPostgresAsync();
        await using var fleet = await Fleet.StartAsync(database: $"postgres:{await postgres.CreateDatabaseAsync()}");
        fleet.KillControlPlane();
        await postgres.StopAsync();
        var starting = fleet.StartControlPlaneAsync();
        await Fleet.UntilAsync(() => Task.FromResult(fleet.OutputOf().Any(l => l.Contains("waiting for the database postgres ", StringComparison.Ordinal))));
        await postgres.StartAsync();
        await starting;
        Assert.Contains(fleet.OutputOf(), l => l.Contains("connected to the database postgres ", StringComparison.Ordinal));
        Assert.Single(fleet.OutputOf(), l => l.Contains("waiting for the database", StringComparison.Ordinal));
    }

    /// <summary>What runs out of memory ends, and is started anew: it would fail at the same place again, and look alive.</summary>
    [Fact]
    public async Task ControlPlane_OutOfMemory_Ends()
    {
        await using var fleet = await Fleet.StartAsync(environment: new Dictionary<string, string> { ["DOTNET_GCHeapHardLimit"] = "0x5000000", ["DOTNET_DbgEnableMiniDump"] = "0" });
        var written = 0;
        await Assert.ThrowsAsync<RpcException>(async () =>
        {
            for (; written < 1_000_000; written += 5_000)
            {
                await WriteAsync(fleet, [.. Enumerable.Range(written, 5_000).Select(i => User($"user {i}", "reader"))]);
            }
        });
        await Fleet.UntilAsync(() => Task.FromResult(fleet.HasEnded()));
        Assert.Contains(fleet.OutputOf(), l => l.Contains("out of memory: raise the memory limit", StringComparison.Ordinal));
    }

    private static async Task<PostgresServer> StartPostgresAsync()
    {
        var server = new PostgresServer();
        await server.InitializeAsync();
        Assert.SkipWhen(server.Missing is not null, server.Missing ?? "");
        return server;
    }
}
