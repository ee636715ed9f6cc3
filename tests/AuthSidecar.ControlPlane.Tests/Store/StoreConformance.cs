using AuthSidecar.Cedar;
using AuthSidecar.Common;
using AuthSidecar.ControlPlane.Accounts;
using AuthSidecar.ControlPlane.Administration.Access;
using AuthSidecar.ControlPlane.Directory;
using AuthSidecar.ControlPlane.Hosting;
using AuthSidecar.ControlPlane.Identity;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.Resources;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Sync;
using AuthSidecar.ControlPlane.Tests.Testing;
using AuthSidecar.ControlPlane.Trust;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Account = AuthSidecar.ControlPlane.Accounts.Account;

namespace AuthSidecar.ControlPlane.Tests.Store;

/// <summary>What holds on either database.</summary>
public abstract partial class StoreConformance : IAsyncLifetime
{
    private static readonly EntityUid Alice = new("User", "alice");
    private static readonly EntityUid Reader = new("Role", "reader");

    private static readonly MayWrite Anywhere = (_, _) => true;

    private Node _node = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    internal abstract Task<Database> CreateDatabaseAsync();

    public async ValueTask InitializeAsync()
    {
        _node = new Node(await CreateDatabaseAsync());
        await _node.Database.MigrateAsync(Cancellation);
        await _node.Store.BeginAsync("test", isAfterRestore: false, Cancellation);
    }

    public virtual ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task Migrate_Again_ChangesNothing()
    {
        await _node.WriteAsync(Alice, Reader);
        await _node.Database.MigrateAsync(Cancellation);
        Assert.Equal(1UL, (await _node.HeadAsync()).Number);
    }

    [Fact]
    public async Task Write_Refused_LeavesNothingBehindAndTakesNoRevision()
    {
        var first = await _node.WriteAsync(Alice, Reader);
        Assert.Equal(1UL, first.Revision.Number);
        // Alice in reader, and reader in alice.
        var refused = await _node.WriteAsync(Reader, Alice);
        Assert.IsType<Refusal.Invalid>(refused.Refusal);
        Assert.Equal(1UL, (await _node.HeadAsync()).Number);
        Assert.Equal(1, await _node.Store.ReadAsync((context, _) => context.Audit.CountAsync(), Cancellation));
        Assert.Equal(2UL, (await _node.WriteAsync(new EntityUid("User", "bob"), Reader)).Revision.Number);
    }

    [Fact]
    public async Task Write_StaleRevision_RefusedWithTheCurrentOne()
    {
        var first = await _node.WriteAsync(Alice, Reader);
        var other = await _node.WriteAsync(new EntityUid("User", "bob"), Reader);
        Assert.Equal(new Refusal.Stale(other.Revision), (await _node.WriteAsync(Alice, Reader, first.Revision)).Refusal);
        Assert.True((await _node.WriteAsync(Alice, Reader, other.Revision)).IsThere);
        // That of a membership is its member's own.
        Assert.Equal(new Refusal.Stale(other.Revision), (await _node.Directory.ChangeMembershipsAsync("test", Anywhere, new("User", "bob"), [], [Reader], first.Revision, Cancellation)).Refusal);
        Assert.True((await _node.Directory.ChangeMembershipsAsync("test", Anywhere, new("User", "bob"), [], [Reader], other.Revision, Cancellation)).IsCommitted);
        Assert.IsType<Refusal.NotFound>((await _node.Directory.ChangeMembershipsAsync("test", Anywhere, new("User", "carol"), [], [], null, Cancellation)).Refusal);
    }

    /// <summary>What is lost stays so however far the old history goes on: sign-ins take revisions too, and passing a number is no confirmation.</summary>
    [Fact]
    public async Task Lost_UntilANewHistoryBegins_HoweverManyRevisionsFollow()
    {
        await _node.WriteAsync(Alice, Reader);
        var head = await _node.HeadAsync();
        Assert.Null((await _node.Store.LookAsync(Cancellation)).Lost);
        await _node.Store.NoteLostAsync(head.At(3), Cancellation);
        for (var i = 0; i < 5; i++)
        {
            await _node.Store.WriteAsync("test", _ => Task.FromResult<Refusal?>(null), Cancellation);
        }

        await _node.Store.NoteLostAsync(head.At(2), Cancellation);
        var there = await new Node(_node.Database).Store.LookAsync(Cancellation);
        Assert.Equal((head.At(3), head, 6UL), (there.Lost, there.Certain, there.Revision.Number));
        Assert.True((await _node.Store.BeginHistoryAsync("test", head.History, Cancellation)).IsCommitted);
        there = await _node.Store.LookAsync(Cancellation);
        Assert.Null(there.Lost);
        Assert.Equal(there.Revision, there.Certain);
        Assert.True(there.Revision > head.At(1_000));
    }

