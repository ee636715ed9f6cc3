using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.Hosting;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.Sidecars.Sync;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Tests.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace AuthSidecar.ControlPlane.Tests.Hosting;

/// <summary>What is forgotten, and what is not.</summary>
public abstract class RetentionTests(TestDatabase database) : StoreTest(database)
{
    private static readonly TimeSpan Audit = TimeSpan.FromDays(90);

    [Fact]
    public async Task Forget_Tombstones_OnlyOldOnesAndNeverTheNewestOfAPlace()
    {
        await Node.WriteAsync(Alice, Reader, tenant: "a");
        await Node.WriteAsync(new EntityUid("User", "bob"), Reader, tenant: "a");
        await Node.WriteAsync(new EntityUid("User", "carol"), Reader, tenant: "b");
        await RemoveAsync(Alice);
        await RemoveAsync(new EntityUid("User", "carol"));
        await Node.WriteFactorsAsync("User::\"alice\"", "a", "phone");
        var gone = await Node.Entries.WriteAsync("test", "factors.remove", new EntryKey(DataType.Factors, "User::\"alice\"", new("", "a")), _ => (new EntryChange(null), null), null, Cancellation);
        await Node.WriteFactorsAsync("User::\"bob\"", "a", "phone");

        // A month, and a day: sidecars count on the month.
        Assert.Equal(0, await ForgetAsync(TimeSpan.FromDays(30.9)));
        await Node.WriteAsync(new EntityUid("User", "dave"), Reader, tenant: "a");
        Assert.Equal(2, await ForgetAsync(TimeSpan.FromDays(32)));
        var entities = await Node.Store.ReadAsync((context, _) => context.Entities.OrderBy(e => e.Id).Select(e => new { e.Id, e.IsRemoved }).ToListAsync(), Cancellation);
        // Carol was the last that changed in her tenant: that something did is still to be seen there.
        Assert.Equal([("bob", false), ("carol", true), ("dave", false)], entities.Select(e => (e.Id, e.IsRemoved)));
        Assert.Equal("User::\"bob\"", (await Node.Store.ReadAsync((context, _) => context.Entries.SingleAsync(r => r.Type == DataType.Factors), Cancellation)).Key);

        // Whoever was away for longer than that sees that something changed, and gets everything, of a revision that is no earlier.
        Assert.True(await HasChangedAsync("a", DataType.Entities, 2));
        Assert.True(await HasChangedAsync("a", DataType.Factors, (long)gone.Revision.Number));
        var full = (await Node.ReadUnsignedAsync("b", default)).Single(d => d.Type == DataType.Entities);
        Assert.Equal((0L, 5L), (full.BaseRevision, full.Revision));
        Assert.False(await HasChangedAsync("b", DataType.Entities, full.Revision));

        Task<WriteResult> RemoveAsync(EntityUid uid) => Node.Entities.WriteAsync("test", Anywhere, _ => new EntityChange([], [uid]), null, Cancellation);

        Task<bool> HasChangedAsync(string tenant, DataType type, long since) =>
            Node.Store.ReadAsync((context, _) => UnsignedBundleReader.HasChangedAsync(context, new Placement("app", tenant), type, since, Cancellation), Cancellation);
    }

    [Fact]
    public async Task Forget_PoliciesAndAudit_OnlyOldOnesAndNeverTheLastHundredPublications()
    {
        var revision = default(Revision);
        for (var i = 0; i < 110; i++)
        {
            revision = (await Node.PublishAsync($"permit (principal == User::\"u{i}\", action, resource);", revision)).Revision;
        }

        Assert.Equal(0, await ForgetAsync(TimeSpan.FromDays(89)));
        await Node.WriteAsync(Alice, Reader);
        // Publications 1 to 10, and the records of all 110; what has just been written is new.
        Assert.Equal(10 + 110, await ForgetAsync(TimeSpan.FromDays(91)));
        var (publications, audit) = await Node.Store.ReadAsync(async (context, _) => (await context.Publications.Select(p => p.Revision).ToListAsync(), await context.Audit.ToListAsync()), Cancellation);
        Assert.Equal(Enumerable.Range(11, 100).Select(r => (long)r), publications.Order());
        Assert.Equal("entities.write", Assert.Single(audit).Action);
    }

    /// <summary>Makes everything as old as this but what was written last, and forgets what is to be forgotten now.</summary>
    private async Task<int> ForgetAsync(TimeSpan age)
    {
        await using var context = Node.Database.Open();
        var (head, then) = ((long)(await Node.HeadAsync()).Number, (TimeProvider.System.GetUtcNow() - age).ToUnixTimeMilliseconds());
        await context.Audit.Where(a => a.Revision < head).ExecuteUpdateAsync(u => u.SetProperty(a => a.AtMs, then), Cancellation);
        await context.Publications.ExecuteUpdateAsync(u => u.SetProperty(p => p.AtMs, then), Cancellation);
        return await Retention.ForgetAsync(context, TimeProvider.System.GetUtcNow(), Audit, Cancellation);
    }
}

public sealed class SqliteRetentionTests() : RetentionTests(new SqliteTestDatabase());

public sealed class PostgresRetentionTests(PostgresServer server) : RetentionTests(new PostgresTestDatabase(server));
