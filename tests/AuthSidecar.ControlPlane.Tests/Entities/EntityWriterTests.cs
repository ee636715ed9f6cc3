using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Tests.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace AuthSidecar.ControlPlane.Tests.Entities;

public abstract class EntityWriterTests(TestDatabase database) : StoreTest(database)
{
    /// <summary>In between, what comes from another node is neither as it was nor as it is to be: a parent that becomes a child is no circle.</summary>
    [Fact]
    public async Task CatchUp_WithWhatHasTurnedRound_FitsTogether()
    {
        var other = new TestNode(Node.Database);
        await Node.WriteAsync(Alice, Reader);
        Assert.True((await other.WriteAsync(new EntityUid("User", "bob"), Reader)).IsCommitted);
        var turned = new EntityChange(
            [(new Entity(Alice, ValueRecord.Empty, ValueRecord.Empty), new Placement("", "")), (new Entity(Reader, ValueRecord.Empty, ValueRecord.Empty, Alice), new Placement("", ""))], []);
        Assert.True((await Node.Entities.WriteAsync("test", Anywhere, _ => turned, null, Cancellation)).IsCommitted);
        Assert.IsType<Refusal.Invalid>((await other.WriteAsync(Alice, Reader)).Refusal);
        Assert.True((await other.WriteAsync(new EntityUid("User", "carol"), Reader)).IsCommitted);
    }

    /// <summary>What one node writes, another holds its own writes against.</summary>
    [Fact]
    public async Task TwoNodes_WritingInTurn_SeeWhatTheOtherWrote()
    {
        var other = new TestNode(Node.Database);
        await Node.WriteAsync(Alice, Reader);
        Assert.IsType<Refusal.Invalid>((await other.WriteAsync(Reader, Alice)).Refusal);
        Assert.True((await other.Entities.WriteAsync("test", Anywhere, _ => new EntityChange([], [Alice]), null, Cancellation)).IsCommitted);
        Assert.True((await Node.WriteAsync(Reader, Alice)).IsCommitted);
    }

    [Fact]
    public async Task Entity_MovedToAnotherTenant_LeavesATombstoneWhereItWas()
    {
        await Node.WriteAsync(Alice, Reader, tenant: "a");
        var moved = await Node.WriteAsync(Alice, Reader, tenant: "b");
        var audited = await Node.Store.ReadAsync((context, _) => context.Audit.Where(a => a.Revision == (long)moved.Revision.Number).OrderBy(a => a.Tenant).ToListAsync(), Cancellation);
        Assert.Equal([("entities.remove", "a", true, false), ("entities.write", "b", true, true)], audited.Select(a => (a.Action, a.Tenant, a.Before is not null, a.After is not null)));
        var rows = await Node.Store.ReadAsync((context, _) => context.Entities.OrderBy(e => e.Tenant).ToListAsync(), Cancellation);
        Assert.Equal([("a", true, moved.Revision), ("b", false, moved.Revision)], rows.Select(r => (r.Tenant, r.IsRemoved, Node.Store.At(r.Revision))));
    }

