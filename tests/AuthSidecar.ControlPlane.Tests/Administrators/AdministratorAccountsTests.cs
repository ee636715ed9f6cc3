using AuthSidecar.ControlPlane.Administrators;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Tests.Testing;
using AuthSidecar.ControlPlane.V1;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Administrators;

public abstract class AdministratorAccountsTests(TestDatabase database) : StoreTest(database)
{
    private const string Jwks = """{"keys": [{"kid": "one"}]}""";

    [Fact]
    public async Task Bootstrap_CodeUsedTwiceLateOrWrong_MakesOneOwnerAndNoOther()
    {
        var time = new FakeTimeProvider(DateTimeOffset.UnixEpoch.AddYears(56));
        var administrators = Node.Administrators(time);
        var late = await administrators.TryCreateCodeAsync(previous: null, Cancellation);
        time.Advance(AdministratorAccounts.CodeLifetime);
        Assert.Null(await administrators.TryBootstrapAsync(late!, "alice", Jwks, Cancellation));
        var (code, other) = (await administrators.TryCreateCodeAsync(previous: null, Cancellation), await Node.Administrators(time).TryCreateCodeAsync(previous: null, Cancellation));
        Assert.Null(await administrators.TryBootstrapAsync(code![..^1] + (code[^1] == '0' ? '1' : '0'), "alice", Jwks, Cancellation));

        // Two codes of two nodes, used by many at once.
        var results = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => new TestNode(Node.Database).Administrators(time).TryBootstrapAsync(i % 2 == 0 ? code : other!, $"alice{i}", Jwks, Cancellation)));
        Assert.Single(results, r => r is { IsCommitted: true });
        Assert.Equal(["owner"], Assert.Single(await administrators.ListAsync(Cancellation)).Roles);
        Assert.Null(await administrators.TryCreateCodeAsync(previous: null, Cancellation));
    }

    [Fact]
    public async Task Administrator_KeyReplacedOrRemoved_TokensOfBeforeAreRevoked()
    {
        var administrators = Node.Administrators(TimeProvider.System);
        await Node.KeyRingAsync(TimeProvider.System);
        Task<WriteResult> WriteAsync(string jwks, string role, Revision? expected = null) =>
            administrators.WriteAsync("test", "bob", _ => new Administrator { Name = "bob", Jwks = jwks, Roles = { role }, Applications = { "documents" }, Tenants = { "acme" } }, expected, Cancellation);
        Task<long> RevokedAsync() => Node.Store.ReadAsync(
            async (context, _) => await context.Entries.Where(r => r.Type == DataType.Revocations && r.Application == "authsidecar").MaxAsync(r => (long?)r.Revision, Cancellation) ?? 0, Cancellation);

        var first = await WriteAsync(Jwks, "auditor", expected: default(Revision));
        Assert.Equal(new Refusal.Stale(first.Revision), (await WriteAsync(Jwks, "auditor", expected: default(Revision))).Refusal);
        await WriteAsync(Jwks, "operator");
        Assert.Equal(0, await RevokedAsync());
        var rekeyed = await WriteAsync("""{"keys": []}""", "operator");
        Assert.Equal(rekeyed.Revision, Node.Store.At(await RevokedAsync()));
        var listed = Assert.Single(await administrators.ListAsync(Cancellation));
        Assert.Equal(("bob", "operator", "documents", "acme"), (listed.Name, listed.Roles.Single(), listed.Applications.Single(), listed.Tenants.Single()));

        var removed = await administrators.RemoveAsync("test", "bob", Cancellation);
        Assert.Equal(removed.Revision, Node.Store.At(await RevokedAsync()));
        Assert.Empty(await administrators.ListAsync(Cancellation));
        Assert.Equal(0, await Node.Store.ReadAsync((context, _) => context.Clients.CountAsync(), Cancellation));
        Assert.Equal(new Refusal.NotFound("administrator `bob`"), (await administrators.RemoveAsync("test", "bob", Cancellation)).Refusal);
    }
}

public sealed class SqliteAdministratorAccountsTests() : AdministratorAccountsTests(new SqliteTestDatabase());

public sealed class PostgresAdministratorAccountsTests(PostgresServer server) : AdministratorAccountsTests(new PostgresTestDatabase(server));