    /// <summary>A directory is imported every night, and most of it is as it was: what changes nothing is not written, not audited, and nobody hears of it.</summary>
    [Fact]
    public async Task Write_ThatChangesNothing_TakesNoRevision_AndAnswersTheNewestThereIs()
    {
        var first = await _node.WriteAsync(Alice, Reader);
        var issuer = await _node.WriteResourceAsync("issuer", "1", expectedRevision: null);
        var audited = await AuditedAsync();
        foreach (var again in new[]
        {
            await _node.WriteAsync(Alice, Reader),
            await new Node(_node.Database).WriteAsync(Alice, Reader),
            await _node.Directory.ChangeMembershipsAsync("test", Anywhere, Alice, [Reader], [new("Role", "other")], null, Cancellation),
            await _node.Directory.WriteAsync("test", Anywhere, _ => new DirectoryChange([], [new("User", "nobody")]), null, Cancellation),
            await _node.WriteResourceAsync("issuer", "1", expectedRevision: null),
        })
        {
            // The revision at which it came to be so, which sidecars have.
            Assert.Equal((false, true, true), (again.IsCommitted, again.IsThere, again.Revision == first.Revision || again.Revision == issuer.Revision));
        }

        Assert.Equal((issuer.Revision, audited), (await _node.HeadAsync(), await AuditedAsync()));
        // Of a write of which some changes something, that alone is written.
        var some = await _node.Directory.WriteAsync(
            "test",
            Anywhere,
            _ => new DirectoryChange([(new Entity(Alice, ValueRecord.Empty, ValueRecord.Empty, Reader), new Placement("", "")), (new Entity(new EntityUid("User", "bob"), ValueRecord.Empty, ValueRecord.Empty, Reader), new Placement("", ""))], []),
            null,
            Cancellation);
        Assert.Equal(audited + 1, await AuditedAsync());
        Assert.Equal([first.Revision, some.Revision], await _node.Store.ReadAsync(async (context, _) => (await context.Entities.OrderBy(e => e.Id).ToListAsync()).Select(e => _node.Store.At(e.Revision)), Cancellation));

        Task<int> AuditedAsync() => _node.Store.ReadAsync((context, _) => context.Audit.CountAsync(), Cancellation);
    }

    /// <summary>In between, what comes from another node is neither as it was nor as it is to be: a parent that becomes a child is no circle.</summary>
    [Fact]
    public async Task CatchUp_WithWhatHasTurnedRound_FitsTogether()
    {
        var other = new Node(_node.Database);
        await _node.WriteAsync(Alice, Reader);
        Assert.True((await other.WriteAsync(new EntityUid("User", "bob"), Reader)).IsCommitted);
        var turned = new DirectoryChange(
            [(new Entity(Alice, ValueRecord.Empty, ValueRecord.Empty), new Placement("", "")), (new Entity(Reader, ValueRecord.Empty, ValueRecord.Empty, Alice), new Placement("", ""))], []);
        Assert.True((await _node.Directory.WriteAsync("test", Anywhere, _ => turned, null, Cancellation)).IsCommitted);
        Assert.IsType<Refusal.Invalid>((await other.WriteAsync(Alice, Reader)).Refusal);
        Assert.True((await other.WriteAsync(new EntityUid("User", "carol"), Reader)).IsCommitted);
    }

