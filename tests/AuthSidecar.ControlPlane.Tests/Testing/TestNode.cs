using AuthSidecar.Cedar;
using AuthSidecar.ControlPlane.Administrators;
using AuthSidecar.ControlPlane.Entities;
using AuthSidecar.ControlPlane.Identity;
using AuthSidecar.ControlPlane.Identity.Accounts;
using AuthSidecar.ControlPlane.Identity.Grants;
using AuthSidecar.ControlPlane.Identity.Keys;
using AuthSidecar.ControlPlane.Identity.Passwords;
using AuthSidecar.ControlPlane.Identity.Sessions;
using AuthSidecar.ControlPlane.Identity.SignIn;
using AuthSidecar.ControlPlane.Policies;
using AuthSidecar.ControlPlane.Publications;
using AuthSidecar.ControlPlane.Secrets;
using AuthSidecar.ControlPlane.Sidecars.Fleet;
using AuthSidecar.ControlPlane.Sidecars.Sync;
using AuthSidecar.ControlPlane.Store;
using AuthSidecar.ControlPlane.Telemetry;
using AuthSidecar.ControlPlane.V1;
using Google.Protobuf;
using Microsoft.AspNetCore.Identity;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting.Internal;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Account = AuthSidecar.ControlPlane.Identity.Account;

namespace AuthSidecar.ControlPlane.Tests.Testing;

/// <summary>A node of the control plane over a store, by its parts.</summary>
internal sealed class TestNode
{
    private readonly EntityCache _state = new();

    public TestNode(Database database)
    {
        Database = database;
        Store = new ControlStore(database, TimeProvider.System);
        Entities = new EntityWriter(Store, _state, new SchemaSource());
        Policies = new PolicyPublisher(Store, _state);
        Entries = new EntryWriter(Store);
    }

    public Database Database { get; }

    public ControlStore Store { get; }

    public EntityWriter Entities { get; }

    public PolicyPublisher Policies { get; }

    public EntryWriter Entries { get; }

    public ApplicationLifetime Lifetime { get; } = new(NullLogger<ApplicationLifetime>.Instance);

    public AdministratorAccounts Administrators(TimeProvider time) => new(Store, Entities, _state, time);

    public async Task<(GrantStore Grants, SessionStore Sessions)> GrantsAsync(TimeProvider time)
    {
        var store = new ControlStore(Database, time);
        return (new GrantStore(store, Database, await SecretsAsync(time), time), new SessionStore(store, Database, time));
    }

    /// <summary>Begins a session of an account, which is made when it is not there.</summary>
    public async Task<(SessionRow Session, string Secret)> BeginSessionAsync(SessionStore sessions, string accountId, string userAgent = "", SessionRow? before = null, DateTimeOffset? at = null)
    {
        var account = new Account { Id = accountId, UserName = accountId, NormalizedUserName = accountId, DisplayName = "", IsDisabled = false, Revision = 0, PasswordHash = "right", SecurityStamp = "stamp" };
        await using var context = Database.Open();
        if (!await context.Accounts.AnyAsync(a => a.Id == accountId))
        {
            context.Accounts.Add(account);
            await context.SaveChangesAsync();
        }

        return (await sessions.TryBeginAsync(account, new Authentication("pwd", userAgent, "", at), before, StoreTest.Cancellation))!.Value;
    }

    public async Task<(AccountDirectory Accounts, SignInService SignIn, ProviderLogins Logins)> AccountsAsync(TimeProvider time)
    {
        var parts = await AccountPartsAsync(time);
        return (parts.Accounts, parts.SignIn, parts.Logins);
    }

    public async Task<AccountParts> AccountPartsAsync(TimeProvider time)
    {
        var (hashing, normalizer, errors) = (new PasswordHashing(await SecretsAsync(time), PasswordScheme.Argon2id), new UpperInvariantLookupNormalizer(), new IdentityErrorDescriber());
        var managers = new AccountManagers(Options.Create(new IdentityOptions()), hashing, [new UserValidator<Account>(errors)], normalizer, errors, new ServiceCollection().BuildServiceProvider(), NullLogger<UserManager<Account>>.Instance);
        var (store, factors) = (new ControlStore(Database, time), new SecondFactors(Database, Entries, await SecretsAsync(time), time));
        var (meters, attempts) = (new ServiceCollection().AddMetrics().BuildServiceProvider().GetRequiredService<System.Diagnostics.Metrics.IMeterFactory>(), new SignInAttempts(Database, time));
        var logger = new Microsoft.Extensions.Logging.Testing.FakeLogger<AuthenticationLog>();
        var (log, failed) = (new AuthenticationLog(meters, time, logger), new FailedSignIns(Database, time, NullLogger<FailedSignIns>.Instance));
        var accounts = new AccountDirectory(store, managers, hashing, new PasswordRules(PasswordPolicy.Length, []), factors);
        return new AccountParts(accounts, new SignInService(Database, hashing, factors, attempts, failed, log, store, normalizer), new ProviderLogins(store, managers, time), attempts, new ResetLinks(store, accounts, time), failed, log, logger, meters);
    }

