using AuthSidecar.Cedar;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.Directory;
using AuthSidecar.ControlPlane.Hosting;
using AuthSidecar.ControlPlane.Resources;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Sync;
using AuthSidecar.ControlPlane.V1;
using Microsoft.EntityFrameworkCore;

namespace AuthSidecar.ControlPlane.Tests.Store;

/// <summary>What is forgotten, and what is not.</summary>
public abstract partial class StoreConformance
{
    private static readonly TimeSpan Audit = TimeSpan.FromDays(90);

    [Fact]
    public async Task Forget_Tombstones_OnlyOldOnesAndNeverTheNewestOfAPlace()
    {
        await _node.WriteAsync(Alice, Reader, tenant: "a");
        await _node.WriteAsync(new EntityUid("User", "bob"), Reader, tenant: "a");
        await _node.WriteAsync(new EntityUid("User", "carol"), Reader, tenant: "b");
        await RemoveAsync(Alice);
        await RemoveAsync(new EntityUid("User", "carol"));
        await _node.WriteFactorsAsync("User::\"alice\"", "a", "phone");
        var gone = await _node.Resources.WriteAsync("test", "factors.remove", new ResourceKey(ResourceType.Factors, "User::\"alice\"", new("", "a")), _ => (new ResourceChange(null), null), null, Cancellation);
        await _node.WriteFactorsAsync("User::\"bob\"", "a", "phone");

        // A month, and a day: sidecars count on the month.
        Assert.Equal(0, await ForgetAsync(TimeSpan.FromDays(30.9)));
        await _node.WriteAsync(new EntityUid("User", "dave"), Reader, tenant: "a");
        Assert.Equal(2, await ForgetAsync(TimeSpan.FromDays(32)));
        var entities = await _node.Store.ReadAsync((context, _) => context.Entities.OrderBy(e => e.Id).Select(e => new { e.Id, e.IsRemoved }).ToListAsync(), Cancellation);
        // Carol was the last that changed in her tenant: that something did is still to be seen there.
        Assert.Equal([("bob", false), ("carol", true), ("dave", false)], entities.Select(e => (e.Id, e.IsRemoved)));
        Assert.Equal("User::\"bob\"", (await _node.Store.ReadAsync((context, _) => context.Resources.SingleAsync(r => r.Type == ResourceType.Factors), Cancellation)).Key);

        // Whoever was away for longer than that sees that something changed, and gets everything, of a revision that is no earlier.
        Assert.True(await HasChangedAsync("a", ResourceType.Entities, 2));
        Assert.True(await HasChangedAsync("a", ResourceType.Factors, (long)gone.Revision.Number));
        var full = (await _node.ReadDraftsAsync("b", default)).Single(d => d.Type == ResourceType.Entities);
        Assert.Equal((0L, 5L), (full.BaseRevision, full.Revision));
        Assert.False(await HasChangedAsync("b", ResourceType.Entities, full.Revision));

        Task<WriteResult> RemoveAsync(EntityUid uid) => _node.Directory.WriteAsync("test", Anywhere, _ => new DirectoryChange([], [uid]), null, Cancellation);

        Task<bool> HasChangedAsync(string tenant, ResourceType type, long since) =>
            _node.Store.ReadAsync((context, _) => DraftReader.HasChangedAsync(context, new SyncScope("app", tenant), type, since, Cancellation), Cancellation);
    }

    [Fact]
    public async Task Forget_PoliciesAndAudit_OnlyOldOnesAndNeverTheLastHundredPublications()
    {
        var revision = default(Revision);
        for (var i = 0; i < 110; i++)
        {
            revision = (await _node.PublishAsync($"permit (principal == User::\"u{i}\", action, resource);", revision)).Revision;
        }

        Assert.Equal(0, await ForgetAsync(TimeSpan.FromDays(89)));
        await _node.WriteAsync(Alice, Reader);
        // Publications 1 to 10, and the records of all 110; what has just been written is new.
        Assert.Equal(10 + 110, await ForgetAsync(TimeSpan.FromDays(91)));
        var (publications, audit) = await _node.Store.ReadAsync(async (context, _) => (await context.Publications.Select(p => p.Revision).ToListAsync(), await context.Audit.ToListAsync()), Cancellation);
        Assert.Equal(Enumerable.Range(11, 100).Select(r => (long)r), publications.Order());
        Assert.Equal("entities.write", Assert.Single(audit).Action);
    }

    /// <summary>Makes everything as old as this but what was written last, and forgets what is to be forgotten now.</summary>
    private async Task<int> ForgetAsync(TimeSpan age)
    {
        await using var context = _node.Database.Open();
        var (head, then) = ((long)(await _node.HeadAsync()).Number, (TimeProvider.System.GetUtcNow() - age).ToUnixTimeMilliseconds());
        await context.Audit.Where(a => a.Revision < head).ExecuteUpdateAsync(u => u.SetProperty(a => a.AtMs, then), Cancellation);
        await context.Publications.ExecuteUpdateAsync(u => u.SetProperty(p => p.AtMs, then), Cancellation);
        return await Retention.ForgetAsync(context, TimeProvider.System.GetUtcNow(), Audit, Cancellation);
    }
}