    [Fact]
    public async Task Write_EntityOfWhereTheWriterMayNot_Refused()
    {
        static bool MayInB(string action, Placement placement) => placement.Tenant == "b" || action != "entities.write";
        await Node.WriteAsync(Alice, Reader, tenant: "a");
        EntityChange taken = new([(new Entity(Alice, ValueRecord.Empty, ValueRecord.Empty), new Placement("", "b"))], []);
        var elsewhere = new Refusal.NotPermitted("entities.write", null);
        // It would come here, but from there.
        Assert.Equal(elsewhere, (await Node.Entities.WriteAsync("test", MayInB, _ => taken, null, Cancellation)).Refusal);
        Assert.Equal(elsewhere, (await Node.Entities.WriteAsync("test", MayInB, _ => new EntityChange([], [Alice]), null, Cancellation)).Refusal);
        Assert.Equal(elsewhere, (await Node.Entities.ChangeMembershipsAsync("test", MayInB, Alice, [], [Reader], null, Cancellation)).Refusal);
        // Whether it is there is not told to who may not write there, whatever they guess.
        Assert.Equal(elsewhere, (await Node.Entities.WriteAsync("test", MayInB, placeOf => new EntityChange([(new Entity(Alice, ValueRecord.Empty, ValueRecord.Empty), placeOf(Alice)!.Value)], []), null, Cancellation)).Refusal);
        Assert.Equal(
            new Refusal.NotPermitted("entities.write", new Placement("", "a")),
            (await Node.Entities.WriteAsync("test", MayInB, _ => new EntityChange([(new Entity(new EntityUid("User", "bob"), ValueRecord.Empty, ValueRecord.Empty), new Placement("", "a"))], []), null, Cancellation)).Refusal);
        Assert.Equal(1UL, (await Node.HeadAsync()).Number);
        await Node.WriteAsync(Alice, Reader, tenant: "b");
        Assert.True((await Node.Entities.ChangeMembershipsAsync("test", MayInB, Alice, [], [Reader], null, Cancellation)).IsCommitted);
    }

    [Fact]
    public async Task Write_MemberOfAnotherTenantsGroup_OnlyByThoseWhoMayWriteThere()
    {
        static bool MayInB(string action, Placement placement) => placement.Tenant == "b" || action != "entities.write";
        await Node.WriteAsync(Reader, new EntityUid("Role", "any"), tenant: "a");
        EntityChange Joining(params EntityUid[] parents) => new([(new Entity(Alice, ValueRecord.Empty, ValueRecord.Empty, parents), new Placement("", "b"))], []);
        var elsewhere = new Refusal.NotPermitted("entities.write", null);
        Assert.Equal(elsewhere, (await Node.Entities.WriteAsync("test", MayInB, _ => Joining(Reader), null, Cancellation)).Refusal);
        Assert.True((await Node.Entities.WriteAsync("test", MayInB, _ => Joining(), null, Cancellation)).IsCommitted);
        Assert.Equal(elsewhere, (await Node.Entities.ChangeMembershipsAsync("test", MayInB, Alice, [Reader], [], null, Cancellation)).Refusal);
        // What somebody who may has given, stays theirs.
        Assert.True((await Node.Entities.WriteAsync("test", Anywhere, _ => Joining(Reader), null, Cancellation)).IsCommitted);
        Assert.True((await Node.Entities.WriteAsync("test", MayInB, _ => Joining(Reader, new EntityUid("Role", "nowhere")), null, Cancellation)).IsCommitted);
    }

    [Fact]
    public async Task Write_GroupThatComesToBeInATenant_OnlyWithMembersWhomItsWriterMayWrite()
    {
        static bool MayInB(string action, Placement placement) => placement.Tenant == "b" || action != "entities.write";
        var (admins, elsewhere) = (new EntityUid("Group", "b-admins"), new Refusal.NotPermitted("entities.write", null));
        EntityChange Of(EntityUid uid, string tenant, params EntityUid[] parents) => new([(new Entity(uid, ValueRecord.Empty, ValueRecord.Empty, parents), new Placement("", tenant))], []);
        // Somebody of another tenant has entered it before it was there.
        Assert.True((await Node.Entities.WriteAsync("test", Anywhere, _ => Of(Alice, "a", admins), null, Cancellation)).IsCommitted);
        foreach (var node in new[] { Node, new TestNode(Node.Database) })
        {
            Assert.Equal(elsewhere, (await node.Entities.WriteAsync("test", MayInB, _ => Of(admins, "b"), null, Cancellation)).Refusal);
        }

        Assert.True((await Node.Entities.WriteAsync("test", Anywhere, _ => Of(admins, ""), null, Cancellation)).IsCommitted);
        Assert.Equal(elsewhere, (await Node.Entities.WriteAsync("test", (a, p) => MayInB(a, p) || p.Tenant.Length == 0, _ => Of(admins, "b"), null, Cancellation)).Refusal);
        await Node.Entities.ChangeMembershipsAsync("test", Anywhere, Alice, [], [admins], null, Cancellation);
        Assert.True((await Node.Entities.WriteAsync("test", (a, p) => MayInB(a, p) || p.Tenant.Length == 0, _ => Of(admins, "b"), null, Cancellation)).IsCommitted);
    }

