using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AuthSidecar.ControlPlane.Hosting;
using AuthSidecar.ControlPlane.Identity;
using AuthSidecar.ControlPlane.Identity.Keys;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Sidecars;
using AuthSidecar.ControlPlane.Sidecars.Enrolment;
using AuthSidecar.ControlPlane.Sidecars.Fleet;
using AuthSidecar.ControlPlane.Sidecars.Trust;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Tests.Testing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;

namespace AuthSidecar.ControlPlane.Tests.Sidecars.Enrolment;

public abstract class SidecarRegistryTests(TestDatabase database) : StoreTest(database)
{
    /// <summary>An answer that got lost is asked for again, with the same key: it is the same answer, and costs nothing more.</summary>
    [Fact]
    public async Task Enrol_SameNameAndKeyAgain_TheSameCertificateAndNoFurtherUse()
    {
        var enrolments = await Enrolments.OpenAsync(Node.Database);
        var (token, request) = (await enrolments.NewTokenAsync(uses: 1), Enrolments.NewRequest());
        var answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => enrolments.Registry.EnrolAsync(token, "one", placement: null, request, Cancellation)));
        Assert.Single(answers.Select(a => a.Certificate).Distinct());
        Assert.All(answers, a => Assert.True(a.IsIssued));
        Assert.Equal(0, (await enrolments.TokenAsync(token)).UsesLeft);
        Assert.Equal(answers[0].Certificate, (await (await Enrolments.OpenAsync(Node.Database)).Registry.EnrolAsync(token, "one", placement: null, request, Cancellation)).Certificate);
        Assert.Single(await enrolments.AuditAsync("sidecars.enrol"));

        // Of another name, or once it has been removed, it is another sidecar's, and that costs a use.
        Assert.Equal(EnrolmentRefusal.TokenUsedUp, (await enrolments.Registry.EnrolAsync(token, "two", placement: null, request, Cancellation)).Refusal);
        Assert.True((await enrolments.Registry.RemoveAsync("test", Enrolments.IdentityOf("one"), Cancellation)).Result.IsCommitted);
        Assert.Equal(EnrolmentRefusal.TokenUsedUp, (await enrolments.Registry.EnrolAsync(token, "one", placement: null, request, Cancellation)).Refusal);
    }

    /// <summary>A thousand pods of one rollout: each has one certificate, and the uses that were spent are as many as there are.</summary>
    [Fact]
    public async Task Enrol_ManyAtOnce_EachHasOneCertificateAndUsesSpentAreAsMany()
    {
        const int Names = 200;
        var enrolments = await Enrolments.OpenAsync(Node.Database);
        var token = await enrolments.NewTokenAsync(uses: Names - 10);
        var head = await Node.HeadAsync();
        var answers = await Task.WhenAll(Enumerable.Range(0, Names).SelectMany(n => Enumerable.Repeat(($"pod-{n}", Enrolments.NewRequest()), 2)).Select(async e => (e.Item1, await enrolments.Registry.EnrolAsync(token, e.Item1, placement: null, e.Item2, Cancellation))));
        var byName = answers.GroupBy(a => a.Item1, a => a.Item2).ToList();
        Assert.All(byName, name => Assert.Single(name.Select(a => (a.Certificate, a.Refusal)).Distinct()));
        Assert.Equal(Names - 10, byName.Count(name => name.First().IsIssued));
        Assert.All(byName.Where(name => !name.First().IsIssued), name => Assert.Equal(EnrolmentRefusal.TokenUsedUp, name.First().Refusal));
        Assert.Equal(0, (await enrolments.TokenAsync(token)).UsesLeft);
        Assert.Equal(Names - 10, (await enrolments.AuditAsync("sidecars.enrol")).Select(a => a.Target).Distinct().Count());
        // Nobody decides from who is enrolled: there is no revision that anybody would have to hear of.
        Assert.Equal(head, await Node.HeadAsync());
    }

    [Fact]
    public async Task Enrol_RefusalsAreToldApart_AndWhoDoesNotKnowTheSecretLearnsNothing()
    {
        var enrolments = await Enrolments.OpenAsync(Node.Database);
        var (good, named) = (await enrolments.NewTokenAsync(uses: 2), await enrolments.NewTokenAsync(new JoinTokenTerms(1, TimeSpan.FromHours(1), Name: "edge-1")));
        Assert.Equal(EnrolmentRefusal.TokenUnknown, await RefusalAsync(new JoinToken("nobody", good.Secret), "one"));
        Assert.Equal(EnrolmentRefusal.TokenUnknown, await RefusalAsync(good with { Secret = named.Secret }, "one"));
        Assert.Equal(EnrolmentRefusal.TokenOfAnotherName, await RefusalAsync(named, "edge-2"));
        Assert.Null(await RefusalAsync(named, "edge-1"));
        Assert.Equal(EnrolmentRefusal.TokenUsedUp, await RefusalAsync(named, "edge-1"));
        Assert.Equal(EnrolmentRefusal.NoKey, (await enrolments.Registry.EnrolAsync(good, "one", placement: null, "-----BEGIN CERTIFICATE REQUEST-----", Cancellation)).Refusal);
        var another = new Placement("another", "");
        Assert.Equal(EnrolmentRefusal.TokenOfAnotherPlacement, (await enrolments.Registry.EnrolAsync(good, "one", another, Enrolments.NewRequest(), Cancellation)).Refusal);
        Assert.Equal(EnrolmentRefusal.TokenOfAnotherPlacement, (await enrolments.Registry.EnrolAsync(good, "one", Enrolments.IdentityOf("one").Placement with { Tenant = "emea" }, Enrolments.NewRequest(), Cancellation)).Refusal);
        Assert.Equal(EnrolmentRefusal.TokenUnknown, (await enrolments.Registry.EnrolAsync(good with { Secret = named.Secret }, "one", another, Enrolments.NewRequest(), Cancellation)).Refusal);
        Assert.Equal(2, (await enrolments.TokenAsync(good)).UsesLeft);
        enrolments.Time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(EnrolmentRefusal.TokenExpired, await RefusalAsync(good, "one"));
        Assert.Equal(EnrolmentRefusal.TokenUnknown, await RefusalAsync(good with { Secret = named.Secret }, "one"));
        var removed = await enrolments.NewTokenAsync(uses: 1);
        Assert.IsType<Refusal.NotFound>((await enrolments.JoinTokens.RemoveAsync("test", removed.Id, _ => false, Cancellation)).Refusal);
        Assert.Null((await enrolments.JoinTokens.RemoveAsync("test", removed.Id, _ => true, Cancellation)).Refusal);
        Assert.Equal(EnrolmentRefusal.TokenUnknown, await RefusalAsync(removed, "one"));

        async Task<EnrolmentRefusal?> RefusalAsync(JoinToken token, string name) => (await enrolments.Registry.EnrolAsync(token, name, placement: null, Enrolments.NewRequest(), Cancellation)).Refusal;
    }

    /// <summary>Who has a name and is there keeps it; who is not, or where the token says so, gives it up, and both are told.</summary>
    [Fact]
    public async Task Enrol_NameThatIsConnected_RefusedUnlessTheTokenReplaces()
    {
        var enrolments = await Enrolments.OpenAsync(Node.Database);
        var (token, replacing) = (await enrolments.NewTokenAsync(uses: 10), await enrolments.NewTokenAsync(new JoinTokenTerms(1, TimeSpan.FromHours(1), IsReplacing: true)));
        var first = await enrolments.EnrolAsync(token, "one");
        await ConnectAsync(isConnected: true);
        Assert.Equal(EnrolmentRefusal.NameInUse, (await enrolments.Registry.EnrolAsync(token, "one", placement: null, Enrolments.NewRequest(), Cancellation)).Refusal);
        Assert.Null(await enrolments.RefusalAsync("one", first));

        enrolments.Time.Advance(TimeSpan.FromMinutes(1));
        await ConnectAsync(isConnected: true);
        var second = await enrolments.Registry.EnrolAsync(replacing, "one", placement: null, Enrolments.NewRequest(), Cancellation);
        Assert.NotNull(second.ReplacedAt);
        Assert.Contains("was enrolled with another key at ", await enrolments.RefusalAsync("one", first), StringComparison.Ordinal);
        Assert.Null(await enrolments.RefusalAsync("one", Enrolments.Read(second)));

        // One that has gone gives its name up; one that only looks connected, since its node has ended, after a while.
        await ConnectAsync(isConnected: false);
        Assert.NotNull((await enrolments.Registry.EnrolAsync(token, "one", placement: null, Enrolments.NewRequest(), Cancellation)).ReplacedAt);
        await ConnectAsync(isConnected: true);
        Assert.Equal(EnrolmentRefusal.NameInUse, (await enrolments.Registry.EnrolAsync(token, "one", placement: null, Enrolments.NewRequest(), Cancellation)).Refusal);
        enrolments.Time.Advance(Presence.ConnectedFor);
        Assert.True((await enrolments.Registry.EnrolAsync(token, "one", placement: null, Enrolments.NewRequest(), Cancellation)).IsIssued);

        async Task ConnectAsync(bool isConnected)
        {
            await using var context = Node.Database.Open();
            await context.Sidecars.ExecuteUpdateAsync(
                u => u.SetProperty(s => s.ConnectedTo, isConnected ? "node" : "").SetProperty(s => s.HeardAtMs, enrolments.Time.GetUtcNow().ToUnixTimeMilliseconds()), Cancellation);
        }
    }

    /// <summary>A backup does not know the certificates that were issued after it was made, and their sidecars have no others: they stay admitted, and nobody else is.</summary>
    [Fact]
    public async Task Certificates_IssuedAfterTheBackup_AreReadmittedInTheHistoryThatFollowsTheRestore()
    {
        var enrolments = await Enrolments.OpenAsync(Node.Database);
        var token = await enrolments.NewTokenAsync(uses: 10);
        var (first, dismissed) = (await enrolments.EnrolAsync(token, "renewed"), await enrolments.EnrolAsync(token, "removed"));
        enrolments.Time.Advance(TimeSpan.FromMinutes(20));
        Assert.True((await enrolments.Registry.RemoveAsync("test", Enrolments.IdentityOf("removed"), Cancellation)).Result.IsCommitted);
        var backup = await Node.Store.ReadAsync((context, _) => context.Sidecars.SingleAsync(s => s.Name == "renewed"), Cancellation);

        enrolments.Time.Advance(TimeSpan.FromMinutes(20));
        var second = X509Certificate2.CreateFromPem(await enrolments.Registry.TryRenewAsync(Enrolments.IdentityOf("renewed"), first, Enrolments.NewRequest(), Cancellation));
        var (late, stolen) = (await enrolments.EnrolAsync(token, "late"), await enrolments.EnrolAsync(token, "stolen"));
        await using (var context = Node.Database.Open())
        {
            await context.Sidecars.Where(s => s.Name == "renewed").ExecuteUpdateAsync(
                u => u.SetProperty(s => s.Serial, backup.Serial).SetProperty(s => s.Certificate, backup.Certificate).SetProperty(s => s.KeySha256, backup.KeySha256).SetProperty(s => s.PreviousSha256, "").SetProperty(s => s.ValidFromMs, backup.ValidFromMs), Cancellation);
            await context.Sidecars.Where(s => s.Name == "late" || s.Name == "stolen").ExecuteDeleteAsync(Cancellation);
        }

        // A certificate that is not known is none of ours, as long as nothing was restored.
        Assert.NotNull(await enrolments.RefusalAsync("renewed", second));
        Assert.Equal("sidecar `late` is not enrolled", await enrolments.RefusalAsync("late", late));
        enrolments.Time.Advance(TimeSpan.FromHours(1));
        await enrolments.Store.BeginHistoryAsync("test", expected: null, Cancellation);
        // One that is known to be lost can be removed before it comes, though nothing is known of it here.
        var blocked = await enrolments.Registry.RemoveAsync("test", Enrolments.IdentityOf("stolen"), Cancellation);
        Assert.Equal((true, false), (blocked.Result.IsCommitted, blocked.WasEnrolled));
        // Housekeeping keeps the row for 30 days more.
        var kept = await Node.Store.ReadAsync((context, _) => context.Sidecars.Where(s => s.Name == "stolen").Select(s => s.ExpiresAtMs).SingleAsync(Cancellation), Cancellation);
        Assert.Equal(enrolments.Time.GetUtcNow() + TimeSpan.FromHours(24), DateTimeOffset.FromUnixTimeMilliseconds(kept), TimeSpan.FromSeconds(1));
        Assert.Equal("sidecar `stolen` was removed", await enrolments.RefusalAsync("stolen", stolen));
        Assert.Null(await enrolments.RefusalAsync("late", late));
        Assert.Null(await enrolments.RefusalAsync("renewed", first));
        Assert.Null(await enrolments.RefusalAsync("renewed", second));
        // The newest counts from then on, and what was removed before the backup stays removed.
        Assert.StartsWith("certificate superseded by a renewal", await enrolments.RefusalAsync("renewed", first), StringComparison.Ordinal);
        Assert.Equal("sidecar `removed` was removed", await enrolments.RefusalAsync("removed", dismissed));
        Assert.True((await enrolments.Registry.RemoveAsync("test", Enrolments.IdentityOf("late"), Cancellation)).Result.IsCommitted);
        Assert.Equal("sidecar `late` was removed", await enrolments.RefusalAsync("late", late));
        enrolments.Time.Advance(TimeSpan.FromHours(24));
        Assert.StartsWith("the certificate of this sidecar expired at ", await enrolments.RefusalAsync("renewed", second), StringComparison.Ordinal);
    }

    /// <summary>Whoever has stolen the CA chooses names, times and serial numbers. Certificates count as they are registered, and what is not known counts after a restore alone.</summary>
    [Fact]
    public async Task Certificates_ThatAThiefOfTheCaHasIssued_AreRefused()
    {
        var enrolments = await Enrolments.OpenAsync(Node.Database);
        using var genuine = await enrolments.EnrolAsync(await enrolments.NewTokenAsync(uses: 1), "one");
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var forged = enrolments.Forge("one", key);
        Assert.NotNull(await enrolments.RefusalAsync("one", forged));
        await using (var context = Node.Database.Open())
        {
            await context.Sidecars.ExecuteUpdateAsync(u => u.SetProperty(s => s.Serial, forged.SerialNumber), Cancellation);
        }

        Assert.NotNull(await enrolments.RefusalAsync("one", forged));
        using var unknown = enrolments.Forge("another", key);
        Assert.Equal("sidecar `another` is not enrolled", await enrolments.RefusalAsync("another", unknown));

        // A history that began since, but the CA was revoked; and it is the other that sidecars are readmitted with.
        enrolments.Time.Advance(TimeSpan.FromMinutes(10));
        await enrolments.RevokeCaAsync();
        await enrolments.Store.BeginHistoryAsync("test", expected: null, Cancellation);
        Assert.Equal("sidecar `another` is not enrolled", await enrolments.RefusalAsync("another", unknown));
        using var renewed = enrolments.Forge("third", key);
        enrolments.Time.Advance(TimeSpan.FromMinutes(10));
        await enrolments.Store.BeginHistoryAsync("test", expected: null, Cancellation);
        Assert.Null(await enrolments.RefusalAsync("third", renewed));
    }

    /// <summary>Operators hear of what comes to its end before it does; and a name that was blocked after a restore stays blocked.</summary>
    [Fact]
    public async Task Housekeeping_WarnsOfTokensAndTheCa_AndKeepsBlockedNames()
    {
        var enrolments = await Enrolments.OpenAsync(Node.Database);
        using var forgedKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        enrolments.Time.Advance(TimeSpan.FromDays(3_400));
        using var stolen = enrolments.Forge("stolen", forgedKey);
        enrolments.Time.Advance(TimeSpan.FromHours(1));
        await enrolments.Store.BeginHistoryAsync("test", expected: null, Cancellation);
        Assert.False((await enrolments.Registry.RemoveAsync("test", Enrolments.IdentityOf("stolen"), Cancellation)).WasEnrolled);
        var (few, old) = (await enrolments.NewTokenAsync(uses: 10), await enrolments.NewTokenAsync(new JoinTokenTerms(1_000, TimeSpan.FromHours(1))));
        for (var i = 0; i < 9; i++)
        {
            await enrolments.EnrolAsync(few, $"pod-{i}");
        }

        var logged = await enrolments.KeepHouseAsync();
        Assert.Contains($"join token {few.Id} of documents has 1 of 10 uses left: create another", logged);
        Assert.Contains(logged, l => l.StartsWith("the CA expires at ", StringComparison.Ordinal) && l.EndsWith("rotate it (`authsidecar-control keys rotate-ca`)", StringComparison.Ordinal));
        Assert.DoesNotContain(logged, l => l.Contains(old.Id, StringComparison.Ordinal));
        Assert.Equal("sidecar `stolen` was removed", await enrolments.RefusalAsync("stolen", stolen));
        enrolments.Time.Advance(TimeSpan.FromMinutes(55));
        Assert.Contains(await enrolments.KeepHouseAsync(), l => l.StartsWith($"join token {old.Id} of documents expires at ", StringComparison.Ordinal));
    }

    private static X509Certificate2Collection Read(string pem)
    {
        var certificates = new X509Certificate2Collection();
        certificates.ImportFromPem(pem);
        return certificates;
    }

    /// <summary>What a node certifies sidecars with.</summary>
    private sealed class Enrolments
    {
        private readonly Database _database;
        private readonly TrustRing _trust;

        private Enrolments(Database database)
        {
            _database = database;
            Store = new ControlStore(database, Time);
            Secrets = new SecretStore(Store, new LocalKeyVault("test", () => Convert.ToBase64String(new byte[32])));
            _trust = new TrustRing(Store, Secrets, Time);
            Registry = new SidecarRegistry(Store, _trust, new SidecarFleet(Time), Time);
            JoinTokens = new JoinTokens(Store, _trust, Time);
        }

        public static async Task<Enrolments> OpenAsync(Database database)
        {
            var enrolments = new Enrolments(database);
            await enrolments.Secrets.OpenAsync(Cancellation);
            await enrolments._trust.OpenAsync(Cancellation);
            return enrolments;
        }

        private SecretStore Secrets { get; }

        public FakeTimeProvider Time { get; } = new(TimeProvider.System.GetUtcNow());

        public ControlStore Store { get; }

        public SidecarRegistry Registry { get; }

        public JoinTokens JoinTokens { get; }

        /// <summary>A certificate that is registered nowhere.</summary>
        public X509Certificate2 Forge(string name, ECDsa key) => _trust.Current.Authority.IssueSidecar(IdentityOf(name), new PublicKey(key), Time.GetUtcNow());

        /// <summary>One round of it.</summary>
        /// <returns>What it logged.</returns>
        public async Task<List<string>> KeepHouseAsync()
        {
            var lifetime = new ApplicationLifetime(NullLogger<ApplicationLifetime>.Instance);
            var options = new ServeOptions { State = "/nowhere", AdminSocket = "/nowhere/socket", Database = _database };
            using var feed = new StoreWatcher(_database, Store, lifetime, Time, NullLogger<StoreWatcher>.Instance);
            using var keys = new KeyRing(Store, Secrets, feed, new IdentityServerOptions(), lifetime, Time, NullLogger<KeyRing>.Instance);
            var logger = new FakeLogger<Housekeeping>();
            using var housekeeping = new Housekeeping(_database, Secrets, keys, _trust, options, Time, logger);
            await housekeeping.StartAsync(Cancellation);
            for (var i = 0; i < 200 && !logger.Collector.GetSnapshot().Any(r => r.Message.Contains("join token", StringComparison.Ordinal)); i++)
            {
                await Task.Delay(20, Cancellation);
            }

            await Task.Delay(300, Cancellation);
            await housekeeping.StopAsync(Cancellation);
            var records = logger.Collector.GetSnapshot();
            Assert.DoesNotContain(records, r => r.Message.Contains("failed", StringComparison.Ordinal));
            return [.. records.Select(r => r.Message)];
        }

        public Task RevokeCaAsync() => _trust.RotateAsync("test", V1.TrustAnchorUse.Ca, TimeSpan.Zero, revoke: true, Cancellation);

        public static SidecarIdentity IdentityOf(string name) => new(new Placement("documents", ""), name);

        public static X509Certificate2 Read(EnrolmentResult result) => X509Certificate2.CreateFromPem(result.Certificate);

        public static string NewRequest()
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            return new CertificateRequest("CN=x", key, HashAlgorithmName.SHA256).CreateSigningRequestPem();
        }

        public Task<JoinToken> NewTokenAsync(int uses) => NewTokenAsync(new JoinTokenTerms(uses, TimeSpan.FromHours(1)));

        public async Task<JoinToken> NewTokenAsync(JoinTokenTerms terms) =>
            (await JoinTokens.CreateAsync("test", IdentityOf("any").Placement, terms, Cancellation)).Split('.') is [_, var id, var secret, _] ? new JoinToken(id, secret) : throw new InvalidOperationException("no token");

        public async Task<X509Certificate2> EnrolAsync(JoinToken token, string name) => Read(await Registry.EnrolAsync(token, name, placement: null, NewRequest(), Cancellation));

        /// <summary>As a node says it that knows nothing yet.</summary>
        public async Task<string?> RefusalAsync(string name, X509Certificate2 certificate)
        {
            var head = await Store.LookAsync(Cancellation);
            return await new SidecarAdmission(Store, _trust, Time).FindRefusalAsync(IdentityOf(name), certificate, isOurs: true, head.Notes, head.Revision.History, Cancellation);
        }

        public async Task<JoinTokenRow> TokenAsync(JoinToken token) => (await JoinTokens.ListAsync(Cancellation)).Single(t => t.Id == token.Id);

        public async Task<List<AuditRow>> AuditAsync(string action)
        {
            await using var context = _database.Open();
            return await context.Audit.Where(a => a.Action == action).ToListAsync(Cancellation);
        }
    }
}

public sealed class SqliteSidecarRegistryTests() : SidecarRegistryTests(new SqliteTestDatabase());

public sealed class PostgresSidecarRegistryTests(PostgresServer server) : SidecarRegistryTests(new PostgresTestDatabase(server));
