using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Identity.Accounts;
using AuthSidecar.ControlPlane.Identity.SignIn;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Tests.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Identity.Accounts;

public abstract class AccountDirectoryTests(TestDatabase database) : SignInTest(database)
{
    [Fact]
    public async Task Account_Removed_LeavesNothingToTheNextOfItsId()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var parts = await StartWithAliceAsync(time);
        var subject = new EntityUid("User", "alice");
        var (backup, _) = FactorEnrolment.NewBackupCodes(subject, "paper");
        foreach (var placement in new[] { new Placement("", ""), new Placement("documents", "acme") })
        {
            await Node.Entries.WriteAsync("test", "factors.enrol", new EntryKey(DataType.Factors, subject.ToString(), placement), _ => (new EntryChange(FactorEntry.WriteAll([backup])), null), null, Cancellation);
        }

        await parts.Attempts.RememberAsync("alice", secret: null, Cancellation);
        await parts.Resets.CreateAsync("test", "alice", TimeSpan.FromHours(1), Cancellation);
        await TryAsync(parts, "wrong", Here);
        await parts.Failed.ListAsync("alice", 1, Cancellation);
        Assert.True((await parts.Accounts.RemoveAsync("test", "alice", Cancellation)).IsCommitted);
        Assert.Equal(0, await CountAsync(c => c.Entries.CountAsync(r => r.Type == DataType.Factors && !r.IsRemoved, Cancellation)));
        Assert.Equal(0, await CountAsync(c => c.KnownBrowsers.CountAsync(Cancellation)));
        Assert.Equal(0, await CountAsync(c => c.ResetLinks.CountAsync(Cancellation)));
        Assert.Equal(0, await CountAsync(c => c.FailedSignIns.CountAsync(Cancellation)));
        Assert.Equal(0, await CountAsync(c => c.Attempts.CountAsync(a => a.AccountId == "alice", Cancellation)));
    }

    [Fact]
    public async Task ResetLink_IsGoodOnceAndUntilItExpires()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var parts = await StartWithAliceAsync(time);
        Assert.IsType<Refusal.NotFound>((await parts.Resets.CreateAsync("test", "nobody", TimeSpan.FromHours(1), Cancellation)).Result.Refusal);
        var old = await parts.Resets.CreateAsync("test", "alice", TimeSpan.FromHours(1), Cancellation);
        var link = await parts.Resets.CreateAsync("test", "alice", TimeSpan.FromHours(1), Cancellation);
        Assert.Null(await parts.Resets.FindAsync(old.Code, Cancellation));
        Assert.IsType<Refusal.Invalid>((await parts.Resets.UseAsync(link.Code, "short", Cancellation)).Refusal);
        // At once from many sides: one of them.
        var used = await Task.WhenAll(Enumerable.Range(0, 4).Select(i => parts.Resets.UseAsync(link.Code, $"walk number {i} along the Vltava", Cancellation)));
        Assert.Equal((1, 3), (used.Count(r => r.IsCommitted), used.Count(r => r.Refusal is Refusal.NotFound)));
        Assert.Equal(SignInOutcome.Refused, await TryAsync(parts, Walk, Here));
        var late = await parts.Resets.CreateAsync("test", "alice", TimeSpan.FromHours(1), Cancellation);
        time.Advance(TimeSpan.FromHours(1));
        Assert.IsType<Refusal.NotFound>((await parts.Resets.UseAsync(late.Code, Walk, Cancellation)).Refusal);
    }
}

public sealed class SqliteAccountDirectoryTests() : AccountDirectoryTests(new SqliteTestDatabase());

public sealed class PostgresAccountDirectoryTests(PostgresServer server) : AccountDirectoryTests(new PostgresTestDatabase(server));