    /// <summary>A write wakes those whom it concerns: ten thousand streams are not to stir for what is another application's.</summary>
    [Fact]
    public async Task Feed_Writes_WakeTheScopesThatTheyConcern()
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        using var feed = new Feed(_node.Database, _node.Store, new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance), time, NullLogger<Feed>.Instance);
        await feed.LookAsync(Cancellation);
        SyncScope[] scopes = [new("app", ""), new("app", "acme"), new("app", "globex"), new("other", "")];
        Assert.Equal([true, true, true, true], await WokenAsync(() => _node.WriteAsync(Alice, Reader)));
        Assert.Equal([true, true, false, true], await WokenAsync(() => _node.WriteAsync(new EntityUid("User", "a"), Reader, tenant: "acme")));
        Assert.Equal([true, true, true, false], await WokenAsync(() => _node.PublishAsync("permit (principal, action, resource);", default)));
        Assert.Equal([true, true, true, false], await WokenAsync(() => _node.WriteResourceAsync("issuer", "1", null)));
        Assert.Equal([false, false, false, false], await WokenAsync(() => _node.Store.WriteAsync("test", _ => Task.FromResult<Refusal?>(null), Cancellation)));
        // What was missed in between is looked for: another node has written, and nobody has said what.
        Assert.Equal([true, true, true, true], await WokenAsync(async () =>
        {
            var written = await new Node(_node.Database).Store.WriteAsync("test", _ => Task.FromResult<Refusal?>(null), Cancellation);
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
        await _node.WriteAsync(Alice, Reader);
        var (lifetime, logger) = (new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance), new Microsoft.Extensions.Logging.Testing.FakeLogger<Feed>());
        using var feed = new Feed(_node.Database, new ControlStore(_node.Database, TimeProvider.System), lifetime, TimeProvider.System, logger);
        await feed.LookAsync(Cancellation);
        await using (var context = _node.Database.Open())
        {
            await context.Head.ExecuteUpdateAsync(u => u.SetProperty(h => h.Revision, h => h.Revision - 1), Cancellation);
        }

        await feed.LookAsync(Cancellation);
        Assert.True(lifetime.ApplicationStopping.IsCancellationRequested);
        Assert.Equal(Microsoft.Extensions.Logging.LogLevel.Critical, logger.LatestRecord.Level);
        Assert.Matches("^database rollback detected: the newest revision is .* and was .*; this node stops", logger.LatestRecord.Message);
    }

    [Fact]
    public async Task Publish_ManyAtOnce_ExactlyOneWinsEachRevision()
    {
        var nodes = Enumerable.Range(0, 4).Select(_ => new Node(_node.Database)).ToList();
        var results = await Task.WhenAll(nodes.SelectMany(n => Enumerable.Range(0, 3).Select(_ => n.PublishAsync("permit (principal, action, resource);", default))));
        var winner = Assert.Single(results, r => r.IsCommitted);
        Assert.All(results.Where(r => !r.IsCommitted), r => Assert.Equal(new Refusal.Stale(winner.Revision), r.Refusal));
    }

    [Fact]
    public async Task RollBack_ToAnOldRevision_PublishesItsDocumentsUnderANewOne()
    {
        var first = await _node.PublishAsync("permit (principal, action, resource);", default);
        var second = await _node.PublishAsync("forbid (principal, action, resource);", first.Revision);
        Assert.IsType<Refusal.NotFound>((await _node.Policies.RollBackAsync("test", "app", 99, second.Revision, "", Cancellation)).Refusal);
        var back = await _node.Policies.RollBackAsync("test", "app", (long)first.Revision.Number, second.Revision, "it was better", Cancellation);
        Assert.True(back.Revision > second.Revision);

        var current = (await _node.Policies.FindAsync("app", 0, Cancellation))!;
        Assert.Equal((back.Revision, first.Revision), (_node.Store.At(current.Revision), _node.Store.At(current.RestoredFrom!.Value)));
        Assert.Contains("permit", DocumentSet.Parser.ParseFrom(current.Documents).Documents.Single().Content.ToStringUtf8(), StringComparison.Ordinal);
        Assert.Equal([back.Revision, second.Revision, first.Revision], (await _node.Policies.ListAsync("app", 0, 10, Cancellation)).Select(p => _node.Store.At(p.Revision)));
        Assert.Equal([first.Revision], (await _node.Policies.ListAsync("app", (long)second.Revision.Number, 10, Cancellation)).Select(p => _node.Store.At(p.Revision)));
    }

    /// <summary>What one node writes, another holds its own writes against.</summary>
    [Fact]
    public async Task TwoNodes_WritingInTurn_SeeWhatTheOtherWrote()
    {
        var other = new Node(_node.Database);
        await _node.WriteAsync(Alice, Reader);
        Assert.IsType<Refusal.Invalid>((await other.WriteAsync(Reader, Alice)).Refusal);
        Assert.True((await other.Directory.WriteAsync("test", Anywhere, _ => new DirectoryChange([], [Alice]), null, Cancellation)).IsCommitted);
        Assert.True((await _node.WriteAsync(Reader, Alice)).IsCommitted);
    }

    /// <summary>Another node's commit is seen at the next look, wherever the store is.</summary>
    [Fact]
    public async Task Feed_OfAnotherNode_SeesACommitAtItsNextLook()
    {
        var time = new FakeTimeProvider();
        using var feed = new Feed(_node.Database, new ControlStore(_node.Database, time), new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance), time, NullLogger<Feed>.Instance);
        await feed.StartAsync(Cancellation);
        await feed.WhenNewer(default).WaitAsync(TimeSpan.FromSeconds(20), Cancellation);
        var seen = feed.WhenNewer(feed.Head);
        var written = await _node.WriteAsync(Alice, Reader);
        while (!seen.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(10, Cancellation);
        }

        Assert.Equal(written.Revision, feed.Head);
        Assert.True(feed.IsFresh);
        await feed.StopAsync(Cancellation);
    }

    /// <summary>PostgreSQL cannot store it, and what SQLite stores is what a move to PostgreSQL loses.</summary>
    [Fact]
    public async Task Text_WithANullCharacter_IsRefusedWhereverItIsLookedUpOrWritten()
    {
        var id = "a\0b";
        await Assert.ThrowsAsync<NullCharacterException>(() => _node.Store.ReadAsync((context, _) => context.JoinTokens.AnyAsync(t => t.Id == id, Cancellation), Cancellation));
        await Assert.ThrowsAsync<NullCharacterException>(() => _node.Store.ReadAsync((context, _) => context.JoinTokens.Where(t => t.Id == id).ExecuteDeleteAsync(Cancellation), Cancellation));
        Assert.True(NullCharacterException.IsIn(await Record.ExceptionAsync(() => _node.Store.WriteAsync(
            "test",
            transaction =>
            {
                transaction.Audit("test", id, Placement.ControlPlane, before: null, after: null);
                return Task.FromResult<Refusal?>(null);
            },
            Cancellation))));
    }

    [Fact]
    public async Task Entity_MovedToAnotherTenant_LeavesATombstoneWhereItWas()
    {
        await _node.WriteAsync(Alice, Reader, tenant: "a");
        var moved = await _node.WriteAsync(Alice, Reader, tenant: "b");
        var audited = await _node.Store.ReadAsync((context, _) => context.Audit.Where(a => a.Revision == (long)moved.Revision.Number).OrderBy(a => a.Tenant).ToListAsync(), Cancellation);
        Assert.Equal([("entities.remove", "a", true, false), ("entities.write", "b", true, true)], audited.Select(a => (a.Action, a.Tenant, a.Before is not null, a.After is not null)));
        var rows = await _node.Store.ReadAsync((context, _) => context.Entities.OrderBy(e => e.Tenant).ToListAsync(), Cancellation);
        Assert.Equal([("a", true, moved.Revision), ("b", false, moved.Revision)], rows.Select(r => (r.Tenant, r.IsRemoved, _node.Store.At(r.Revision))));
    }

    [Fact]
    public async Task Write_EntityOfWhereTheWriterMayNot_Refused()
    {
        static bool MayInB(string action, Placement placement) => placement.Tenant == "b" || action != "entities.write";
        await _node.WriteAsync(Alice, Reader, tenant: "a");
        DirectoryChange taken = new([(new Entity(Alice, ValueRecord.Empty, ValueRecord.Empty), new Placement("", "b"))], []);
        var elsewhere = new Refusal.NotPermitted("entities.write", null);
        // It would come here, but from there.
        Assert.Equal(elsewhere, (await _node.Directory.WriteAsync("test", MayInB, _ => taken, null, Cancellation)).Refusal);
        Assert.Equal(elsewhere, (await _node.Directory.WriteAsync("test", MayInB, _ => new DirectoryChange([], [Alice]), null, Cancellation)).Refusal);
        Assert.Equal(elsewhere, (await _node.Directory.ChangeMembershipsAsync("test", MayInB, Alice, [], [Reader], null, Cancellation)).Refusal);
        // Whether it is there is not told to who may not write there, whatever they guess.
        Assert.Equal(elsewhere, (await _node.Directory.WriteAsync("test", MayInB, placeOf => new DirectoryChange([(new Entity(Alice, ValueRecord.Empty, ValueRecord.Empty), placeOf(Alice)!.Value)], []), null, Cancellation)).Refusal);
        Assert.Equal(
            new Refusal.NotPermitted("entities.write", new Placement("", "a")),
            (await _node.Directory.WriteAsync("test", MayInB, _ => new DirectoryChange([(new Entity(new EntityUid("User", "bob"), ValueRecord.Empty, ValueRecord.Empty), new Placement("", "a"))], []), null, Cancellation)).Refusal);
        Assert.Equal(1UL, (await _node.HeadAsync()).Number);
        await _node.WriteAsync(Alice, Reader, tenant: "b");
        Assert.True((await _node.Directory.ChangeMembershipsAsync("test", MayInB, Alice, [], [Reader], null, Cancellation)).IsCommitted);
    }

    [Fact]
    public async Task Write_MemberOfAnotherTenantsGroup_OnlyByThoseWhoMayWriteThere()
    {
        static bool MayInB(string action, Placement placement) => placement.Tenant == "b" || action != "entities.write";
        await _node.WriteAsync(Reader, new EntityUid("Role", "any"), tenant: "a");
        DirectoryChange Joining(params EntityUid[] parents) => new([(new Entity(Alice, ValueRecord.Empty, ValueRecord.Empty, parents), new Placement("", "b"))], []);
        var elsewhere = new Refusal.NotPermitted("entities.write", null);
        Assert.Equal(elsewhere, (await _node.Directory.WriteAsync("test", MayInB, _ => Joining(Reader), null, Cancellation)).Refusal);
        Assert.True((await _node.Directory.WriteAsync("test", MayInB, _ => Joining(), null, Cancellation)).IsCommitted);
        Assert.Equal(elsewhere, (await _node.Directory.ChangeMembershipsAsync("test", MayInB, Alice, [Reader], [], null, Cancellation)).Refusal);
        // What somebody who may has given, stays theirs.
        Assert.True((await _node.Directory.WriteAsync("test", Anywhere, _ => Joining(Reader), null, Cancellation)).IsCommitted);
        Assert.True((await _node.Directory.WriteAsync("test", MayInB, _ => Joining(Reader, new EntityUid("Role", "nowhere")), null, Cancellation)).IsCommitted);
    }

    [Fact]
    public async Task Write_GroupThatComesToBeInATenant_OnlyWithMembersWhomItsWriterMayWrite()
    {
        static bool MayInB(string action, Placement placement) => placement.Tenant == "b" || action != "entities.write";
        var (admins, elsewhere) = (new EntityUid("Group", "b-admins"), new Refusal.NotPermitted("entities.write", null));
        DirectoryChange Of(EntityUid uid, string tenant, params EntityUid[] parents) => new([(new Entity(uid, ValueRecord.Empty, ValueRecord.Empty, parents), new Placement("", tenant))], []);
        // Somebody of another tenant has entered it before it was there.
        Assert.True((await _node.Directory.WriteAsync("test", Anywhere, _ => Of(Alice, "a", admins), null, Cancellation)).IsCommitted);
        foreach (var node in new[] { _node, new Node(_node.Database) })
        {
            Assert.Equal(elsewhere, (await node.Directory.WriteAsync("test", MayInB, _ => Of(admins, "b"), null, Cancellation)).Refusal);
        }

        Assert.True((await _node.Directory.WriteAsync("test", Anywhere, _ => Of(admins, ""), null, Cancellation)).IsCommitted);
        Assert.Equal(elsewhere, (await _node.Directory.WriteAsync("test", (a, p) => MayInB(a, p) || p.Tenant.Length == 0, _ => Of(admins, "b"), null, Cancellation)).Refusal);
        await _node.Directory.ChangeMembershipsAsync("test", Anywhere, Alice, [], [admins], null, Cancellation);
        Assert.True((await _node.Directory.WriteAsync("test", (a, p) => MayInB(a, p) || p.Tenant.Length == 0, _ => Of(admins, "b"), null, Cancellation)).IsCommitted);
    }

    [Fact]
    public async Task Write_IntoAGroupOfNoTenant_IsAPermissionOfItsOwn()
    {
        static bool MayInB(string action, Placement placement) => placement.Tenant == "b" || action == "memberships.assign";
        DirectoryChange Of(EntityUid uid, string tenant, ValueRecord attributes, params EntityUid[] parents) => new([(new Entity(uid, attributes, ValueRecord.Empty, parents), new Placement("app", tenant))], []);
        var (super, staff) = (new EntityUid("Group", "superadmins"), new EntityUid("Group", "staff"));
        await _node.Directory.WriteAsync("test", Anywhere, _ => Of(super, "", ValueRecord.Create([new("assignable", Value.Of(false))])), null, Cancellation);
        await _node.Directory.WriteAsync("test", Anywhere, _ => Of(staff, "", ValueRecord.Create([new("assignable", Value.Of(true))])), null, Cancellation);
        foreach (var group in new[] { super, new EntityUid("Role", "nowhere") })
        {
            Assert.Equal(new Refusal.NotPermitted("memberships.write", new Placement("app", "")), (await _node.Directory.WriteAsync("test", MayInB, _ => Of(Alice, "b", ValueRecord.Empty, group), null, Cancellation)).Refusal);
        }

        Assert.True((await _node.Directory.WriteAsync("test", MayInB, _ => Of(Alice, "b", ValueRecord.Empty, staff), null, Cancellation)).IsCommitted);
        Assert.Equal("memberships.write", Assert.IsType<Refusal.NotPermitted>((await _node.Directory.ChangeMembershipsAsync("test", MayInB, Alice, [super], [], null, Cancellation)).Refusal).Action);
    }

    [Fact]
    public async Task Administrator_ThatDoesNotConformToTheBuiltInSchema_IsNotStored()
    {
        var wrong = new Entity(new EntityUid("AuthSidecar::Administrator", "eve"), ValueRecord.Create([new("applications", Value.Of("all"))]), ValueRecord.Empty);
        Assert.IsType<Refusal.Invalid>((await _node.Directory.WriteAsync("test", Anywhere, _ => new DirectoryChange([(wrong, new Placement("authsidecar", ""))], []), null, Cancellation)).Refusal);
    }

    [Fact]
    public async Task Import_ManyEntities_AllOfThemAndAudited()
    {
        var many = Enumerable.Range(0, 20_000).Select(i => (new Entity(new EntityUid("User", $"user \"{i}\" \u00e9\U0001f600"), ValueRecord.Create([new("n", Value.Of(i))]), ValueRecord.Empty, Reader), new Placement("", ""))).ToList();
        var result = await _node.Directory.WriteAsync("test", Anywhere, _ => new DirectoryChange(many, []), null, Cancellation);
        Assert.True(result.IsCommitted);
        Assert.Equal(20_000, await _node.Store.ReadAsync((context, _) => context.Entities.CountAsync(e => e.Revision == (long)result.Revision.Number), Cancellation));
        Assert.Equal(20_000, await _node.Store.ReadAsync((context, _) => context.Audit.CountAsync(a => a.Revision == (long)result.Revision.Number && a.Before == null && a.After != null), Cancellation));
        // Read back by a node that knows nothing yet, what is written next is held against all of them.
        Assert.IsType<Refusal.Invalid>((await new Node(_node.Database).WriteAsync(Reader, many[19_999].Item1.Uid)).Refusal);
    }

    [Fact]
    public async Task Resource_WrittenReplacedAndRemoved_EachWithItsRevisionAndATombstone()
    {
        var first = await _node.WriteResourceAsync("issuer", "1", expectedRevision: default(Revision));
        Assert.Equal(new Refusal.Stale(first.Revision), (await _node.WriteResourceAsync("issuer", "2", expectedRevision: default(Revision))).Refusal);
        var second = await _node.WriteResourceAsync("issuer", "2", first.Revision);
        var row = (await _node.Resources.FindAsync(Key("issuer"), Cancellation))!;
        Assert.Equal((second.Revision, "2", false), (_node.Store.At(row.Revision), row.Json, row.IsRemoved));
        var removed = await _node.Resources.RemoveAsync("test", "keys.remove", Key("issuer"), "it", null, Cancellation);
        Assert.True(removed.IsCommitted);
        Assert.Null(await _node.Resources.FindAsync(Key("issuer"), Cancellation));
        Assert.Equal(new Refusal.NotFound("it"), (await _node.Resources.RemoveAsync("test", "keys.remove", Key("issuer"), "it", null, Cancellation)).Refusal);
        // One that is written again where its tombstone is.
        var again = await _node.WriteResourceAsync("issuer", "3", expectedRevision: default(Revision));
        Assert.Equal("3", (await _node.Resources.FindAsync(Key("issuer"), Cancellation))!.Json);
        Assert.Equal(
            [(first.Revision, null, "1"), (second.Revision, "1", "2"), (removed.Revision, "2", null), (again.Revision, null, "3")],
            await _node.Store.ReadAsync(async (context, _) => (await context.Audit.OrderBy(a => a.Revision).ToListAsync()).Select(a => (_node.Store.At(a.Revision), a.Before, a.After)), Cancellation));
    }

    /// <summary>What a sidecar lacks: of its application and tenant, newer than what it has, in full or as a change.</summary>
    [Fact]
    public async Task Drafts_OfResources_ChangesForThoseWhoHaveSomeAndOnlyWhatConcernsThem()
    {
        var factors = await _node.WriteFactorsAsync("User::\"alice\"", "", "totp");
        await _node.WriteFactorsAsync("User::\"alice\"", "acme", "own");
        await _node.WriteFactorsAsync("User::\"bob\"", "globex", "totp");
        var last = await _node.WriteFactorsAsync("User::\"carol\"", "acme", "totp");

        var all = Assert.Single(await _node.ReadDraftsAsync("acme", default));
        Assert.Equal((ResourceType.Factors, last.Revision, 0L), (all.Type, _node.Store.At(all.Revision), all.BaseRevision));
        Assert.Equal(["own", "totp", "totp"], FactorsOf(all));
        Assert.Equal(32, all.Documents["factors.key"].Length);

        var removed = await _node.Resources.RemoveAsync("test", "factors.remove", new ResourceKey(ResourceType.Factors, "User::\"alice\"", new Placement("", "acme")), "it", null, Cancellation);
        var change = Assert.Single(await _node.ReadDraftsAsync("acme", default(HeldRevisions).With(ResourceType.Factors, (long)last.Revision.Number)));
        Assert.Equal((removed.Revision, last.Revision), (_node.Store.At(change.Revision), _node.Store.At(change.BaseRevision)));
        // Hers for all tenants is told again, and so she is not among those who have none.
        Assert.Equal(["totp"], FactorsOf(change));
        Assert.Empty(change.Removed);

        await _node.Resources.RemoveAsync("test", "factors.remove", new ResourceKey(ResourceType.Factors, "User::\"carol\"", new Placement("", "acme")), "it", null, Cancellation);
        change = Assert.Single(await _node.ReadDraftsAsync("acme", default(HeldRevisions).With(ResourceType.Factors, (long)removed.Revision.Number)));
        Assert.Equal(["User::\"carol\""], change.Removed);
        // What happens to another tenant is none of its business.
        Assert.Empty(await _node.ReadDraftsAsync("acme", default(HeldRevisions).With(ResourceType.Factors, change.Revision)));
        Assert.True(factors.IsCommitted);

        static IEnumerable<string> FactorsOf(BundleDraft draft) =>
            System.Text.Json.JsonDocument.Parse(draft.Documents["factors.json"]).RootElement.GetProperty("factors").EnumerateArray().Select(f => f.GetProperty("id").GetString()!).Order(StringComparer.Ordinal);
    }

    /// <summary>What is shared is signed, and signatures run out: whoever comes a day later gets another.</summary>
    [Fact]
    public async Task Updates_SharedBetweenSidecars_ForAWhileAlone()
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var published = await _node.PublishAsync("permit (principal, action, resource);", default);
        var secrets = new SecretStore(_node.Store, new LocalKeyVault("test", () => Convert.ToBase64String(new byte[32])));
        await secrets.OpenAsync(Cancellation);
        var trust = new TrustRing(_node.Store, secrets, time);
        await trust.OpenAsync(Cancellation);
        var updates = new UpdateSource(_node.Store, new DraftReader(new ResourceDocuments(secrets), time), trust, time);
        var head = await _node.HeadAsync();
        var first = await updates.BuildAsync(new SyncScope("app", ""), default, head);
        Assert.Same(first, await updates.BuildAsync(new SyncScope("app", ""), default, head));
        time.Advance(TimeSpan.FromHours(25));
        var later = Bundle.Parser.ParseFrom(Assert.Single((await updates.BuildAsync(new SyncScope("app", ""), default, head)).Bundles).Content);
        Assert.True(later.ExpiresAt.ToDateTimeOffset() > time.GetUtcNow());

        // Whoever has something of another history gets everything, and is told of what there is nothing of that there is nothing.
        var held = HeldRevisions.Types.Aggregate(default(HeldRevisions), (all, type) => all.With(type, HeldRevisions.OfAnotherHistory));
        var anew = await updates.BuildAsync(new SyncScope("app", ""), held, head);
        Assert.Equal(published.Revision, _node.Store.At(anew.Current[ResourceType.Policies]));
        Assert.Equal(HeldRevisions.Types, anew.Bundles.Select(b => Bundle.Parser.ParseFrom(b.Content)).Where(b => b.BaseRevision.Length == 0).Select(b => b.Type));
    }

    [Fact]
    public async Task Secrets_OfSeveralNodes_AreTheSame_AndSurviveARotationOfTheMasterKey()
    {
        var masterKeys = Convert.ToBase64String(new byte[32]);
        var vault = new LocalKeyVault("test", () => masterKeys);
        var nodes = Enumerable.Range(0, 4).Select(_ => new SecretStore(new ControlStore(_node.Database, TimeProvider.System), vault)).ToList();
        await Task.WhenAll(nodes.Select(n => n.OpenAsync(Cancellation)));
        Assert.Single(nodes.Select(n => Convert.ToHexString(n.FactorWrappingKey)).Distinct());
        Assert.Single(nodes.Select(n => Convert.ToHexString(n.TokenEncryptionKey)).Distinct());
        Assert.Equal(0, await nodes[0].RewrapAsync(Cancellation));

        // The new one in front, the old one still there; then the old one goes.
        var next = Convert.ToBase64String([.. Enumerable.Repeat((byte)1, 32)]);
        masterKeys = $"{next}\n{masterKeys}\n";
        Assert.Equal(2, await nodes[0].RewrapAsync(Cancellation));
        Assert.Equal(0, await nodes[1].RewrapAsync(Cancellation));
        masterKeys = next;
        var later = new SecretStore(new ControlStore(_node.Database, TimeProvider.System), vault);
        await later.OpenAsync(Cancellation);
        Assert.Equal(nodes[0].TokenEncryptionKey, later.TokenEncryptionKey);
        Assert.Equal(nodes[0].FactorWrappingKey, later.FactorWrappingKey);

        // Without it nothing opens; and nothing in the store has any of it.
        masterKeys = Convert.ToBase64String(new byte[32]);
        await Assert.ThrowsAsync<KeyVaultException>(() => new SecretStore(new ControlStore(_node.Database, TimeProvider.System), vault).OpenAsync(Cancellation));
        var stored = await _node.Store.ReadAsync(async (context, _) =>
            (await context.DataKeys.Select(k => k.Wrapped).ToListAsync()).Concat(await context.Secrets.Select(s => s.Sealed).ToListAsync()).Select(Convert.ToHexString), Cancellation);
        Assert.All(stored, s => Assert.DoesNotContain(Convert.ToHexString(later.FactorWrappingKey), s, StringComparison.Ordinal));
        Assert.All(stored, s => Assert.DoesNotContain(Convert.ToHexString(later.TokenEncryptionKey), s, StringComparison.Ordinal));
    }

    private const string Jwks = """{"keys": [{"kid": "one"}]}""";

    private static ResourceKey Key(string key) => new(ResourceType.Keys, key, new Placement("app", ""));

    private sealed class Node
    {
        private readonly DirectoryState _state = new();

        public Node(Database database)
        {
            Database = database;
            Store = new ControlStore(database, TimeProvider.System);
            Directory = new DirectoryWriter(Store, _state, new SchemaSource());
            Policies = new PolicyPublisher(Store, _state);
            Resources = new ResourceWriter(Store);
        }

        public Database Database { get; }

        public ControlStore Store { get; }

        public DirectoryWriter Directory { get; }

        public PolicyPublisher Policies { get; }

        public ResourceWriter Resources { get; }

        public ApplicationLifetime Lifetime { get; } = new(NullLogger<ApplicationLifetime>.Instance);

        public Administrators Administrators(TimeProvider time) => new(Store, Directory, _state, time);

        public async Task<(Grants Grants, Sessions Sessions)> GrantsAsync(TimeProvider time)
        {
            var store = new ControlStore(Database, time);
            return (new Grants(store, Database, await SecretsAsync(time), time), new Sessions(store, Database, time));
        }

        /// <summary>Begins a session of an account, which is made when it is not there.</summary>
        public async Task<(SessionRow Session, string Secret)> BeginSessionAsync(Sessions sessions, string accountId, string userAgent = "", SessionRow? before = null, DateTimeOffset? at = null)
        {
            var account = new Account { Id = accountId, UserName = accountId, NormalizedUserName = accountId, DisplayName = "", IsDisabled = false, Revision = 0, PasswordHash = "right", SecurityStamp = "stamp" };
            await using var context = Database.Open();
            if (!await context.Accounts.AnyAsync(a => a.Id == accountId))
            {
                context.Accounts.Add(account);
                await context.SaveChangesAsync();
            }

            return (await sessions.TryBeginAsync(account, new Authentication("pwd", userAgent, "", at), before, Cancellation))!.Value;
        }

        public async Task<(AccountDirectory Accounts, SignIn SignIn, UpstreamLogins Logins)> AccountsAsync(TimeProvider time)
        {
            var parts = await AccountPartsAsync(time);
            return (parts.Accounts, parts.SignIn, parts.Logins);
        }

        public async Task<AccountParts> AccountPartsAsync(TimeProvider time)
        {
            var (hashing, normalizer, errors) = (new PasswordHashing(await SecretsAsync(time), PasswordScheme.Argon2id), new UpperInvariantLookupNormalizer(), new IdentityErrorDescriber());
            var managers = new AccountManagers(Options.Create(new IdentityOptions()), hashing, [new UserValidator<Account>(errors)], normalizer, errors, new ServiceCollection().BuildServiceProvider(), NullLogger<UserManager<Account>>.Instance);
            var (store, factors) = (new ControlStore(Database, time), new SecondFactors(Database, Resources, await SecretsAsync(time), time));
            var (meters, attempts) = (new ServiceCollection().AddMetrics().BuildServiceProvider().GetRequiredService<System.Diagnostics.Metrics.IMeterFactory>(), new SignInAttempts(Database, time));
            var logger = new Microsoft.Extensions.Logging.Testing.FakeLogger<AuthenticationLog>();
            var log = new AuthenticationLog(Database, meters, time, logger);
            var accounts = new AccountDirectory(store, managers, hashing, new PasswordRules(PasswordPolicy.Length, []), factors);
            return new AccountParts(accounts, new SignIn(Database, hashing, factors, attempts, log, store, normalizer), new UpstreamLogins(store, managers, time), attempts, new ResetLinks(store, accounts, time), log, logger, meters);
        }

        public sealed record AccountParts(
            AccountDirectory Accounts, SignIn SignIn, UpstreamLogins Logins, SignInAttempts Attempts, ResetLinks Resets, AuthenticationLog Log,
            Microsoft.Extensions.Logging.Testing.FakeLogger<AuthenticationLog> Logger, System.Diagnostics.Metrics.IMeterFactory Meters);

        public async Task<byte[]> FactorKeyAsync(TimeProvider time) => (await SecretsAsync(time)).FactorWrappingKey;

        private async Task<SecretStore> SecretsAsync(TimeProvider time)
        {
            var secrets = new SecretStore(Store, new LocalKeyVault("test", () => Convert.ToBase64String(new byte[32])));
            await secrets.OpenAsync(Cancellation);
            return secrets;
        }

        public async Task<KeyRing> KeyRingAsync(TimeProvider time, string url = "https://control.test", bool replaceIssuer = false)
        {
            var secrets = await SecretsAsync(time);
            var options = new ServeOptions { Database = Database, State = "", AdminSocket = "", Url = new Uri(url), ReplaceIssuer = replaceIssuer };
            var feed = new Feed(Database, Store, Lifetime, time, NullLogger<Feed>.Instance);
            var ring = new KeyRing(Store, secrets, feed, options, Lifetime, time, NullLogger<KeyRing>.Instance);
            await ring.OpenAsync(Cancellation);
            return ring;
        }

        public Task<WriteResult> WriteAsync(EntityUid uid, EntityUid parent, Revision? expectedRevision = null, string tenant = "") => Directory.WriteAsync(
            "test", Anywhere, _ => new DirectoryChange([(new Entity(uid, ValueRecord.Empty, ValueRecord.Empty, parent), new Placement("", tenant))], []), expectedRevision, Cancellation);

        public async Task<WriteResult> PublishAsync(string policies, Revision expectedRevision) => (await Policies.PublishAsync(
            "test", "app", [new Document { Path = "policies/all.cedar", Content = ByteString.CopyFromUtf8(policies) }], expectedRevision, "", Cancellation)).Result;

        public Task<WriteResult> WriteResourceAsync(string key, string json, Revision? expectedRevision) =>
            Resources.WriteAsync("test", "keys.write", Key(key), _ => (new ResourceChange(json), null), expectedRevision, Cancellation);

        public Task<WriteResult> WriteFactorsAsync(string subject, string tenant, string id) => Resources.WriteAsync(
            "test",
            "factors.enrol",
            new ResourceKey(ResourceType.Factors, subject, new Placement("", tenant)),
            _ => (new ResourceChange(FactorRecords.Write([new FactorRecord(subject, id, null, [new byte[32]])])), null),
            null,
            Cancellation);

        public async Task<List<BundleDraft>> ReadDraftsAsync(string tenant, HeldRevisions held)
        {
            var secrets = new SecretStore(Store, new LocalKeyVault("test", () => Convert.ToBase64String(new byte[32])));
            await secrets.OpenAsync(Cancellation);
            return await Store.ReadAsync((context, head) => new DraftReader(new ResourceDocuments(secrets), TimeProvider.System).ReadAsync(context, new SyncScope("app", tenant), held, (long)head.Number), Cancellation);
        }

        public Task<Revision> HeadAsync() => Store.ReadAsync((_, head) => Task.FromResult(head), Cancellation);
    }
}

