using AuthSidecar.ControlPlane.Identity.Providers;
using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.Identity.SignIn;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Tests.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Account = AuthSidecar.ControlPlane.Identity.Account;

namespace AuthSidecar.ControlPlane.Tests.Identity.Accounts;

public abstract class ProviderLoginsTests(TestDatabase database) : StoreTest(database)
{
    [Fact]
    public async Task IdentityProviderLogins_OfOneAtOnce_AreOneAccount_AndNobodyElses()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var (accounts, _, logins) = await Node.AccountsAsync(time);
        var jane = new ProviderIdentity("https://provider.example", "1", "Jane", "alice@example.com", IsEmailVerified: false, Organization: "", null);
        var made = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => logins.TryCreateAsync(jane, Cancellation)));
        var account = Assert.Single(made.OfType<Account>());
        Assert.Equal(account.Id, (await logins.FindAsync(jane, Cancellation))!.Id);
        Assert.False((await logins.FindAsync(jane, Cancellation))!.EmailConfirmed);
        // The same name of another provider, another name of the same, and the same but for its case are others.
        foreach (var other in new[] { jane with { Issuer = "https://other.example" }, jane with { Subject = "2" }, jane with { Issuer = "https://PROVIDER.example" } })
        {
            Assert.Null(await logins.FindAsync(other, Cancellation));
        }

        var (_, sessions) = await Node.GrantsAsync(time);
        var (alice, _) = await Node.BeginSessionAsync(sessions, "alice");
        Assert.IsType<Refusal.AlreadyThere>((await logins.LinkAsync(alice, jane, Cancellation)).Refusal);
        var second = jane with { Subject = "2" };
        var linked = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => logins.LinkAsync(alice, second, Cancellation)));
        Assert.Single(linked, l => l.IsCommitted);
        Assert.Equal("alice", (await logins.FindAsync(second, Cancellation))!.Id);

        // Another's is not theirs to take away; their own is, and every other session ends with it.
        var (elsewhere, _) = await Node.BeginSessionAsync(sessions, "alice");
        Assert.IsType<Refusal.NotFound>((await logins.UnlinkAsync(alice, jane.Issuer, jane.Subject, Cancellation)).Refusal);
        var signingIn = (await logins.FindAsync(second, Cancellation))!;
        Assert.True((await logins.UnlinkAsync(alice, second.Issuer, second.Subject, Cancellation)).IsCommitted);
        // Whoever was on their way in by it is not let in any more.
        Assert.Null(await sessions.TryBeginAsync(signingIn, new Authentication("fed", "", "", null), before: null, Cancellation));
        Assert.NotEqual(SignInService.DigestOf(signingIn), SignInService.DigestOf((await accounts.FindAsync("alice", Cancellation))!));
        Assert.Equal([alice.Id], (await sessions.ListAsync("alice", Cancellation)).Select(s => s.Id));
        await sessions.EndAsync("test", "alice", alice.Id, "test", Cancellation);
        Assert.IsType<Refusal.NotFound>((await logins.LinkAsync(alice, second, Cancellation)).Refusal);
        await accounts.RemoveAsync("test", account.Id, Cancellation);
        Assert.Null(await logins.FindAsync(jane, Cancellation));
    }
}

public sealed class SqliteProviderLoginsTests() : ProviderLoginsTests(new SqliteTestDatabase());

public sealed class PostgresProviderLoginsTests(PostgresServer server) : ProviderLoginsTests(new PostgresTestDatabase(server));
