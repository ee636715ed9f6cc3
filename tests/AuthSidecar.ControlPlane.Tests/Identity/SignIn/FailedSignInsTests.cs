using System.Data.Common;
using AuthSidecar.ControlPlane.Telemetry;
using AuthSidecar.ControlPlane.Tests.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Identity.SignIn;

public abstract class FailedSignInsTests(TestDatabase database) : SignInTest(database)
{
    [Fact]
    public async Task FailedSignIns_FromManyAddresses_AreAllCounted()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var parts = await StartWithAliceAsync(time);
        parts.Failed.Add("alice", SignInFailure.WrongPassword, "192.0.2.1");
        await parts.Failed.ListAsync("alice", 10, Cancellation);
        time.Advance(TimeSpan.FromMinutes(1));
        for (var i = 0; i < 500; i++)
        {
            parts.Failed.Add("alice", SignInFailure.WrongPassword, $"2001:db8:{i:x}::/64");
        }

        var shown = await parts.Failed.ListAsync("alice", 1_000, Cancellation);
        Assert.Equal(501, shown.Sum(f => f.Count));
        Assert.Equal(22, shown.Count);
        Assert.Contains(shown, f => f is { Address: "", Count: 480 });
        Assert.Contains(shown, f => f.Address == "192.0.2.1");
    }

    [Fact]
    public async Task FailedSignIns_ThatCannotBeSaved_AreSavedLater()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var parts = await StartWithAliceAsync(time);
        await using (var context = Node.Database.Open())
        {
            await context.Database.ExecuteSqlRawAsync("ALTER TABLE failed_sign_ins RENAME TO failed_sign_ins_away", Cancellation);
            parts.Failed.Add("alice", SignInFailure.WrongPassword, "192.0.2.1");
            await Assert.ThrowsAnyAsync<DbException>(() => parts.Failed.ListAsync("alice", 10, Cancellation));
            await context.Database.ExecuteSqlRawAsync("ALTER TABLE failed_sign_ins_away RENAME TO failed_sign_ins", Cancellation);
        }

        parts.Failed.Add("alice", SignInFailure.WrongPassword, "192.0.2.1");
        Assert.Equal(2, (await parts.Failed.ListAsync("alice", 10, Cancellation)).Single().Count);
    }
}

public sealed class SqliteFailedSignInsTests() : FailedSignInsTests(new SqliteTestDatabase());

public sealed class PostgresFailedSignInsTests(PostgresServer server) : FailedSignInsTests(new PostgresTestDatabase(server));