public sealed class SqliteStoreTests : StoreConformance
{
    private readonly string _folder = System.IO.Directory.CreateTempSubdirectory("store").FullName;

    /// <summary>Nobody else writes to it, so that it is looked at once a minute; but what cannot be read is not said to be current.</summary>
    [Fact]
    public async Task Feed_WhereTheDatabaseCannotBeRead_IsFreshNoLongerAndAgain()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var path = Path.Combine(_folder, "away.db");
        var database = Database.Parse($"sqlite:{path}");
        await database.MigrateAsync(cancellation);
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var store = new ControlStore(database, time);
        await store.BeginAsync("test", isAfterRestore: false, cancellation);
        using var feed = new Feed(database, store, new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance), time, NullLogger<Feed>.Instance);
        await feed.StartAsync(cancellation);
        await UntilAsync(() => feed.IsFresh, TimeSpan.Zero);
        time.Advance(TimeSpan.FromSeconds(50));
        Assert.True(feed.IsFresh);
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        File.Move(path, $"{path}.away");
        System.IO.Directory.CreateDirectory(path);
        await UntilAsync(() => !feed.IsFresh, TimeSpan.FromSeconds(1));
        System.IO.Directory.Delete(path);
        File.Move($"{path}.away", path);
        await UntilAsync(() => feed.IsFresh, TimeSpan.FromSeconds(1));
        await feed.StopAsync(cancellation);

        async Task UntilAsync(Func<bool> condition, TimeSpan step)
        {
            for (var i = 0; !condition(); i++)
            {
                Assert.InRange(i, 0, 2_000);
                time.Advance(step);
                await Task.Delay(10, cancellation);
            }
        }
    }

    /// <summary>Folders of containers and of systemd are for everybody to look into, and what is made in them as well: hashes of passwords are not.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Migrate_WhateverTheModeOfTheFileIs_ItIsTheOwnersAlone(bool isThere)
    {
        var path = Path.Combine(_folder, "modes.db");
        if (isThere)
        {
            await Database.Parse($"sqlite:{path}").MigrateAsync(TestContext.Current.CancellationToken);
            foreach (var file in System.IO.Directory.EnumerateFiles(_folder, "modes.db*"))
            {
                File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
            }
        }

        var database = Database.Parse($"sqlite:{path}");
        await database.MigrateAsync(TestContext.Current.CancellationToken);
        await new ControlStore(database, TimeProvider.System).WriteAsync("test", _ => Task.FromResult<Refusal?>(null), TestContext.Current.CancellationToken);
        var files = System.IO.Directory.EnumerateFiles(_folder, "modes.db*").ToList();
        Assert.Equal(3, files.Count);
        Assert.All(files, f => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(f)));
    }

    internal override Task<Database> CreateDatabaseAsync() => Task.FromResult(Database.Parse($"sqlite:{Path.Combine(_folder, "store.db")}"));

    public override ValueTask DisposeAsync()
    {
        Microsoft.Data.Sqlite.SqliteConnection.ClearAllPools();
        System.IO.Directory.Delete(_folder, recursive: true);
        return base.DisposeAsync();
    }
}

