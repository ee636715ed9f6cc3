using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.Hosting;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Sidecars.Trust;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Tests.Testing;
using AuthSidecar.ControlPlane.V1;
using AuthSidecar.Testing;
using Google.Protobuf.WellKnownTypes;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Sidecars.Trust;

public abstract class TrustRingTests(TestDatabase database) : StoreTest(database)
{
    [Fact]
    public async Task TrustAnchors_OfSeveralNodesThatBeginAtOnce_AreTheSame()
    {
        var nodes = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => OpenTrustAsync(new FakeTimeProvider(TimeProvider.System.GetUtcNow()))));
        Assert.Single(nodes.Select(n => n.Current.KeySet).Distinct());
        Assert.Single(nodes.Select(n => n.Current.CaPem).Distinct());
    }

    [Fact]
    public async Task RotateTrustAnchor_BundleSigning_IsAnnouncedThenSigns_AndTheOneBeforeIsKeptForAWhile()
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var trust = await OpenTrustAsync(time);
        var first = trust.Current.Signing.KeyId;
        var (result, added) = await trust.RotateAsync("test", TrustAnchorUse.BundleSigning, TrustRing.AnnouncedFor, revoke: false, Cancellation);
        Assert.True(result.IsCommitted);
        var second = added!.KeyId;
        Assert.Equal(first, trust.Current.Signing.KeyId);
        Assert.Equal([second, first], KeysOf(trust));
        var again = Assert.IsType<Refusal.AlreadyThere>((await trust.RotateAsync("test", TrustAnchorUse.BundleSigning, TrustRing.AnnouncedFor, revoke: false, Cancellation)).Result.Refusal);
        Assert.Contains(second, again.What, StringComparison.Ordinal);

        // Another node, which has read it before its time had come.
        var other = await OpenTrustAsync(time);
        time.Advance(TrustRing.AnnouncedFor - TimeSpan.FromSeconds(1));
        await other.LoadAsync(Cancellation);
        Assert.Equal(first, other.Current.Signing.KeyId);
        time.Advance(TimeSpan.FromSeconds(1));
        await other.LoadAsync(Cancellation);
        Assert.Equal(second, other.Current.Signing.KeyId);
        // Who knows the first alone is told by it, and who knows neither is not told.
        Assert.Equal(first, other.Current.SignFor(new HashSet<string> { first }, time.GetUtcNow())!.KeyId);
        Assert.Equal(second, other.Current.SignFor(new HashSet<string> { first, second }, time.GetUtcNow())!.KeyId);
        Assert.Null(other.Current.SignFor(new HashSet<string> { "another" }, time.GetUtcNow()));

        time.Advance(TrustRing.KeptFor - TimeSpan.FromSeconds(1));
        await trust.KeepAsync(Cancellation);
        await trust.LoadAsync(Cancellation);
        Assert.Equal([second, first], KeysOf(trust));
        time.Advance(TimeSpan.FromSeconds(1));
        await trust.KeepAsync(Cancellation);
        await trust.LoadAsync(Cancellation);
        Assert.Equal([second], KeysOf(trust));
        await using var context = Node.Database.Open();
        Assert.Equal([first, second], (await context.Audit.Where(a => a.Action == "trust-anchors.add" && a.After!.StartsWith("bundle")).OrderBy(a => a.Revision).ToListAsync(Cancellation)).Select(a => a.Target));
        Assert.Equal(first, (await context.Audit.SingleAsync(a => a.Action == "trust-anchors.remove", Cancellation)).Target);
    }

    /// <summary>Whoever trusts the CA before alone trusts what the next one issues, for as long as join tokens name it.</summary>
    [Fact]
    public async Task RotateTrustAnchor_Ca_IsTrustedByThoseThatKnowEither()
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var trust = await OpenTrustAsync(time);
        var first = trust.Current.Authority;
        await trust.RotateAsync("test", TrustAnchorUse.Ca, TimeSpan.FromHours(1), revoke: false, Cancellation);
        Assert.Equal(first.KeyId, trust.Current.Authority.KeyId);
        Assert.Equal(2, Read(trust.Current.CaPem).Count);
        time.Advance(TimeSpan.FromHours(1));
        await trust.LoadAsync(Cancellation);
        var second = trust.Current.Authority;
        Assert.NotEqual(first.KeyId, second.KeyId);
        using var server = second.IssueServer(["control"], time.GetUtcNow());
        Assert.True(Trusts([first.Certificate], server, trust.Current.Chain, time.GetUtcNow()));
        Assert.True(Trusts([second.Certificate], server, trust.Current.Chain, time.GetUtcNow()));
        Assert.True(Trusts([first.Certificate, second.Certificate], server, trust.Current.Chain, time.GetUtcNow()));
        Assert.False(Trusts([first.Certificate], server, [], time.GetUtcNow()));
        using var stranger = new CertificateAuthority(CertificateAuthority.Create(time.GetUtcNow()));
        Assert.False(Trusts([stranger.Certificate], server, trust.Current.Chain, time.GetUtcNow()));

        // And once more while the first is kept.
        await trust.RotateAsync("test", TrustAnchorUse.Ca, TimeSpan.FromHours(1), revoke: false, Cancellation);
        time.Advance(TimeSpan.FromHours(1));
        await trust.LoadAsync(Cancellation);
        using var last = trust.Current.Authority.IssueServer(["control"], time.GetUtcNow());
        Assert.True(Trusts([first.Certificate], last, trust.Current.Chain, time.GetUtcNow()));
        Assert.True(Trusts([second.Certificate], last, trust.Current.Chain, time.GetUtcNow()));
        Assert.True(trust.Current.HasIssued(server));

        time.Advance(TrustRing.CaKeptFor + TimeSpan.FromSeconds(1));
        await trust.KeepAsync(Cancellation);
        await trust.LoadAsync(Cancellation);
        Assert.Single(Read(trust.Current.CaPem));
        Assert.False(trust.Current.HasIssued(server));
    }

    [Fact]
    public async Task RotateTrustAnchor_Revoking_IsInForceAtOnce_AndTellsThoseThatDoNotKnowYet()
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var trust = await OpenTrustAsync(time);
        var (key, authority) = (trust.Current.Signing, trust.Current.Authority);
        var heartbeat = key.Sign(new Heartbeat { Revision = "x", CreatedAt = Timestamp.FromDateTimeOffset(time.GetUtcNow()) });
        Assert.NotNull(trust.Current.TryReadHeartbeat(heartbeat));
        var announced = (await trust.RotateAsync("test", TrustAnchorUse.BundleSigning, TrustRing.AnnouncedFor, revoke: false, Cancellation)).Row!.KeyId;
        var next = (await trust.RotateAsync("test", TrustAnchorUse.BundleSigning, TrustRing.AnnouncedFor, revoke: true, Cancellation)).Row!.KeyId;
        Assert.NotEqual(announced, next);
        Assert.Equal(next, trust.Current.Signing.KeyId);
        Assert.Equal([next], KeysOf(trust));
        // By what it signed, somebody else could say that revisions are lost.
        Assert.Null(trust.Current.TryReadHeartbeat(heartbeat));
        Assert.Equal(key.KeyId, trust.Current.SignFor(new HashSet<string> { key.KeyId }, time.GetUtcNow())!.KeyId);

        await trust.RotateAsync("test", TrustAnchorUse.Ca, TrustRing.AnnouncedFor, revoke: true, Cancellation);
        Assert.Equal(trust.Current.Authority.KeyId, Assert.Single(Read(trust.Current.CaPem)) is var only ? System.Buffers.Text.Base64Url.EncodeToString(System.Security.Cryptography.SHA256.HashData(only.PublicKey.ExportSubjectPublicKeyInfo())) : null);
        using var server = trust.Current.Authority.IssueServer(["control"], time.GetUtcNow());
        Assert.True(Trusts([authority.Certificate], server, trust.Current.Chain, time.GetUtcNow()));

        time.Advance(TrustRing.KeptFor + TimeSpan.FromSeconds(1));
        await trust.KeepAsync(Cancellation);
        await trust.LoadAsync(Cancellation);
        Assert.Null(trust.Current.SignFor(new HashSet<string> { key.KeyId }, time.GetUtcNow()));
        Assert.Equal(2, trust.Current.Rows.Count());
    }

    /// <summary>A database of before anchors were rotated: sidecars that trust them go on doing so.</summary>
    [Fact]
    public async Task TrustAnchors_OfADatabaseThatHadThemForGood_AreTakenOver()
    {
        var store = new ControlStore(Node.Database, TimeProvider.System);
        var secrets = new SecretStore(store, new LocalKeyVault("test", () => Convert.ToBase64String(new byte[32])));
        await secrets.OpenAsync(Cancellation);
        var (ca, key) = (CertificateAuthority.Create(TimeProvider.System.GetUtcNow()), BundleKey.Create());
        await using (var context = Node.Database.Open())
        {
            context.Secrets.Add(new SecretRow { Name = "certificate-authority", Sealed = secrets.Seal(ca, "certificate-authority") });
            context.Secrets.Add(new SecretRow { Name = "bundle-signing", Sealed = secrets.Seal(key, "bundle-signing") });
            await context.SaveChangesAsync(Cancellation);
        }

        using var authority = new CertificateAuthority(ca);
        using var signing = new BundleKey(key);
        foreach (var _ in Enumerable.Range(0, 2))
        {
            var trust = await OpenTrustAsync(TimeProvider.System);
            Assert.Equal((authority.KeyId, signing.KeyId, 2), (trust.Current.Authority.KeyId, trust.Current.Signing.KeyId, trust.Current.Rows.Count()));
        }

        await using var after = Node.Database.Open();
        Assert.False(await after.Secrets.AnyAsync(s => s.Name == "certificate-authority" || s.Name == "bundle-signing", Cancellation));
    }

    /// <summary>An expired CA can issue nothing, nor be rotated by those whom it lets in no more.</summary>
    [Fact]
    public async Task TrustAnchors_WithACaThatHasExpired_AreGivenAnother()
    {
        var time = new FakeTimeProvider(TimeProvider.System.GetUtcNow());
        var before = (await OpenTrustAsync(time)).Current.Authority.KeyId;
        time.Advance(TimeSpan.FromDays(366 * 10));
        var trust = await OpenTrustAsync(time);
        Assert.NotEqual(before, trust.Current.Authority.KeyId);
        using var server = trust.Current.Authority.IssueServer(["control"], time.GetUtcNow());
        Assert.True(Trusts([trust.Current.Authority.Certificate], server, trust.Current.Chain, time.GetUtcNow()));
    }

    /// <summary>One below an intermediate CA is not in the registry, which alone refuses what a revoked CA has issued.</summary>
    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public async Task Handshake_OfACertificateBelowAnIntermediateCa_IsRefused(bool isBelow, bool isAccepted)
    {
        using var ca = new TestCa();
        using var intermediate = new TestCa(ca);
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, ca.Pem, Cancellation);
            var tls = new ServerTls(
                new ServeOptions { Database = Node.Database, State = "", AdminSocket = "", ClientCa = file, Names = ["localhost"] }, await OpenTrustAsync(TimeProvider.System), TimeProvider.System);
            using var client = (isBelow ? intermediate : ca).Issue(["spiffe://acme.example/application/documents/sidecar/one"]);
            using var chain = new X509Chain();
            chain.ChainPolicy.ExtraStore.Add(intermediate.Certificate);
            Assert.Equal(isAccepted, tls.ForSidecars().RemoteCertificateValidationCallback!(this, client, chain, System.Net.Security.SslPolicyErrors.RemoteCertificateChainErrors));
        }
        finally
        {
            File.Delete(file);
        }
    }

    private async Task<TrustRing> OpenTrustAsync(TimeProvider time)
    {
        var store = new ControlStore(Node.Database, time);
        var secrets = new SecretStore(store, new LocalKeyVault("test", () => Convert.ToBase64String(new byte[32])));
        await secrets.OpenAsync(Cancellation);
        var trust = new TrustRing(store, secrets, time);
        await trust.OpenAsync(Cancellation);
        return trust;
    }

    private static IEnumerable<string> KeysOf(TrustRing trust) =>
        System.Text.Json.JsonDocument.Parse(trust.Current.KeySet).RootElement.GetProperty("keys").EnumerateArray().Select(k => k.GetProperty("kid").GetString()!);

    private static X509Certificate2Collection Read(string pem)
    {
        var certificates = new X509Certificate2Collection();
        certificates.ImportFromPem(pem);
        return certificates;
    }

    private static bool Trusts(X509Certificate2Collection authorities, X509Certificate2 certificate, X509Certificate2Collection sent, DateTimeOffset now)
    {
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.ExtraStore.AddRange(sent);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.DisableCertificateDownloads = true;
        chain.ChainPolicy.VerificationTime = now.UtcDateTime;
        return chain.Build(certificate);
    }
}

public sealed class SqliteTrustRingTests() : TrustRingTests(new SqliteTestDatabase());

public sealed class PostgresTrustRingTests(PostgresServer server) : TrustRingTests(new PostgresTestDatabase(server));
