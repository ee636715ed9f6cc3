using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Sidecars.Fleet;
using AuthSidecar.ControlPlane.Sidecars.Sync;
using AuthSidecar.ControlPlane.Sidecars.Trust;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Tests.Testing;
using AuthSidecar.ControlPlane.V1;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Sidecars.Sync;

/// <summary>What sidecars are sent.</summary>
public abstract class UpdateBuilderTests(TestDatabase database) : StoreTest(database)
{
    /// <summary>What a sidecar lacks: of its application and tenant, newer than what it has, in full or as a change.</summary>
    [Fact]
    public async Task UnsignedBundles_OfEntries_ChangesForThoseWhoHaveSomeAndOnlyWhatConcernsThem()
    {
        var factors = await Node.WriteFactorsAsync("User::\"alice\"", "", "totp");
        await Node.WriteFactorsAsync("User::\"alice\"", "acme", "own");
        await Node.WriteFactorsAsync("User::\"bob\"", "globex", "totp");
        var last = await Node.WriteFactorsAsync("User::\"carol\"", "acme", "totp");

        var all = Assert.Single(await Node.ReadUnsignedAsync("acme", default));
        Assert.Equal((DataType.Factors, last.Revision, 0L), (all.Type, Node.Store.At(all.Revision), all.BaseRevision));
        Assert.Equal(["own", "totp", "totp"], FactorsOf(all));
        Assert.Equal(32, all.Documents["factors.key"].Length);

        var removed = await Node.Entries.RemoveAsync("test", "factors.remove", new EntryKey(DataType.Factors, "User::\"alice\"", new Placement("", "acme")), "it", null, Cancellation);
        var change = Assert.Single(await Node.ReadUnsignedAsync("acme", default(RevisionVector).With(DataType.Factors, (long)last.Revision.Number)));
        Assert.Equal((removed.Revision, last.Revision), (Node.Store.At(change.Revision), Node.Store.At(change.BaseRevision)));
        // Hers for all tenants is told again, and so she is not among those who have none.
        Assert.Equal(["totp"], FactorsOf(change));
        Assert.Empty(change.Removed);

        await Node.Entries.RemoveAsync("test", "factors.remove", new EntryKey(DataType.Factors, "User::\"carol\"", new Placement("", "acme")), "it", null, Cancellation);
        change = Assert.Single(await Node.ReadUnsignedAsync("acme", default(RevisionVector).With(DataType.Factors, (long)removed.Revision.Number)));
        Assert.Equal(["User::\"carol\""], change.Removed);
        // What happens to another tenant is none of its business.
        Assert.Empty(await Node.ReadUnsignedAsync("acme", default(RevisionVector).With(DataType.Factors, change.Revision)));
        Assert.True(factors.IsCommitted);

        static IEnumerable<string> FactorsOf(UnsignedBundle bundle) =>
            System.Text.Json.JsonDocument.Parse(bundle.Documents["factors.json"]).RootElement.GetProperty("factors").EnumerateArray().Select(f => f.GetProperty("id").GetString()!).Order(StringComparer.Ordinal);
    }

    /// <summary>What is shared is signed, and signatures run out: whoever comes a day later gets another.</summary>
    [Fact]
    public async Task Updates_SharedBetweenSidecars_ForAWhileAlone()
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var published = await Node.PublishAsync("permit (principal, action, resource);", default);
        var secrets = new SecretStore(Node.Store, new LocalKeyVault("test", () => Convert.ToBase64String(new byte[32])));
        await secrets.OpenAsync(Cancellation);
        var trust = new TrustRing(Node.Store, secrets, time);
        await trust.OpenAsync(Cancellation);
        var updates = new UpdateBuilder(Node.Store, new UnsignedBundleReader(secrets, time), trust, time);
        var head = await Node.HeadAsync();
        var first = await updates.BuildAsync(new Placement("app", ""), default, head);
        Assert.Same(first, await updates.BuildAsync(new Placement("app", ""), default, head));
        time.Advance(TimeSpan.FromHours(25));
        var later = Bundle.Parser.ParseFrom(Assert.Single((await updates.BuildAsync(new Placement("app", ""), default, head)).Bundles).Content);
        Assert.True(later.ExpiresAt.ToDateTimeOffset() > time.GetUtcNow());

        // Whoever has something of another history gets everything, and is told of what there is nothing of that there is nothing.
        var held = RevisionVector.Types.Aggregate(default(RevisionVector), (all, type) => all.With(type, RevisionVector.OfAnotherHistory));
        var anew = await updates.BuildAsync(new Placement("app", ""), held, head);
        Assert.Equal(published.Revision, Node.Store.At(anew.Current[DataType.Policies]));
        Assert.Equal(RevisionVector.Types, anew.Bundles.Select(b => Bundle.Parser.ParseFrom(b.Content)).Where(b => b.BaseRevision.Length == 0).Select(b => b.Type));
    }
}

public sealed class SqliteUpdateBuilderTests() : UpdateBuilderTests(new SqliteTestDatabase());

public sealed class PostgresUpdateBuilderTests(PostgresServer server) : UpdateBuilderTests(new PostgresTestDatabase(server));
