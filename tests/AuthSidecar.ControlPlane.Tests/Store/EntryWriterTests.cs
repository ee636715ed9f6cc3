using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Tests.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace AuthSidecar.ControlPlane.Tests.Store;

public abstract class EntryWriterTests(TestDatabase database) : StoreTest(database)
{
    [Fact]
    public async Task Entry_WrittenReplacedAndRemoved_EachWithItsRevisionAndATombstone()
    {
        var first = await Node.WriteEntryAsync("issuer", "1", expectedRevision: default(Revision));
        Assert.Equal(new Refusal.Stale(first.Revision), (await Node.WriteEntryAsync("issuer", "2", expectedRevision: default(Revision))).Refusal);
        var second = await Node.WriteEntryAsync("issuer", "2", first.Revision);
        var row = (await Node.Entries.FindAsync(TestNode.Key("issuer"), Cancellation))!;
        Assert.Equal((second.Revision, "2", false), (Node.Store.At(row.Revision), row.Json, row.IsRemoved));
        var removed = await Node.Entries.RemoveAsync("test", "keys.remove", TestNode.Key("issuer"), "it", null, Cancellation);
        Assert.True(removed.IsCommitted);
        Assert.Null(await Node.Entries.FindAsync(TestNode.Key("issuer"), Cancellation));
        Assert.Equal(new Refusal.NotFound("it"), (await Node.Entries.RemoveAsync("test", "keys.remove", TestNode.Key("issuer"), "it", null, Cancellation)).Refusal);
        // One that is written again where its tombstone is.
        var again = await Node.WriteEntryAsync("issuer", "3", expectedRevision: default(Revision));
        Assert.Equal("3", (await Node.Entries.FindAsync(TestNode.Key("issuer"), Cancellation))!.Json);
        Assert.Equal(
            [(first.Revision, null, "1"), (second.Revision, "1", "2"), (removed.Revision, "2", null), (again.Revision, null, "3")],
            await Node.Store.ReadAsync(async (context, _) => (await context.Audit.OrderBy(a => a.Revision).ToListAsync()).Select(a => (Node.Store.At(a.Revision), a.Before, a.After)), Cancellation));
    }
}

public sealed class SqliteEntryWriterTests() : EntryWriterTests(new SqliteTestDatabase());

public sealed class PostgresEntryWriterTests(PostgresServer server) : EntryWriterTests(new PostgresTestDatabase(server));
