using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Tests.Testing;
using AuthSidecar.ControlPlane.V1;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace AuthSidecar.ControlPlane.Tests.Policies;

public abstract class PolicyPublisherTests(TestDatabase database) : StoreTest(database)
{
    [Fact]
    public async Task Publish_ManyAtOnce_ExactlyOneWinsEachRevision()
    {
        var nodes = Enumerable.Range(0, 4).Select(_ => new TestNode(Node.Database)).ToList();
        var results = await Task.WhenAll(nodes.SelectMany(n => Enumerable.Range(0, 3).Select(_ => n.PublishAsync("permit (principal, action, resource);", default))));
        var winner = Assert.Single(results, r => r.IsCommitted);
        Assert.All(results.Where(r => !r.IsCommitted), r => Assert.Equal(new Refusal.Stale(winner.Revision), r.Refusal));
    }

    [Fact]
    public async Task RollBack_ToAnOldRevision_PublishesItsDocumentsUnderANewOne()
    {
        var first = await Node.PublishAsync("permit (principal, action, resource);", default);
        var second = await Node.PublishAsync("forbid (principal, action, resource);", first.Revision);
        Assert.IsType<Refusal.NotFound>((await Node.Policies.RollBackAsync("test", "app", 99, second.Revision, "", Cancellation)).Refusal);
        var back = await Node.Policies.RollBackAsync("test", "app", (long)first.Revision.Number, second.Revision, "it was better", Cancellation);
        Assert.True(back.Revision > second.Revision);

        var current = (await Node.Policies.FindAsync("app", 0, Cancellation))!;
        Assert.Equal((back.Revision, first.Revision), (Node.Store.At(current.Revision), Node.Store.At(current.RestoredFrom!.Value)));
        Assert.Contains("permit", DocumentSet.Parser.ParseFrom(current.Documents).Documents.Single().Content.ToStringUtf8(), StringComparison.Ordinal);
        Assert.Equal([back.Revision, second.Revision, first.Revision], (await Node.Policies.ListAsync("app", 0, 10, Cancellation)).Select(p => Node.Store.At(p.Revision)));
        Assert.Equal([first.Revision], (await Node.Policies.ListAsync("app", (long)second.Revision.Number, 10, Cancellation)).Select(p => Node.Store.At(p.Revision)));
    }
}

public sealed class SqlitePolicyPublisherTests() : PolicyPublisherTests(new SqliteTestDatabase());

public sealed class PostgresPolicyPublisherTests(PostgresServer server) : PolicyPublisherTests(new PostgresTestDatabase(server));
