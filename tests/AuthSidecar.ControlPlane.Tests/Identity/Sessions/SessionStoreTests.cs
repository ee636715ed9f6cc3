using AuthSidecar.ControlPlane.Identity.Grants;
using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Tests.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Identity.Sessions;

public abstract class SessionStoreTests(TestDatabase database) : StoreTest(database)
{
    [Fact]
    public async Task Sessions_OneTooMany_EndsTheOneThatWasLongestNotUsed()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var node = await Node.GrantsAsync(time);
        var begun = new List<(SessionRow Session, string Secret)>();
        for (var i = 0; i < SessionStore.AtOnce; i++)
        {
            begun.Add(await Node.BeginSessionAsync(node.Sessions, "alice", $"browser {i}"));
            time.Advance(TimeSpan.FromMinutes(2));
        }

        // The first one is used now, and so the second one has to go.
        Assert.NotNull(await node.Sessions.FindAsync(begun[0].Secret, Cancellation));
        begun.Add(await Node.BeginSessionAsync(node.Sessions, "alice", "browser 3"));
        Assert.Equal(["browser 3", "browser 2", "browser 0"], (await node.Sessions.ListAsync("alice", Cancellation)).Select(s => s.UserAgent));
        Assert.Equal("limit", (await node.Sessions.FindAsync(begun[1].Secret, Cancellation))!.EndedBecause);
        Assert.Null(await node.Sessions.FindAsync(begun[1].Session.Id, Cancellation));
        Assert.IsType<Refusal.NotFound>((await node.Sessions.EndAsync("test", "bob", begun[0].Session.Id, "test", Cancellation)).Refusal);
        time.Advance(SessionStore.IdleFor);
        Assert.Empty(await node.Sessions.ListAsync("alice", Cancellation));
    }

    [Fact]
    public async Task Session_OfWhoAuthenticatesOnceMore_GoesOnWithWhatWasGrantedInIt()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var (grants, sessions) = await Node.GrantsAsync(time);
        var (session, secret) = await Node.BeginSessionAsync(sessions, "alice");
        var grant = (await grants.TryBeginAsync(GrantStore.NewId(), session.Id, "web", "openid", "key", Cancellation))!.Row;
        time.Advance(TimeSpan.FromMinutes(20));
        Assert.False(sessions.IsFresh(session));
        var (again, newSecret) = await Node.BeginSessionAsync(sessions, "alice", before: session);
        Assert.Equal(session.Id, again.Id);
        Assert.True(sessions.IsFresh(again));
        // What the browser had is nobody's any more.
        Assert.Null(await sessions.FindAsync(secret, Cancellation));
        Assert.Equal(time.GetUtcNow().ToUnixTimeMilliseconds() + (long)SessionStore.LivesFor.TotalMilliseconds, (await sessions.FindAsync(newSecret, Cancellation))!.EndsAtMs);
        var refreshed = (await grants.RefreshAsync(new RefreshToken(grant.Id, 1), "web", "key", isAuthenticated: false, Cancellation)).Grant!;
        // Its tokens say when somebody authenticated for it, and not when they did so for something else.
        Assert.Equal((session.AuthenticatedAtMs, again.AuthenticatedAtMs), (refreshed.Row.AuthenticatedAtMs, refreshed.Session.AuthenticatedAtMs));

        // With somebody elsewhere who says that it was longer ago, or does not say: what is known counts, and nothing is the fresher for it.
        time.Advance(TimeSpan.FromMinutes(11));
        (again, newSecret) = await Node.BeginSessionAsync(sessions, "alice", before: again, at: time.GetUtcNow() - TimeSpan.FromHours(1));
        Assert.False(sessions.IsFresh(again));
        Assert.Equal(time.GetUtcNow() - TimeSpan.FromMinutes(11), DateTimeOffset.FromUnixTimeMilliseconds((await sessions.FindAsync(newSecret, Cancellation))!.AuthenticatedAtMs));
        Assert.False(sessions.IsFresh((await Node.BeginSessionAsync(sessions, "carol", at: time.GetUtcNow() - TimeSpan.FromHours(1))).Session));

        // As somebody else in the same browser, and from one that was ended meanwhile.
        var (bobs, _) = await Node.BeginSessionAsync(sessions, "bob", before: again);
        Assert.NotEqual(again.Id, bobs.Id);
        Assert.Equal("replaced by a new sign-in", (await sessions.FindAsync(newSecret, Cancellation))!.EndedBecause);
        Assert.Null((await grants.RefreshAsync(new RefreshToken(grant.Id, 2), "web", "key", isAuthenticated: false, Cancellation)).Grant);
        Assert.NotEqual(again.Id, (await Node.BeginSessionAsync(sessions, "alice", before: again)).Session.Id);
    }
}

public sealed class SqliteSessionStoreTests() : SessionStoreTests(new SqliteTestDatabase());

public sealed class PostgresSessionStoreTests(PostgresServer server) : SessionStoreTests(new PostgresTestDatabase(server));