    public sealed record AccountParts(
        AccountDirectory Accounts, SignInService SignIn, ProviderLogins Logins, SignInAttempts Attempts, ResetLinks Resets, FailedSignIns Failed, AuthenticationLog Log,
        Microsoft.Extensions.Logging.Testing.FakeLogger<AuthenticationLog> Logger, System.Diagnostics.Metrics.IMeterFactory Meters);

    public async Task<byte[]> FactorKeyAsync(TimeProvider time) => (await SecretsAsync(time)).FactorWrappingKey;

    private async Task<SecretStore> SecretsAsync(TimeProvider time)
    {
        var secrets = new SecretStore(Store, new LocalKeyVault("test", () => Convert.ToBase64String(new byte[32])));
        await secrets.OpenAsync(StoreTest.Cancellation);
        return secrets;
    }

    public async Task<KeyRing> KeyRingAsync(TimeProvider time, string url = "https://control.test", bool replaceIssuer = false)
    {
        var secrets = await SecretsAsync(time);
        var options = new IdentityServerOptions { Url = new Uri(url), ReplaceIssuer = replaceIssuer };
        var feed = new StoreWatcher(Database, Store, Lifetime, time, NullLogger<StoreWatcher>.Instance);
        var ring = new KeyRing(Store, secrets, feed, options, Lifetime, time, NullLogger<KeyRing>.Instance);
        await ring.OpenAsync(StoreTest.Cancellation);
        return ring;
    }

    public Task<WriteResult> WriteAsync(EntityUid uid, EntityUid parent, Revision? expectedRevision = null, string tenant = "") => Entities.WriteAsync(
        "test", StoreTest.Anywhere, _ => new EntityChange([(new Entity(uid, ValueRecord.Empty, ValueRecord.Empty, parent), new Placement("", tenant))], []), expectedRevision, StoreTest.Cancellation);

    public async Task<WriteResult> PublishAsync(string policies, Revision expectedRevision) => (await Policies.PublishAsync(
        "test", "app", [new Document { Path = "policies/all.cedar", Content = ByteString.CopyFromUtf8(policies) }], expectedRevision, "", StoreTest.Cancellation)).Result;

    public Task<WriteResult> WriteEntryAsync(string key, string json, Revision? expectedRevision) =>
        Entries.WriteAsync("test", "keys.write", Key(key), _ => (new EntryChange(json), null), expectedRevision, StoreTest.Cancellation);

    public Task<WriteResult> WriteFactorsAsync(string subject, string tenant, string id) => Entries.WriteAsync(
        "test",
        "factors.enrol",
        new EntryKey(DataType.Factors, subject, new Placement("", tenant)),
        _ => (new EntryChange(FactorEntry.WriteAll([new FactorEntry { Subject = subject, Id = id, BackupCodeSha256 = [new byte[32]] }])), null),
        null,
        StoreTest.Cancellation);

    public async Task<List<UnsignedBundle>> ReadUnsignedAsync(string tenant, RevisionVector held)
    {
        var secrets = new SecretStore(Store, new LocalKeyVault("test", () => Convert.ToBase64String(new byte[32])));
        await secrets.OpenAsync(StoreTest.Cancellation);
        return await Store.ReadAsync((context, head) => new UnsignedBundleReader(secrets, TimeProvider.System).ReadAsync(context, new Placement("app", tenant), held, (long)head.Number), StoreTest.Cancellation);
    }

    public static EntryKey Key(string key) => new(DataType.Keys, key, new Placement("app", ""));

    public Task<Revision> HeadAsync() => Store.ReadAsync((_, head) => Task.FromResult(head), StoreTest.Cancellation);
}
