using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.Sidecars.Enrolment;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Tests.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace AuthSidecar.ControlPlane.Tests.Store;

/// <summary>Writes and their revisions.</summary>
public abstract class ControlStoreTests(TestDatabase database) : StoreTest(database)
{
    [Fact]
    public async Task Migrate_Again_ChangesNothing()
    {
        await Node.WriteAsync(Alice, Reader);
        await Node.Database.MigrateAsync(Cancellation);
        Assert.Equal(1UL, (await Node.HeadAsync()).Number);
    }

    [Fact]
    public async Task Write_Refused_LeavesNothingBehindAndTakesNoRevision()
    {
        var first = await Node.WriteAsync(Alice, Reader);
        Assert.Equal(1UL, first.Revision.Number);
        // Alice in reader, and reader in alice.
        var refused = await Node.WriteAsync(Reader, Alice);
        Assert.IsType<Refusal.Invalid>(refused.Refusal);
        Assert.Equal(1UL, (await Node.HeadAsync()).Number);
        Assert.Equal(1, await Node.Store.ReadAsync((context, _) => context.Audit.CountAsync(), Cancellation));
        Assert.Equal(2UL, (await Node.WriteAsync(new EntityUid("User", "bob"), Reader)).Revision.Number);
    }

    [Fact]
    public async Task Write_StaleRevision_RefusedWithTheCurrentOne()
    {
        var first = await Node.WriteAsync(Alice, Reader);
        var other = await Node.WriteAsync(new EntityUid("User", "bob"), Reader);
        Assert.Equal(new Refusal.Stale(other.Revision), (await Node.WriteAsync(Alice, Reader, first.Revision)).Refusal);
        Assert.True((await Node.WriteAsync(Alice, Reader, other.Revision)).IsThere);
        // That of a membership is its member's own.
        Assert.Equal(new Refusal.Stale(other.Revision), (await Node.Entities.ChangeMembershipsAsync("test", Anywhere, new("User", "bob"), [], [Reader], first.Revision, Cancellation)).Refusal);
        Assert.True((await Node.Entities.ChangeMembershipsAsync("test", Anywhere, new("User", "bob"), [], [Reader], other.Revision, Cancellation)).IsCommitted);
        Assert.IsType<Refusal.NotFound>((await Node.Entities.ChangeMembershipsAsync("test", Anywhere, new("User", "carol"), [], [], null, Cancellation)).Refusal);
    }

    /// <summary>A directory is imported every night, and most of it is as it was: what changes nothing is not written, not audited, and nobody hears of it.</summary>
    [Fact]
    public async Task Write_ThatChangesNothing_TakesNoRevision_AndAnswersTheNewestThereIs()
    {
        var first = await Node.WriteAsync(Alice, Reader);
        var issuer = await Node.WriteEntryAsync("issuer", "1", expectedRevision: null);
        var audited = await AuditedAsync();
        foreach (var again in new[]
        {
            await Node.WriteAsync(Alice, Reader),
            await new TestNode(Node.Database).WriteAsync(Alice, Reader),
            await Node.Entities.ChangeMembershipsAsync("test", Anywhere, Alice, [Reader], [new("Role", "other")], null, Cancellation),
            await Node.Entities.WriteAsync("test", Anywhere, _ => new EntityChange([], [new("User", "nobody")]), null, Cancellation),
            await Node.WriteEntryAsync("issuer", "1", expectedRevision: null),
        })
        {
            // The revision at which it came to be so, which sidecars have.
            Assert.Equal((false, true, true), (again.IsCommitted, again.IsThere, again.Revision == first.Revision || again.Revision == issuer.Revision));
        }

        Assert.Equal((issuer.Revision, audited), (await Node.HeadAsync(), await AuditedAsync()));
        // Of a write of which some changes something, that alone is written.
        var some = await Node.Entities.WriteAsync(
            "test",
            Anywhere,
            _ => new EntityChange([(new Entity(Alice, ValueRecord.Empty, ValueRecord.Empty, Reader), new Placement("", "")), (new Entity(new EntityUid("User", "bob"), ValueRecord.Empty, ValueRecord.Empty, Reader), new Placement("", ""))], []),
            null,
            Cancellation);
        Assert.Equal(audited + 1, await AuditedAsync());
        Assert.Equal([first.Revision, some.Revision], await Node.Store.ReadAsync(async (context, _) => (await context.Entities.OrderBy(e => e.Id).ToListAsync()).Select(e => Node.Store.At(e.Revision)), Cancellation));

        Task<int> AuditedAsync() => Node.Store.ReadAsync((context, _) => context.Audit.CountAsync(), Cancellation);
    }

    /// <summary>What is lost stays so however far the old history goes on: sign-ins take revisions too, and passing a number is no confirmation.</summary>
    [Fact]
    public async Task Lost_UntilANewHistoryBegins_HoweverManyRevisionsFollow()
    {
        await Node.WriteAsync(Alice, Reader);
        var head = await Node.HeadAsync();
        Assert.Null((await Node.Store.LookAsync(Cancellation)).Lost);
        await Node.Store.NoteLostAsync(head.At(3), Cancellation);
        for (var i = 0; i < 5; i++)
        {
            await Node.Store.WriteAsync("test", _ => Task.FromResult<Refusal?>(null), Cancellation);
        }

        await Node.Store.NoteLostAsync(head.At(2), Cancellation);
        var there = await new TestNode(Node.Database).Store.LookAsync(Cancellation);
        Assert.Equal((head.At(3), head, 6UL), (there.Lost, there.Certain, there.Revision.Number));
        Assert.True((await Node.Store.BeginHistoryAsync("test", head.History, Cancellation)).IsCommitted);
        there = await Node.Store.LookAsync(Cancellation);
        Assert.Null(there.Lost);
        Assert.Equal(there.Revision, there.Certain);
        Assert.True(there.Revision > head.At(1_000));
    }

    /// <summary>PostgreSQL cannot store it, and what SQLite stores is what a move to PostgreSQL loses.</summary>
    [Fact]
    public async Task Text_WithANullCharacter_IsRefusedWhereverItIsLookedUpOrWritten()
    {
        var id = "a\0b";
        await Assert.ThrowsAsync<NullCharacterException>(() => Node.Store.ReadAsync((context, _) => context.JoinTokens.AnyAsync(t => t.Id == id, Cancellation), Cancellation));
        await Assert.ThrowsAsync<NullCharacterException>(() => Node.Store.ReadAsync((context, _) => context.JoinTokens.Where(t => t.Id == id).ExecuteDeleteAsync(Cancellation), Cancellation));
        Assert.True(NullCharacterException.IsIn(await Record.ExceptionAsync(() => Node.Store.WriteAsync(
            "test",
            transaction =>
            {
                transaction.Audit("test", id, Placement.ControlPlane, before: null, after: null);
                return Task.FromResult<Refusal?>(null);
            },
            Cancellation))));
    }
}

public sealed class SqliteControlStoreTests() : ControlStoreTests(new SqliteTestDatabase());

public sealed class PostgresControlStoreTests(PostgresServer server) : ControlStoreTests(new PostgresTestDatabase(server));