    [Fact]
    public async Task Write_IntoAGroupOfNoTenant_IsAPermissionOfItsOwn()
    {
        static bool MayInB(string action, Placement placement) => placement.Tenant == "b" || action == "memberships.assign";
        EntityChange Of(EntityUid uid, string tenant, ValueRecord attributes, params EntityUid[] parents) => new([(new Entity(uid, attributes, ValueRecord.Empty, parents), new Placement("app", tenant))], []);
        var (super, staff) = (new EntityUid("Group", "superadmins"), new EntityUid("Group", "staff"));
        await Node.Entities.WriteAsync("test", Anywhere, _ => Of(super, "", ValueRecord.Create([new("assignable", Value.Of(false))])), null, Cancellation);
        await Node.Entities.WriteAsync("test", Anywhere, _ => Of(staff, "", ValueRecord.Create([new("assignable", Value.Of(true))])), null, Cancellation);
        foreach (var group in new[] { super, new EntityUid("Role", "nowhere") })
        {
            Assert.Equal(new Refusal.NotPermitted("memberships.write", new Placement("app", "")), (await Node.Entities.WriteAsync("test", MayInB, _ => Of(Alice, "b", ValueRecord.Empty, group), null, Cancellation)).Refusal);
        }

        Assert.True((await Node.Entities.WriteAsync("test", MayInB, _ => Of(Alice, "b", ValueRecord.Empty, staff), null, Cancellation)).IsCommitted);
        Assert.Equal("memberships.write", Assert.IsType<Refusal.NotPermitted>((await Node.Entities.ChangeMembershipsAsync("test", MayInB, Alice, [super], [], null, Cancellation)).Refusal).Action);
    }

    [Fact]
    public async Task Administrator_ThatDoesNotConformToTheBuiltInSchema_IsNotStored()
    {
        var wrong = new Entity(new EntityUid("AuthSidecar::Administrator", "eve"), ValueRecord.Create([new("applications", Value.Of("all"))]), ValueRecord.Empty);
        Assert.IsType<Refusal.Invalid>((await Node.Entities.WriteAsync("test", Anywhere, _ => new EntityChange([(wrong, new Placement("authsidecar", ""))], []), null, Cancellation)).Refusal);
    }

    [Fact]
    public async Task Import_ManyEntities_AllOfThemAndAudited()
    {
        var many = Enumerable.Range(0, 20_000).Select(i => (new Entity(new EntityUid("User", $"user \"{i}\" \u00e9\U0001f600"), ValueRecord.Create([new("n", Value.Of(i))]), ValueRecord.Empty, Reader), new Placement("", ""))).ToList();
        var result = await Node.Entities.WriteAsync("test", Anywhere, _ => new EntityChange(many, []), null, Cancellation);
        Assert.True(result.IsCommitted);
        Assert.Equal(20_000, await Node.Store.ReadAsync((context, _) => context.Entities.CountAsync(e => e.Revision == (long)result.Revision.Number), Cancellation));
        Assert.Equal(20_000, await Node.Store.ReadAsync((context, _) => context.Audit.CountAsync(a => a.Revision == (long)result.Revision.Number && a.Before == null && a.After != null), Cancellation));
        // Read back by a node that knows nothing yet, what is written next is held against all of them.
        Assert.IsType<Refusal.Invalid>((await new TestNode(Node.Database).WriteAsync(Reader, many[19_999].Item1.Uid)).Refusal);
    }
}

public sealed class SqliteEntityWriterTests() : EntityWriterTests(new SqliteTestDatabase());

public sealed class PostgresEntityWriterTests(PostgresServer server) : EntityWriterTests(new PostgresTestDatabase(server));