public sealed class PostgresStoreTests(PostgresServer server) : StoreConformance
{
    /// <summary>A copied state folder whose two processes came to two nodes: neither node refuses one, and both answer.</summary>
    [Fact]
    public async Task Presence_OfASidecarThatAnotherNodeHasToo_IsReportedAsDuplicate()
    {
        var cancellation = TestContext.Current.CancellationToken;
        var database = await CreateDatabaseAsync();
        await database.MigrateAsync(cancellation);
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var fleet = new Fleet(time);
        using var presence = new Presence(database, fleet, time, NullLogger<Presence>.Instance);
        var (copied, moved) = (Connect("copied"), Connect("moved"));
        await using (var context = database.Open())
        {
            foreach (var name in new[] { "copied", "moved" })
            {
                context.Sidecars.Add(new SidecarRow { Application = "app", Tenant = "", Name = name, Note = 1, Serial = "", PreviousSha256 = "", Certificate = "", KeySha256 = "", ValidFromMs = 0, ExpiresAtMs = 0, EnrolledAtMs = 0, IsRemoved = false });
            }

            await context.SaveChangesAsync(cancellation);
        }

        for (var round = 0; round < 3; round++)
        {
            await using var context = database.Open();
            await context.Sidecars.ExecuteUpdateAsync(u => u.SetProperty(s => s.ConnectedTo, "another").SetProperty(s => s.HeardAtMs, time.GetUtcNow().ToUnixTimeMilliseconds()), cancellation);
            // The one that has moved there does not answer here any more.
            copied.NoteStatus(new SidecarStatus(), time.GetUtcNow());
            await presence.FindDuplicatesAsync(cancellation);
            Assert.Equal(round >= 1, copied.ClonedAt is not null);
            time.Advance(TimeSpan.FromSeconds(30));
        }

        Assert.Null(moved.ClonedAt);
        Assert.Contains(copied.ToMessage(time.GetUtcNow()).Problems, p => p.StartsWith("duplicate identity: ", StringComparison.Ordinal));

        ConnectedSidecar Connect(string name)
        {
            var sidecar = new ConnectedSidecar(new SidecarIdentity(new SyncScope("app", ""), name), name, "1.0.0", default, default, time);
            Assert.Null(fleet.TryAdd(sidecar));
            return sidecar;
        }
    }

    /// <summary>Whose clock stands still, so that it never looks.</summary>
    [Fact]
    public async Task Feed_OfAnotherNode_HearsOfACommitWithoutLooking()
    {
        var database = await CreateDatabaseAsync();
        await database.MigrateAsync(TestContext.Current.CancellationToken);
        var time = new FakeTimeProvider();
        using var feed = new Feed(database, new ControlStore(database, time), new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance), time, NullLogger<Feed>.Instance);
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

    internal override async Task<Database> CreateDatabaseAsync()
    {
        Assert.SkipWhen(server.Missing is not null, server.Missing ?? "");
        return Database.Parse($"postgres:{await server.CreateDatabaseAsync()}");
    }
}
