using AuthSidecar.ControlPlane.Identity;
using AuthSidecar.ControlPlane.Identity.SignIn;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Testing;

/// <summary>A test with an account, `alice`, whose password is <see cref="Walk"/>.</summary>
public abstract class SignInTest(TestDatabase database) : StoreTest(database)
{
    private protected const string Walk = "a long walk along the Vltava";

    private protected static readonly AttemptSource Here = new("192.0.2.1", "192.0.2.1");

    private protected async Task<TestNode.AccountParts> StartWithAliceAsync(FakeTimeProvider time)
    {
        var parts = await Node.AccountPartsAsync(time);
        Assert.True((await parts.Accounts.WriteAsync("test", "alice", _ => new AccountProfile("alice", "alice", "", "", IsDisabled: false), Walk, null, Cancellation)).IsCommitted);
        return parts;
    }

    private protected static async Task<SignInOutcome> TryAsync(TestNode.AccountParts parts, string password, AttemptSource source) => (await parts.SignIn.TryAsync("alice", password, source, Cancellation)).Outcome;
}
