using System.Security.Cryptography;
using AuthSidecar.ControlPlane.Identity.Grants;
using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.Tests.Testing;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Identity.Grants;

public abstract class GrantStoreTests(TestDatabase database) : StoreTest(database)
{
    /// <summary>Who refreshes, who refreshes as well, and who ends it, in whatever order they come: from two nodes, thousands of times.</summary>
    [Fact]
    public async Task Grants_RefreshedAndEndedAtOnce_NeverTwoSuccessorsNorOneThatOutlivesItsEnd()
    {
        const int Rounds = 1_500;
        var nodes = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => new TestNode(Node.Database).GrantsAsync(TimeProvider.System)));
        for (var round = 0; round < Rounds; round++)
        {
            var (session, _) = await Node.BeginSessionAsync(nodes[0].Sessions, $"account-{round}");
            var grant = await nodes[0].Grants.TryBeginAsync(GrantStore.NewId(), session.Id, "web", "openid", "key", Cancellation);
            var token = nodes[0].Grants.ReadToken(nodes[0].Grants.TokenOf(grant!.Row))!;
            var how = round % 3;
            var delays = Enumerable.Range(0, 4).Select(_ => RandomNumberGenerator.GetInt32(20_000)).ToArray();
            var refreshes = Enumerable.Range(0, 3).Select(i => Task.Run(async () =>
            {
                Spin(delays[i]);
                var (refreshed, failure) = await nodes[i % 2].Grants.RefreshAsync(token, "web", "key", isAuthenticated: false, Cancellation);
                return (Token: refreshed is null ? null : nodes[i % 2].Grants.TokenOf(refreshed.Row), failure);
            })).ToArray();
            var end = Task.Run(async () =>
            {
                Spin(delays[3]);
                return how switch
                {
                    1 => (await nodes[1].Grants.EndAsync("test", grant.Row.Id, "test", Cancellation)).IsCommitted,
                    2 => (await nodes[1].Sessions.EndAsync("test", session.AccountId, session.Id, "test", Cancellation)).IsCommitted,
                    _ => false,
                };
            });
            var results = await Task.WhenAll(refreshes);
            var ended = await end;
            Assert.Equal(how > 0, ended);

            // However many there were: one successor, and the same for all.
            var successors = results.Select(r => r.Token).OfType<string>().Distinct().ToList();
            Assert.True(successors.Count <= 1);
            Assert.DoesNotContain(results, r => r.failure == RefreshFailure.Reused);
            Assert.Equal(how == 0 ? 3 : results.Count(r => r.Token is not null), results.Count(r => r.Token is not null));
            foreach (var successor in successors)
            {
                var (again, _) = await nodes[0].Grants.RefreshAsync(nodes[0].Grants.ReadToken(successor)!, "web", "key", isAuthenticated: false, Cancellation);
                Assert.Equal(!ended, again is not null);
            }

            Assert.Null((await nodes[0].Grants.RefreshAsync(token, "web", "key", isAuthenticated: false, Cancellation)).Grant);
        }

        static void Spin(int times) => Thread.SpinWait(times);
    }

    [Fact]
    public async Task Grants_WithAnotherKeyClientOrTooLate_BuyNothing_AndReuseEndsThem()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var node = await Node.GrantsAsync(time);
        var (session, _) = await Node.BeginSessionAsync(node.Sessions, "alice");
        var first = node.Grants.ReadToken(await BeginAsync())!;
        Assert.Equal(RefreshFailure.Unknown, (await RefreshAsync(first, key: "other")).Failure);
        Assert.Equal(RefreshFailure.Unknown, (await RefreshAsync(first, key: "")).Failure);
        Assert.Equal(RefreshFailure.Unknown, (await RefreshAsync(first, client: "other")).Failure);
        Assert.Equal(RefreshFailure.Unknown, (await RefreshAsync(first with { GrantId = "none" })).Failure);
        Assert.Equal(RefreshFailure.Ended, (await RefreshAsync(first with { Generation = 2 })).Failure);
        var second = node.Grants.ReadToken(node.Grants.TokenOf((await RefreshAsync(first)).Grant!.Row))!;
        time.Advance(GrantStore.RetryWithin);
        Assert.Equal(second.Generation, (await RefreshAsync(first)).Grant!.Row.Generation);
        time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.Equal(RefreshFailure.Reused, (await RefreshAsync(first)).Failure);
        Assert.Equal(RefreshFailure.Ended, (await RefreshAsync(second)).Failure);

        // It lives as long as its session is used, and no longer than that may last.
        var token = node.Grants.ReadToken(await BeginAsync())!;
        for (var used = TimeSpan.Zero; used < SessionStore.LivesFor - SessionStore.IdleFor; used += SessionStore.IdleFor / 2)
        {
            time.Advance(SessionStore.IdleFor / 2);
            token = node.Grants.ReadToken(node.Grants.TokenOf((await RefreshAsync(token)).Grant!.Row))!;
        }

        time.Advance(SessionStore.IdleFor / 2);
        time.Advance(SessionStore.IdleFor / 2);
        Assert.Equal(RefreshFailure.Ended, (await RefreshAsync(token)).Failure);
        (session, _) = await Node.BeginSessionAsync(node.Sessions, "alice");
        token = node.Grants.ReadToken(await BeginAsync())!;
        time.Advance(SessionStore.IdleFor);
        Assert.Equal(RefreshFailure.Ended, (await RefreshAsync(token)).Failure);
        // Altered, or of another control plane.
        var text = node.Grants.TokenOf((await node.Grants.FindAsync(token.GrantId, Cancellation))!);
        Assert.Null(node.Grants.ReadToken(text[..^1] + (text[^1] == 'A' ? 'B' : 'A')));
        Assert.Null(RefreshToken.TryRead(text, new byte[32]));
        Assert.Null(node.Grants.ReadToken(text.Replace(".1.", ".2.", StringComparison.Ordinal)));

        async Task<string> BeginAsync() => node.Grants.TokenOf((await node.Grants.TryBeginAsync(GrantStore.NewId(), session.Id, "web", "openid", "key", Cancellation))!.Row);

        Task<(Grant? Grant, RefreshFailure Failure)> RefreshAsync(RefreshToken of, string client = "web", string key = "key") =>
            node.Grants.RefreshAsync(of, client, key, isAuthenticated: false, Cancellation);
    }
}

public sealed class SqliteGrantStoreTests() : GrantStoreTests(new SqliteTestDatabase());

public sealed class PostgresGrantStoreTests(PostgresServer server) : GrantStoreTests(new PostgresTestDatabase(server));
