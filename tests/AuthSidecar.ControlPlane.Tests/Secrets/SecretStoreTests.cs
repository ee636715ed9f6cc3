using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Tests.Testing;
using Microsoft.EntityFrameworkCore;

namespace AuthSidecar.ControlPlane.Tests.Secrets;

public abstract class SecretStoreTests(TestDatabase database) : StoreTest(database)
{
    [Fact]
    public async Task Secrets_OfSeveralNodes_AreTheSame_AndSurviveARotationOfTheMasterKey()
    {
        var masterKeys = Convert.ToBase64String(new byte[32]);
        var vault = new LocalKeyVault("test", () => masterKeys);
        var nodes = Enumerable.Range(0, 4).Select(_ => new SecretStore(new ControlStore(Node.Database, TimeProvider.System), vault)).ToList();
        await Task.WhenAll(nodes.Select(n => n.OpenAsync(Cancellation)));
        Assert.Single(nodes.Select(n => Convert.ToHexString(n.FactorWrappingKey)).Distinct());
        Assert.Single(nodes.Select(n => Convert.ToHexString(n.TokenEncryptionKey)).Distinct());
        Assert.Equal(0, await nodes[0].RewrapAsync(Cancellation));

        // The new one in front, the old one still there; then the old one goes.
        var next = Convert.ToBase64String([.. Enumerable.Repeat((byte)1, 32)]);
        masterKeys = $"{next}\n{masterKeys}\n";
        Assert.Equal(2, await nodes[0].RewrapAsync(Cancellation));
        Assert.Equal(0, await nodes[1].RewrapAsync(Cancellation));
        masterKeys = next;
        var later = new SecretStore(new ControlStore(Node.Database, TimeProvider.System), vault);
        await later.OpenAsync(Cancellation);
        Assert.Equal(nodes[0].TokenEncryptionKey, later.TokenEncryptionKey);
        Assert.Equal(nodes[0].FactorWrappingKey, later.FactorWrappingKey);

        // Without it nothing opens; and nothing in the store has any of it.
        masterKeys = Convert.ToBase64String(new byte[32]);
        await Assert.ThrowsAsync<KeyVaultException>(() => new SecretStore(new ControlStore(Node.Database, TimeProvider.System), vault).OpenAsync(Cancellation));
        var stored = await Node.Store.ReadAsync(async (context, _) =>
            (await context.DataKeys.Select(k => k.Wrapped).ToListAsync()).Concat(await context.Secrets.Select(s => s.Sealed).ToListAsync()).Select(Convert.ToHexString), Cancellation);
        Assert.All(stored, s => Assert.DoesNotContain(Convert.ToHexString(later.FactorWrappingKey), s, StringComparison.Ordinal));
        Assert.All(stored, s => Assert.DoesNotContain(Convert.ToHexString(later.TokenEncryptionKey), s, StringComparison.Ordinal));
    }
}

public sealed class SqliteSecretStoreTests() : SecretStoreTests(new SqliteTestDatabase());

public sealed class PostgresSecretStoreTests(PostgresServer server) : SecretStoreTests(new PostgresTestDatabase(server));
