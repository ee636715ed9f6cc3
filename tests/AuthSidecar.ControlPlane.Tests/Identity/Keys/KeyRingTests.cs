using System.Text;
using AuthSidecar.ControlPlane.Identity.Keys;
using AuthSidecar.ControlPlane.Tests.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using OpenIddict.Server;

namespace AuthSidecar.ControlPlane.Tests.Identity.Keys;

public abstract class KeyRingTests(TestDatabase database) : StoreTest(database)
{
    [Fact]
    public async Task SigningKeys_ByTheCalendar_AreAnnouncedSignAndGo()
    {
        var start = DateTimeOffset.UnixEpoch.AddYears(56);
        var time = new FakeTimeProvider(start);
        var rings = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => new TestNode(Node.Database).KeyRingAsync(time)));
        var first = Assert.Single(rings[0].Current.Keys).KeyId;
        Assert.All(rings, r => Assert.Equal(first, r.Current.Signing));

        async Task<(int Keys, string Signing)> AtAsync(TimeSpan age)
        {
            time.SetUtcNow(start + age);
            await Task.WhenAll(rings.Select(r => r.OpenAsync(Cancellation)));
            Assert.Single(rings.Select(r => (r.Current.Keys.Count, r.Current.Signing)).Distinct());
            return (rings[0].Current.Keys.Count, rings[0].Current.Signing);
        }

        var announced = KeyRing.SignsFor - KeyRing.AnnouncedFor;
        Assert.Equal((1, first), await AtAsync(announced - TimeSpan.FromSeconds(1)));
        Assert.Equal((2, first), await AtAsync(announced));
        var second = rings[0].Current.Keys[0];
        Assert.Equal(start + KeyRing.SignsFor, second.SignsFrom);
        Assert.Equal((2, first), await AtAsync(KeyRing.SignsFor - TimeSpan.FromSeconds(1)));
        Assert.Equal((2, second.KeyId), await AtAsync(KeyRing.SignsFor));
        Assert.Equal((2, second.KeyId), await AtAsync(KeyRing.SignsFor + KeyRing.KeptFor - TimeSpan.FromSeconds(1)));
        Assert.Equal((1, second.KeyId), await AtAsync(KeyRing.SignsFor + KeyRing.KeptFor));
        // Away for a year: the next one signs at once.
        var (keys, signing) = await AtAsync(TimeSpan.FromDays(500));
        Assert.Equal((2, false), (keys, signing == second.KeyId));
    }

    [Theory]
    [InlineData(false, 2)]
    [InlineData(true, 1)]
    public async Task SigningKeys_RotatedOutOfTurn_NewOneSignsAndSidecarsAreTold(bool revoke, int left)
    {
        var ring = await Node.KeyRingAsync(TimeProvider.System);
        var (before, token) = (ring.Current.Signing, ((IOptionsChangeTokenSource<OpenIddictServerOptions>)ring).GetChangeToken());
        Assert.True((await ring.RotateAsync("test", revoke, Cancellation)).IsCommitted);
        Assert.NotEqual(before, ring.Current.Signing);
        Assert.Equal((left, !revoke), (ring.Current.Keys.Count, ring.Current.Keys.Any(k => k.KeyId == before)));
        Assert.True(token.HasChanged);
        var options = new OpenIddictServerOptions();
        ring.Configure(options);
        Assert.Equal(ring.Current.Signing, options.SigningCredentials[0].Kid);

        var unsigned = Assert.Single(await Node.ReadUnsignedAsync("", default), d => d.Type == DataType.Keys);
        Assert.Contains("\"audiences\":[\"app\"]", Encoding.UTF8.GetString(unsigned.Documents["issuers.json"]), StringComparison.Ordinal);
        var jwks = Encoding.UTF8.GetString(unsigned.Documents["keys/0.jwks.json"]);
        Assert.Equal(!revoke, jwks.Contains(before, StringComparison.Ordinal));
        Assert.Contains(ring.Current.Signing, jwks, StringComparison.Ordinal);
        Assert.DoesNotContain("\"d\"", jwks, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Issuer_OfAnotherNameThanTheOthers_RefusedUntilItReplacesTheirs()
    {
        var ring = await Node.KeyRingAsync(TimeProvider.System);
        await Assert.ThrowsAsync<InvalidDataException>(() => new TestNode(Node.Database).KeyRingAsync(TimeProvider.System, "https://other.test"));
        await Node.WriteEntryAsync("https://taken.test/", "{}", expectedRevision: default(Revision));
        await Assert.ThrowsAsync<InvalidDataException>(() => new TestNode(Node.Database).KeyRingAsync(TimeProvider.System, "https://taken.test", replaceIssuer: true));
        await Node.Entries.RemoveAsync("test", "keys.remove", TestNode.Key("https://taken.test/"), "it", null, Cancellation);
        Assert.False(Node.Lifetime.ApplicationStopping.IsCancellationRequested);

        var replaced = await new TestNode(Node.Database).KeyRingAsync(TimeProvider.System, "https://other.test", replaceIssuer: true);
        Assert.Equal(ring.Current.Signing, replaced.Current.Signing);
        Assert.Equal(["https://control.test/ False", "https://other.test/ True"], await Node.Store.ReadAsync(
            async (context, _) => (await context.Entries.Where(r => r.Type == DataType.Keys && r.Application == "").OrderBy(r => r.Key).ToListAsync()).Select(r => $"{r.Key} {!r.IsRemoved}"), Cancellation));
        // The node of before notices as soon as it looks, and issues nothing more.
        await ring.RotateAsync("test", revoke: false, Cancellation);
        Assert.True(Node.Lifetime.ApplicationStopping.IsCancellationRequested);
    }
}

public sealed class SqliteKeyRingTests() : KeyRingTests(new SqliteTestDatabase());

public sealed class PostgresKeyRingTests(PostgresServer server) : KeyRingTests(new PostgresTestDatabase(server));
