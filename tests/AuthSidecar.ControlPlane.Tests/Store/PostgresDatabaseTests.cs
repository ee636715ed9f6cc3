using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Tests.Testing;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Store;

/// <summary>What holds on PostgreSQL alone.</summary>
public sealed class PostgresDatabaseTests(PostgresServer server)
{
    /// <summary>Whose clock stands still, so that it never looks.</summary>
    [Fact]
    public async Task Feed_OfAnotherNode_HearsOfACommitWithoutLooking()
    {
        var database = await CreateDatabaseAsync();
        await database.MigrateAsync(TestContext.Current.CancellationToken);
        var time = new FakeTimeProvider();
        using var feed = new StoreWatcher(database, new ControlStore(database, time), new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance), time, NullLogger<StoreWatcher>.Instance);
        await feed.StartAsync(TestContext.Current.CancellationToken);
        while (!feed.IsFresh)
        {
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }

        var store = new ControlStore(database, TimeProvider.System);
        // It may not be listening yet: what it misses, it would look for.
        var heard = feed.WhenNewer(default);
        for (var i = 0; i < 50 && !heard.IsCompleted; i++)
        {
            await store.WriteAsync("test", _ => Task.FromResult<Refusal?>(null), TestContext.Current.CancellationToken);
            await Task.Delay(200, TestContext.Current.CancellationToken);
        }

        Assert.True(heard.IsCompleted);
        await feed.StopAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>One node leads; when it is gone, however that came about, another does.</summary>
    [Fact]
    public async Task Lead_OfSeveralNodes_OneAtATime()
    {
        var database = await CreateDatabaseAsync();
        var first = (await database.TryLeadAsync(TestContext.Current.CancellationToken))!;
        Assert.Null(await database.TryLeadAsync(TestContext.Current.CancellationToken));
        Assert.True(await first.IsHeldAsync(TestContext.Current.CancellationToken));
        await first.DisposeAsync();
        Assert.False(await first.IsHeldAsync(TestContext.Current.CancellationToken));
        await using var second = await database.TryLeadAsync(TestContext.Current.CancellationToken);
        Assert.NotNull(second);
    }

    private Task<Database> CreateDatabaseAsync() => new PostgresTestDatabase(server).CreateAsync();
}
