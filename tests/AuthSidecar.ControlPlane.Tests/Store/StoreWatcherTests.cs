using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Tests.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Store;

public abstract class StoreWatcherTests(TestDatabase database) : StoreTest(database)
{
    /// <summary>A write wakes those whom it concerns: ten thousand streams are not to stir for what is another application's.</summary>
    [Fact]
    public async Task Feed_Writes_WakeTheScopesThatTheyConcern()
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        using var feed = new StoreWatcher(Node.Database, Node.Store, new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance), time, NullLogger<StoreWatcher>.Instance);
        await feed.LookAsync(Cancellation);
        Placement[] scopes = [new("app", ""), new("app", "acme"), new("app", "globex"), new("other", "")];
        Assert.Equal([true, true, true, true], await WokenAsync(() => Node.WriteAsync(Alice, Reader)));
        Assert.Equal([true, true, false, true], await WokenAsync(() => Node.WriteAsync(new EntityUid("User", "a"), Reader, tenant: "acme")));
        Assert.Equal([true, true, true, false], await WokenAsync(() => Node.PublishAsync("permit (principal, action, resource);", default)));
        Assert.Equal([true, true, true, false], await WokenAsync(() => Node.WriteEntryAsync("issuer", "1", null)));
        Assert.Equal([false, false, false, false], await WokenAsync(() => Node.Store.WriteAsync("test", _ => Task.FromResult<Refusal?>(null), Cancellation)));
        // What was missed in between is looked for: another node has written, and nobody has said what.
        Assert.Equal([true, true, true, true], await WokenAsync(async () =>
        {
            var written = await new TestNode(Node.Database).Store.WriteAsync("test", _ => Task.FromResult<Refusal?>(null), Cancellation);
            await feed.LookAsync(Cancellation);
            return written;
        }));

        async Task<IEnumerable<bool>> WokenAsync(Func<Task<WriteResult>> write)
        {
            var waiting = scopes.Select(s => feed.WhenChanged(s, feed.Head)).ToList();
            Assert.All(waiting, w => Assert.False(w.IsCompleted));
            Assert.True((await write()).IsCommitted);
            return waiting.Select(w => w.IsCompleted).ToList();
        }
    }

    /// <summary>The database was replaced behind a node that runs: what it has in memory is of what is no more.</summary>
    [Fact]
    public async Task Feed_WhereTheDatabaseWentBack_SaysSoAndStops()
    {
        await Node.WriteAsync(Alice, Reader);
        var (lifetime, logger) = (new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance), new Microsoft.Extensions.Logging.Testing.FakeLogger<StoreWatcher>());
        using var feed = new StoreWatcher(Node.Database, new ControlStore(Node.Database, TimeProvider.System), lifetime, TimeProvider.System, logger);
        await feed.LookAsync(Cancellation);
        await using (var context = Node.Database.Open())
        {
            await context.Head.ExecuteUpdateAsync(u => u.SetProperty(h => h.Revision, h => h.Revision - 1), Cancellation);
        }

        await feed.LookAsync(Cancellation);
        Assert.True(lifetime.ApplicationStopping.IsCancellationRequested);
        Assert.Equal(Microsoft.Extensions.Logging.LogLevel.Critical, logger.LatestRecord.Level);
        Assert.Matches("^database rollback detected: the newest revision is .* and was .*; this node stops", logger.LatestRecord.Message);
    }

    /// <summary>Another node's commit is seen at the next look, wherever the store is.</summary>
    [Fact]
    public async Task Feed_OfAnotherNode_SeesACommitAtItsNextLook()
    {
        var time = new FakeTimeProvider();
        using var feed = new StoreWatcher(Node.Database, new ControlStore(Node.Database, time), new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance), time, NullLogger<StoreWatcher>.Instance);
        await feed.StartAsync(Cancellation);
        await feed.WhenNewer(default).WaitAsync(TimeSpan.FromSeconds(20), Cancellation);
        var seen = feed.WhenNewer(feed.Head);
        var written = await Node.WriteAsync(Alice, Reader);
        while (!seen.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(10, Cancellation);
        }

        Assert.Equal(written.Revision, feed.Head);
        Assert.True(feed.IsFresh);
        await feed.StopAsync(Cancellation);
    }
}

public sealed class SqliteStoreWatcherTests() : StoreWatcherTests(new SqliteTestDatabase());

public sealed class PostgresStoreWatcherTests(PostgresServer server) : StoreWatcherTests(new PostgresTestDatabase(server));
